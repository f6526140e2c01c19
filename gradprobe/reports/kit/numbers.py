"""Numbers, ranges and percentages as every report writes them: in tables, sentences and figures alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

UNDEFINED = "undefined"
ABSENT = "–"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

# How one number is written, such as `number` or a partial of it.
Format = Callable[[float], str]


class Ranged(Protocol):
    """A number over seeds with two ends: an interval, or the lowest and the highest seed."""

    @property
    def mean(self) -> float:
        """The number itself."""

    @property
    def low(self) -> float:
        """The lower end; NaN where there is none."""

    @property
    def high(self) -> float:
        """The upper end; NaN where there is none."""

    @property
    def seeds(self) -> int:
        """The seeds behind it."""


def number(value: float, *, signed: bool = False, digits: int = 3) -> str:
    """A number to some significant digits, with a true minus sign.

    >>> number(-0.01234), number(0.5, signed=True), number(4.2e-7), number(float("nan"))
    ('−0.0123', '+0.500', '4.20×10⁻⁷', 'undefined')
    """
    if math.isnan(value):
        return UNDEFINED
    return _sign(value, signed=signed) + _magnitude(abs(value), digits)


def decimal(value: float, places: int, *, signed: bool = False) -> str:
    """A number with so many decimals, for scores and their differences; a true minus sign.

    >>> decimal(-0.0216, 3), decimal(0.5, 1, signed=True), decimal(-1e-17, 1, signed=True)
    ('−0.022', '+0.5', '0.0')
    """
    if not math.isfinite(value):
        return number(value, signed=signed)
    text = f"{abs(value):.{places}f}"
    return text if float(text) == 0.0 else _sign(value, signed=signed) + text


def signed(value: float) -> str:
    """A number with its sign, for differences and correlations.

    >>> signed(0.5)
    '+0.500'
    """
    return number(value, signed=True)


def two_digits(value: float) -> str:
    """A number to two digits, where more would promise too much.

    >>> two_digits(0.1234)
    '0.12'
    """
    return number(value, digits=2)


def signed_two_digits(value: float) -> str:
    """A number to two digits with its sign.

    >>> signed_two_digits(0.1234)
    '+0.12'
    """
    return number(value, digits=2, signed=True)


def percent(share: float) -> str:
    """A share as a percentage to two digits.

    >>> percent(0.125)
    '12%'
    """
    return f"{two_digits(100.0 * share)}%"


def span(low: float, high: float, write: Format = number) -> str:
    """From one end to the other.

    >>> span(-1.0, 2.0, signed)
    '−1.00 to +2.00'
    """
    return f"{write(low)} to {write(high)}"


def with_span(value: float, low: float, high: float, write: Format = number, *, below: bool = False) -> str:
    """A number with its ends in brackets, or `below` it in a cell of a table; alone where it has none.

    >>> with_span(0.5, -1.0, 2.0, two_digits), with_span(0.5, float("nan"), float("nan"))
    ('0.50 (−1.0 to 2.0)', '0.500')
    """
    if math.isnan(low) or math.isnan(high):
        return write(value)
    return (
        f"{write(value)}\n{span(low, high, write)}" if below else f"{write(value)} ({span(low, high, write)})"
    )


def ranged(found: Ranged, write: Format = number) -> str:
    """A mean over seeds with its ends in brackets, where there are several seeds."""
    return with_span(found.mean, found.low, found.high, write) if found.seeds > 1 else write(found.mean)


def cell(found: Ranged | None, write: Format = number) -> str:
    """A mean over seeds, with its ends on a second line where there are several seeds; a dash for None."""
    if found is None:
        return ABSENT
    below = found.seeds > 1
    return with_span(found.mean, found.low, found.high, write, below=True) if below else write(found.mean)


def difference(found: Ranged) -> str:
    """A difference paired by seed with its interval, which takes two seeds."""
    return ranged(found, signed) + ("" if found.seeds > 1 else " (one seed)")


def _sign(value: float, *, signed: bool) -> str:
    return "−" if value < 0 else "+" if signed and value > 0 else ""


def _magnitude(value: float, digits: int) -> str:
    if value == 0.0:
        return "0"
    if math.isinf(value):
        return "∞"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    power = int(exponent)
    if -4 <= power < 6:
        return f"{float(f'{mantissa}e{power}'):.{max(digits - 1 - power, 0)}f}"
    return f"{mantissa}×10{str(power).translate(_SUPERSCRIPT)}"
