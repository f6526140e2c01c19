"""Lists, counts and names as every report writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SPLIT_NAMES: Mapping[str, str] = {"minibatch": "minibatch", "heldout": "held-out", "train": "train"}


def capital(sentence: str) -> str:
    """A sentence with a capital at its beginning."""
    return sentence[:1].upper() + sentence[1:]


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
