"""What a depth probe finds at one step: spreads of rows layer by layer, and what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from gradprobe.geometry import (
    Diagnosis,
    FloatArray,
    GroupSpreads,
    RowSpread,
    diagnose,
    row_spread,
    row_spreads,
)
from gradprobe.trace import QuantityRecord, SplitName

Signal = Literal["representation", "gradient"]
Variant = Literal["plain", "degree", "group", "group_degree"]
FINDINGS = ("oversmoothing", "vanishing", "expansion")
_TRAVELS: Mapping[Signal, Literal["forward", "backward"]] = {
    "representation": "forward",
    "gradient": "backward",
}


@dataclass(frozen=True, eq=False)
class SignalProfile:
    """Representations, or their gradients, at each of l layers.

    `spreads` holds l values for each variant of mu: `plain` (the distance to equal rows), and where the
    graph was given `degree` (to the square roots of degrees), where groups were `group` and
    `group_degree` (the same within each group). `by_group` holds the groups one by one, for the last
    variant there is. The diagnosis takes at each layer the smallest relative mu of all variants: rows
    are alike in whichever sense they are.
    """

    signal: Signal
    layers: tuple[str, ...]
    spreads: Mapping[Variant, tuple[RowSpread, ...]]
    diagnosis: Diagnosis
    by_group: tuple[GroupSpreads, ...] = ()

    @property
    def norms(self) -> FloatArray:
        """Frobenius norms [l]."""
        return np.array([spread.norm for spread in self.spreads["plain"]])

    @property
    def zero_rows(self) -> FloatArray:
        """Shares [l] of rows that are zero."""
        return np.array([spread.zero_rows for spread in self.spreads["plain"]])

    def mu(self, variant: Variant = "plain") -> FloatArray:
        """The mu [l] of a variant."""
        return np.array([spread.mu for spread in self.spreads[variant]])

    def relative(self, variant: Variant = "plain") -> FloatArray:
        """Relative mu [l] of a variant; NaN where undefined."""
        return np.array([spread.relative for spread in self.spreads[variant]])


@dataclass(frozen=True, eq=False)
class DepthProfile:
    """Both signals at one step, over the same layers in the order in which they ran."""

    representation: SignalProfile
    gradient: SignalProfile

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers."""
        return self.representation.layers

    def records(self, *, step: int, split: SplitName, epoch: int | None) -> Iterator[QuantityRecord]:
        """The numbers for a trace, named `gradient_mu`, `gradient_relative_mu_degree`, and so on.

        Each finding is a number too: `gradient_oversmoothing` is 1 where that is the diagnosis, else 0,
        and its reason is the diagnosis in words.
        """
        for profile in (self.representation, self.gradient):
            for name, layer, value, reason in _numbers(profile):
                full = f"{profile.signal}_{name}"
                yield QuantityRecord(step, split, full, value, epoch=epoch, layer=layer, reason=reason)


def signal_profile(
    signal: Signal,
    matrices: Mapping[str, FloatArray],
    *,
    degrees: FloatArray | None = None,
    groups: npt.NDArray[np.int64] | None = None,
) -> SignalProfile:
    """The profile of matrices [n, d] by the name of their layer, in the order of the layers."""
    layers, values = tuple(matrices), tuple(matrices.values())
    spreads: dict[Variant, tuple[RowSpread, ...]] = {"plain": _all(values)}
    if degrees is not None:
        spreads["degree"] = _all(values, degrees=degrees)
    if groups is None:
        return SignalProfile(signal, layers, spreads, _diagnosis(signal, layers, spreads))
    apart = [row_spreads(rows, groups) for rows in values]
    spreads["group"] = tuple(found.together() for found in apart)
    if degrees is not None:
        apart = [row_spreads(rows, groups, degrees=degrees) for rows in values]
        spreads["group_degree"] = tuple(found.together() for found in apart)
    return SignalProfile(signal, layers, spreads, _diagnosis(signal, layers, spreads), tuple(apart))


def _all(values: Sequence[FloatArray], *, degrees: FloatArray | None = None) -> tuple[RowSpread, ...]:
    return tuple(row_spread(rows, degrees=degrees) for rows in values)


def _diagnosis(
    signal: Signal, layers: tuple[str, ...], spreads: Mapping[Variant, Sequence[RowSpread]]
) -> Diagnosis:
    plain = spreads["plain"]
    relative = np.array([[spread.relative for spread in found] for found in spreads.values()]).min(axis=0)
    norms = np.array([spread.norm for spread in plain])
    found = diagnose(norms, relative, travels=_TRAVELS[signal], names=layers)
    masked = [i for i, spread in enumerate(plain) if 0.0 < spread.zero_rows < 1.0]
    if signal == "representation" or not masked:
        return found
    worst = max(masked, key=lambda i: plain[i].zero_rows)
    mask = (
        f"; {plain[worst].zero_rows:.0%} of the rows receive no gradient at layer {layers[worst]}, "
        "so that mu measures that mask there"
    )
    return Diagnosis(found.finding, found.reason + mask, found.layer)


def _numbers(profile: SignalProfile) -> Iterator[tuple[str, str, float, str]]:
    for i, layer in enumerate(profile.layers):
        plain = profile.spreads["plain"][i]
        yield "norm", layer, plain.norm, ""
        yield "zero_rows", layer, plain.zero_rows, ""
        for variant, spreads in profile.spreads.items():
            ending = "" if variant == "plain" else f"_{variant}"
            yield f"mu{ending}", layer, spreads[i].mu, spreads[i].reason if np.isnan(spreads[i].mu) else ""
            yield f"relative_mu{ending}", layer, spreads[i].relative, spreads[i].reason
    for finding in FINDINGS:
        yield finding, "", float(profile.diagnosis.finding == finding), profile.diagnosis.reason
