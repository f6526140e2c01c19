"""Checks of combiner options; each returns nothing or raises an error that names the option."""

from __future__ import annotations

import math
from collections.abc import Collection

from gradprobe.errors import InputError


def check_number(option: str, value: float, *, low: float, high: float = math.inf) -> None:
    """Refuse anything but a finite number between `low` and `high`, both included.

    Raises:
        InputError: naming the option and its range.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not low <= value <= high:
        bounds = f"of at least {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
        raise InputError(f"{option}: expected a number {bounds}, got {value!r}")


def check_choice(option: str, value: str, choices: Collection[str]) -> None:
    """Refuse anything but one of `choices`.

    Raises:
        InputError: naming the option and its choices.
    """
    if value not in choices:
        raise InputError(f"{option}: expected one of {', '.join(choices)}; got {value!r}")
