"""How an architecture looks in every figure: colour, marker and line."""

from __future__ import annotations

from dataclasses import dataclass

# Okabe and Ito (2008), as in the other reports; marker and line tell apart without colour.
_STYLES = (("#555555", "o", ":"), ("#D55E00", "s", "--"), ("#0072B2", "^", "-"), ("#009E73", "D", "-."))


@dataclass(frozen=True)
class Style:
    """A colour, a marker and a line style."""

    colour: str
    marker: str
    line: str


def style(variants: tuple[str, ...], variant: str) -> Style:
    """The look of one of the architectures of a study."""
    return Style(*_STYLES[variants.index(variant) % len(_STYLES)])
