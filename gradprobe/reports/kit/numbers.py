"""Numbers and lists as the report writes them: one way in HTML, terminal and figures' descriptions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from gradprobe.reports.statistics.paired import Paired
from gradprobe.reports.statistics.seeds import Estimate

UNDEFINED = "undefined"
ABSENT = "–"
SPLIT_NAMES: Mapping[str, str] = {"minibatch": "minibatch", "heldout": "held-out", "train": "train"}
QUANTITY_NAMES: Mapping[str, str] = {
    "cosine": "focal–auxiliary cosine",
    "norm_ratio": "norm ratio",
    "overlap": "gradient overlap",
    "conflict_energy": "conflict energy",
    "conflict_energy_per_pair": "conflict energy per pair",
    "negative_fraction": "negative fraction",
    "negative_mass": "negative mass",
}
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, *, signed: bool = False, digits: int = 3) -> str:
    """A number to some significant digits, with a true minus sign.

    >>> number(-0.01234), number(0.5, signed=True), number(4.2e-7), number(float("nan"))
    ('−0.0123', '+0.500', '4.20×10⁻⁷', 'undefined')
    """
    if math.isnan(value):
        return UNDEFINED
    sign = "−" if value < 0 else "+" if signed and value > 0 else ""
    return sign + _magnitude(abs(value), digits)


def decimal(value: float, places: int, *, signed: bool = False) -> str:
    """A number with so many decimals, for scores and their differences; a true minus sign.

    >>> decimal(-0.0216, 3), decimal(0.5, 1, signed=True), decimal(-1e-17, 1, signed=True)
    ('−0.022', '+0.5', '0.0')
    """
    if not math.isfinite(value):
        return number(value, signed=signed)
    text = f"{abs(value):.{places}f}"
    if float(text) == 0.0:
        return text
    return ("−" if value < 0.0 else "+" if signed else "") + text


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


def spread(estimate: Estimate) -> str:
    """A mean over seeds with its lowest and highest seed, where there are several."""
    if estimate.seeds < 2:
        return number(estimate.mean)
    return f"{number(estimate.mean)} ({number(estimate.low)} to {number(estimate.high)})"


def interval(paired: Paired) -> str:
    """The interval of a paired difference."""
    return f"{number(paired.low, signed=True)} to {number(paired.high, signed=True)}"


def capital(sentence: str) -> str:
    """A sentence with a capital at its beginning."""
    return sentence[:1].upper() + sentence[1:]


def paired(difference: Paired) -> str:
    """A paired difference with its interval, where it has one."""
    mean = number(difference.mean, signed=True)
    return f"{mean} ({interval(difference)})" if difference.seeds > 1 else f"{mean} (one seed)"


def count(amount: int, noun: str) -> str:
    """An amount with its noun in the right number.

    >>> count(1, "seed"), count(3, "seed")
    ('1 seed', '3 seeds')
    """
    return f"{amount} {noun}{'' if amount == 1 else 's'}"


def join(names: Sequence[str]) -> str:
    """A list in words.

    >>> join(["a", "b", "c"])
    'a, b and c'
    """
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def shorten(name: str, length: int) -> str:
    """A name of at most `length` characters, its middle left out.

    >>> shorten("solubility", 5)
    'so…ty'
    """
    if len(name) <= length:
        return name
    head = length // 2
    return f"{name[:head]}…{name[len(name) - (length - head - 1) :]}"
