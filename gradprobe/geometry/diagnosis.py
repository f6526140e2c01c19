"""What a profile over the layers of a deep network says: oversmoothing, vanishing, expansion, or none.

A profile has a direction of travel: representations go from the first layer to the last, gradients
back. Growth and decay are counted from where the journey starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray

Finding = Literal["oversmoothing", "vanishing", "expansion", "none"]

ALIKE = 0.1
"""Relative mu from which on down rows are alike: less than 1 % of the squared norm tells them apart."""
VANISHED = 1e-3
"""Norm over the norm at the start from which on down a signal has vanished."""
EXPANDED = 1e3
"""mu over mu at the start from which on up a signal has expanded."""


@dataclass(frozen=True)
class Diagnosis:
    """What was found, at which layer of the profile it is strongest, and why, in words.

    `layer` is None where nothing was found.
    """

    finding: Finding
    reason: str
    layer: int | None = None


def diagnose(
    norms: FloatArray,
    relative: FloatArray,
    *,
    travels: Literal["forward", "backward"],
    names: Sequence[str] | None = None,
) -> Diagnosis:
    """Read a profile of norms [l] and relative mu [l], in the order of the layers.

    The first of these that holds is the finding:

    1. expansion: a norm is not finite, or mu (relative times norm) is `EXPANDED` times mu at the start.
       The rows grow apart, not only the matrix.
    2. oversmoothing: relative mu is `ALIKE` or less at some layer. The reason says if the norm fell too.
    3. vanishing: a norm is `VANISHED` times the one at the start or less, while rows differ.

    Args:
        norms: Frobenius norms; infinite where an entry was not finite.
        relative: relative mu; NaN where the norm is zero or infinite.
        travels: "forward" for representations, "backward" for gradients.
        names: what to call the layers; by default their numbers from 1 on.

    Raises:
        InputError: profiles that are empty or of different lengths.
    """
    norms, relative = np.asarray(norms, dtype=np.float64), np.asarray(relative, dtype=np.float64)
    if norms.ndim != 1 or norms.shape != relative.shape or not norms.size:
        raise InputError(
            "norms, relative: expected two profiles over the same layers, "
            f"got shapes {norms.shape} and {relative.shape}"
        )
    called = [str(number + 1) for number in range(norms.size)] if names is None else list(names)
    layers = range(norms.size)
    profile = _Profile(norms, relative, list(layers if travels == "forward" else reversed(layers)), called)
    for rule in (_expansion, _oversmoothing, _vanishing):
        found = rule(profile)
        if found is not None:
            return found
    return Diagnosis(
        "none",
        f"relative mu stays above {ALIKE:g} (lowest {np.nanmin(relative):.2g}), no norm falls to "
        f"{VANISHED:g} and no mu grows to {EXPANDED:g} times that of layer {called[profile.start]}",
    )


@dataclass(frozen=True, eq=False)
class _Profile:
    norms: FloatArray
    relative: FloatArray
    order: list[int]  # of travel
    called: list[str]

    @property
    def start(self) -> int:
        return self.order[0]


def _expansion(profile: _Profile) -> Diagnosis | None:
    norms, start, called = profile.norms, profile.start, profile.called
    broken = [layer for layer in profile.order if not np.isfinite(norms[layer])]
    if broken:
        return Diagnosis(
            "expansion", f"values are no longer finite from layer {called[broken[0]]} on", broken[0]
        )
    mu = norms * np.where(np.isnan(profile.relative), 0.0, profile.relative)
    if mu[start] == 0.0:  # rows alike, or zero, at the start: there is no spread to grow from
        return None
    layer = int(np.argmax(mu))
    growth = mu[layer] / mu[start]
    if growth < EXPANDED:
        return None
    return Diagnosis(
        "expansion",
        f"mu grows {growth:.2g} times and the norm {norms[layer] / norms[start]:.2g} times from layer "
        f"{called[start]} to layer {called[layer]}: rows grow apart (expansion: {EXPANDED:g} times or more)",
        layer,
    )


def _oversmoothing(profile: _Profile) -> Diagnosis | None:
    relative, norms, start, called = profile.relative, profile.norms, profile.start, profile.called
    if np.isnan(relative).all() or np.nanmin(relative) > ALIKE:
        return None
    layer = int(np.nanargmin(relative))
    reason = (
        f"relative mu is {relative[layer]:.2g} at layer {called[layer]}: rows are alike whatever their size "
        f"(alike: {ALIKE:g} or less)"
    )
    if layer != start and norms[start] > 0.0:
        change = norms[layer] / norms[start]
        reason += f"; from layer {called[start]} on, the norm changes {change:.2g} times"
        reason += " and vanishes as well" if change <= VANISHED else ""
    return Diagnosis("oversmoothing", reason, layer)


def _vanishing(profile: _Profile) -> Diagnosis | None:
    norms, start, called = profile.norms, profile.start, profile.called
    if norms[start] == 0.0:
        return Diagnosis("vanishing", f"the signal is zero from layer {called[start]} on", start)
    layer = profile.order[int(np.argmin(norms[profile.order]))]
    change = norms[layer] / norms[start]
    if change > VANISHED:
        return None
    relative = profile.relative[layer]
    apart = "" if np.isnan(relative) else f" while rows still differ (relative mu {relative:.2g})"
    return Diagnosis(
        "vanishing",
        f"the norm falls to {change:.2g} times that of layer {called[start]} at layer {called[layer]}{apart} "
        f"(vanishing: {VANISHED:g} times or less)",
        layer,
    )
