"""The terminal as commands write to it: names from files are shown, never obeyed."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_PICTURES = 0x2400  # U+2400 to U+241F picture the control characters 0 to 31
_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"


class SafeConsole(Console):
    """A console on which text cannot move the cursor, set the clipboard or turn its direction.

    The name of a task comes from whoever wrote the file; a terminal would obey the escape sequences in it.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a renderable, those of text made printable; rich's own control codes stay."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)


def printable(text: str) -> str:
    r"""A text with its control and formatting characters pictured or replaced, but for line ends.

    >>> printable("a\x1b[2Jb")
    'a␛[2Jb'
    """
    return "".join(map(_picture, text))


def _picture(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs"):
        return character
    code = ord(character)
    return chr(_PICTURES + code) if code < 32 else _UNPRINTABLE
