"""Terminals that cannot show every sign: near signs instead of a traceback."""

from __future__ import annotations

import codecs
import sys
import unicodedata

_NEAR = {
    "−": "-",
    "–": "-",
    "—": "-",
    "…": "...",
    "×": "x",
    "•": "*",
    "≥": ">=",
    "≤": "<=",
    "µ": "u",
    "±": "+/-",
    "→": "->",
}


def open_terminal() -> None:
    """Let the standard streams replace what their encoding lacks, such as cp1252 or ASCII."""
    codecs.register_error("gradprobe-near", _near)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="gradprobe-near")


def _near(error: UnicodeError) -> tuple[str, int]:
    """Near signs in place of those that cannot be written; a question mark where there is none.

    >>> _near(UnicodeEncodeError("ascii", "a−b⁻⁷│", 1, 6, ""))
    ('-b-7|', 6)
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_plain(sign) for sign in error.object[error.start : error.end]), error.end


def _plain(sign: str) -> str:
    if sign in _NEAR:
        return _NEAR[sign]
    if unicodedata.name(sign, "").startswith("BOX DRAWINGS"):
        return "|" if "VERTICAL" in unicodedata.name(sign) else "-"
    near = unicodedata.normalize("NFKD", sign).translate({ord("−"): "-"}).encode("ascii", "ignore").decode()
    return near or (sign if sign.isascii() else "?")
