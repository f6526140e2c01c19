"""The figures of a document as PNG images."""

from __future__ import annotations

from gradprobe.reports.kit.document import Document


def draw(document: Document) -> dict[str, bytes]:
    """Every figure of a document by its name, each drawn once."""
    from gradprobe.reports.kit.plots.canvas import drawing, png

    with drawing():
        return {figure.name: png(figure.plot.draw()) for figure in document.figures}
