"""The encoders by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from torch import Tensor

from gradprobe.encoders import dmpnn, gine, mlp
from gradprobe.encoders.features import EncoderOptions, Features
from gradprobe.errors import InputError


class Encoder(Protocol):
    """The part of a trunk that the training code relies on, beside `torch.nn.Module`."""

    width: int

    def __call__(self, inputs: Any) -> Tensor:
        """The representation [b, width] of a batch of inputs."""
        ...


@dataclass(frozen=True)
class EncoderSpec:
    """How to featurise molecules for an encoder and how to build it.

    `featurise(smiles, options, cache)` reads and writes `cache` unless that is None;
    `build(options, features)` returns a freshly initialised module, after `features.fit`.
    """

    name: str
    options: type[EncoderOptions]
    featurise: Callable[[Sequence[str], Any, Path | None], Features]
    build: Callable[[Any, Any], Any]


ENCODERS: Mapping[str, EncoderSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            EncoderSpec("mlp", mlp.MLPOptions, mlp.featurise, mlp.build),
            EncoderSpec("dmpnn", dmpnn.DMPNNOptions, dmpnn.featurise, dmpnn.build),
            EncoderSpec("gine", gine.GINEOptions, gine.featurise, gine.build),
        )
    }
)


def get(name: str) -> EncoderSpec:
    """The encoder of that name.

    Raises:
        InputError: there is none; lists the known ones.
    """
    if name not in ENCODERS:
        raise InputError(f"encoder: expected one of {', '.join(ENCODERS)}, got {name!r}")
    return ENCODERS[name]
