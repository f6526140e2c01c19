"""Combiners by name: a new one is its file and its line here."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from gradprobe.combiners.average import Average
from gradprobe.combiners.base import PresentTaskCombiner
from gradprobe.combiners.cagrad import CAGrad
from gradprobe.combiners.cosine_gating import CosineGating
from gradprobe.combiners.gradnorm import GradNorm
from gradprobe.combiners.gragr import GraGR
from gradprobe.combiners.gre import GRE, GREPlus
from gradprobe.combiners.mgda import MGDA
from gradprobe.combiners.pcgrad import PCGrad
from gradprobe.combiners.protocol import Combiner
from gradprobe.combiners.rcgrad import RCGrad
from gradprobe.combiners.weighted import Weighted
from gradprobe.errors import InputError

_CLASSES: tuple[type[PresentTaskCombiner], ...] = (
    Average,
    Weighted,
    PCGrad,
    CAGrad,
    CosineGating,
    RCGrad,
    GraGR,
    GRE,
    GREPlus,
    GradNorm,
    MGDA,
)
_COMBINERS = {combiner.name: combiner for combiner in _CLASSES}
# Other libraries' combiners, `get("torchjd:UPGrad")`: the class that makes one from the name's second
# half. Such a class may need torch, which nothing in this package does, so it is imported when asked for.
_FAMILIES = {"torchjd": ("gradprobe.integrations.torchjd", "TorchJD")}


def names() -> tuple[str, ...]:
    """The names that `get` knows.

    >>> names()[:4]
    ('average', 'weighted', 'pcgrad', 'cagrad')
    """
    return tuple(_COMBINERS)


def options_of(name: str) -> tuple[str, ...]:
    """The options of the combiner of that name; none are known of another library's.

    >>> options_of("pcgrad")
    ('seed', 'order', 'reduction')
    """
    return tuple(inspect.signature(_COMBINERS[name]).parameters) if name in _COMBINERS else ()


def get(name: str, **options: Any) -> Combiner:
    """The combiner of that name with its options; see the class of each for what they mean.

    `torchjd:NAME` is TorchJD's method of that name, where TorchJD is installed.

    >>> get("rcgrad").weights([[1.0, -0.5], [-0.5, 1.0]])
    array([0.75, 0.5 ])

    Raises:
        InputError: an unknown name or option, or an option out of range.
        MissingExtraError: another library's combiner, and the library is not installed.
    """
    family, _, member = name.partition(":")
    if member and family in _FAMILIES:
        module, kind = _FAMILIES[family]
        combiner_of_family: Combiner = getattr(importlib.import_module(module), kind)(member, **options)
        return combiner_of_family
    if name not in _COMBINERS:
        raise InputError(f"name: expected one of {', '.join(_COMBINERS)}; got {name!r}")
    valid = options_of(name)
    unknown = [option for option in options if option not in valid]
    if unknown:
        offer = f"expected some of {', '.join(valid)}" if valid else "expected no options"
        raise InputError(f"{name}: {offer}; got {', '.join(unknown)}")
    return _COMBINERS[name](**options)
