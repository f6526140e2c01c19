"""A measured quantity that says why it is undefined where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gradprobe.geometry.gramian import FloatArray


@dataclass(frozen=True, eq=False)
class Quantity:
    """Values [...] and, at the index of every NaN among them, the reason.

    Undefined is not zero: a zero gradient has no direction.
    """

    values: FloatArray
    reasons: Mapping[tuple[int, ...], str] = field(default_factory=dict)

    def __float__(self) -> float:
        """The value of a quantity with exactly one entry."""
        return float(self.values.item())

    @property
    def reason(self) -> str:
        """The distinct reasons, joined; empty where everything is defined."""
        return "; ".join(dict.fromkeys(self.reasons.values()))
