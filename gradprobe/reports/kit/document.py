"""A report of any kind: what it says, section by section, before anything shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gradprobe.reports.kit.plots.plot import Plot

Tone = Literal["safe", "help", "insufficient"]


@dataclass(frozen=True)
class Table:
    """Rows of text under `columns`; the first `names` columns hold names, the others numbers.

    `note` says what the numbers are; a `folded` table is background: hidden at first in HTML, left out of
    the terminal. A line break in a cell sets a mean apart from its range.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    names: int = 1
    folded: bool = False


def facts(title: str, pairs: tuple[tuple[str, str], ...], *, folded: bool = False) -> Table:
    """A table of names and values, without a heading."""
    return Table(title, (), pairs, names=2, folded=folded)


@dataclass(frozen=True)
class Figure:
    """A plot under its file name, with its main numbers in `words` for those who do not see it."""

    name: str
    plot: Plot
    words: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A heading, one sentence on what to look for, a figure, tables, and remarks.

    A section that would have a figure but has nothing to draw says why, in `empty`. A remark is a
    paragraph under a name of its own. `brief`: the terminal shows the section's open tables too.
    """

    title: str
    look_for: str
    figure: Figure | None = None
    tables: tuple[Table, ...] = ()
    remarks: tuple[tuple[str, str], ...] = ()
    empty: str = ""
    brief: bool = True


@dataclass(frozen=True)
class Card:
    """A judgement of one thing: its name, the call in a word or two, why, and what would change it.

    `details` are paragraphs under a name and a remark of their own.
    """

    name: str
    call: str
    tone: Tone
    paragraphs: tuple[str, ...] = ()
    caution: str = ""
    advice: tuple[str, ...] = ()
    details: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Document:
    """A report from top to bottom.

    `headline` is the answer in a sentence, `points` qualify it, `cards` judge its parts, and `scope`
    says how far they hold. `basis` says what the numbers were computed from.
    """

    title: str
    subtitle: str
    headline: str
    sections: tuple[Section, ...]
    points: tuple[str, ...] = ()
    cards: tuple[Card, ...] = ()
    scope: str = ""
    basis: str = "Every number here is computed from the records of the runs beside this file."

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures, from top to bottom."""
        return tuple(section.figure for section in self.sections if section.figure is not None)
