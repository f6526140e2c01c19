"""What became of one attack: harmless, named in a sentence, or a fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from gradprobe.errors import GradprobeError

Value = TypeVar("Value")
# Longer than any sentence of ours, with room for a list of names.
_MOST_CHARACTERS = 4000


@dataclass(frozen=True)
class Verdict:
    """`harmless`: the right answer came. `named`: it was refused in a sentence. `fault`: neither."""

    kind: Literal["harmless", "named", "fault"]
    what: str = ""


HARMLESS = Verdict("harmless")


def judge(call: Callable[[], Value], accept: Callable[[Value], Verdict] = lambda _: HARMLESS) -> Verdict:
    """The verdict on a call: `accept` judges what it returned, and only our own errors may leave it."""
    try:
        value = call()
    except GradprobeError as error:
        return sentence(str(error))
    except Exception as error:
        return Verdict("fault", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
    return accept(value)


def sentence(message: str) -> Verdict:
    """Named, where a terminal can show the message: one line, no control characters, not endless."""
    if not message.strip() or len(message) > _MOST_CHARACTERS:
        return Verdict("fault", f"an error of {len(message)} characters: {message[:80]!r}")
    if any(not character.isprintable() for character in message):
        return Verdict("fault", f"an error with control characters: {message[:200]!r}")
    return Verdict("named", message)
