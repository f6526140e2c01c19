"""The header of a trace, from the model and run that it describes."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from torch import nn

import gradprobe
from gradprobe.errors import InputError
from gradprobe.gradients import SharedParameters
from gradprobe.trace import Trace, TraceHeader


def check_destination(trace: Trace | None, out: str | Path | None) -> None:
    """Refuse a trace to append to together with a folder for a new one.

    Raises:
        InputError: both were given.
    """
    if trace is not None and out is not None:
        raise InputError("out: expected either a trace to append to or a folder for a new one, got both")


def describe(
    model: nn.Module,
    *,
    focal: str = "",
    every: int = 1,
    sample: float | None = None,
    seed: int,
    batches: str = "",
) -> TraceHeader:
    """What is known of a run before its first measurement.

    Raises:
        InputError: no module, or one without parameters.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
    first = next(model.parameters(), None)
    if first is None:
        raise InputError("model: expected a module with parameters, got one without")
    return TraceHeader(
        focal=focal,
        every=every,
        sample=sample,
        batches=batches,
        seed=seed,
        dtype=str(first.dtype).removeprefix("torch."),
        device=str(first.device),
        versions={
            "gradprobe": gradprobe.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def with_trunk(header: TraceHeader, shared: SharedParameters, tasks: Sequence[str]) -> TraceHeader:
    """The header with the settled trunk, and with tasks that had no rows before."""
    return dataclasses.replace(
        header,
        tasks=tuple(dict.fromkeys((*header.tasks, *tasks))),
        layers=shared.layers,
        parameters=shared.counts,
        excluded=shared.excluded,
    )
