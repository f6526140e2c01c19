"""Values of axes as reports write them."""

from __future__ import annotations

from gradprobe.records.compare import Scalar


def text(value: Scalar) -> str:
    """A value of an axis.

    >>> text(64), text(0.001), text(None), text("scaffold")
    ('64', '0.001', 'all', 'scaffold')
    """
    return "all" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
