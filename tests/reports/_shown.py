"""What a document shows: its figures drawn, its text on a screen."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure as Drawing
from rich.console import Console

from gradprobe.reports.kit.document import Document, Figure
from gradprobe.reports.kit.plots.canvas import drawing
from gradprobe.reports.kit.terminal import show
from gradprobe.reports.publish import write


def drawn(figure: Figure | None) -> Drawing:
    """A figure on matplotlib's, in the style of reports."""
    assert figure is not None
    with drawing():
        return figure.plot.draw()


def names(document: Document) -> set[str]:
    """The names of a document's figures."""
    return {figure.name for figure in document.figures}


def words(document: Document) -> dict[str, str]:
    """What stands for each figure, by its name."""
    return {figure.name: figure.words for figure in document.figures}


def written(document: Document, folder: Path) -> str:
    """The HTML of a document that was written with its figures beside it."""
    return write(document, folder / "report.html", beside={}).read_text(encoding="utf-8")


def screen(document: Document, width: int = 200) -> str:
    """A document as a terminal of some width shows it."""
    target = io.StringIO()
    Console(file=target, width=width).print(show(document))
    return target.getvalue()
