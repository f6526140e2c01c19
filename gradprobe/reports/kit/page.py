"""A report that says what it has to say in words, figures and tables, whatever was studied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Group, RenderableType
from rich.text import Text

from gradprobe.errors import InputError
from gradprobe.reports.kit.canvas import drawing, png
from gradprobe.reports.kit.html import render_template
from gradprobe.reports.kit.image import Image
from gradprobe.reports.kit.section import Section
from gradprobe.reports.kit.terminal import rich_table
from gradprobe.reports.writing import write_file


@dataclass(frozen=True)
class Page:
    """A report from top to bottom.

    `headline` is the finding in a sentence, `points` what qualifies it. A section names its figure by
    its key in `images`; tables that are folded are left out of the terminal.
    """

    title: str
    subtitle: str
    headline: str
    points: tuple[str, ...]
    sections: tuple[Section, ...]
    images: Mapping[str, Image]


def draw_image(draw: Callable[[], Figure], alt: str) -> Image:
    """A figure in the report's style as an image; `draw` is called inside that style."""
    with drawing():
        return Image(png(draw()), alt)


def write_page(page: Page, out: Path) -> Path:
    """Write report.html and figures/*.png into a folder, and return the path of the HTML file.

    Raises:
        InputError: the folder cannot be written.
    """
    target = out / "report.html"
    html = render_template(
        "page.html",
        sections=page.sections,
        images=page.images,
        title=page.title,
        subtitle=page.subtitle,
        headline=page.headline,
        points=page.points,
    )
    try:
        write_file(target, html.encode())
        for name, image in page.images.items():
            write_file(out / "figures" / f"{name}.png", image.png)
    except OSError as error:
        raise InputError(
            f"out: expected a folder that can be written, got {out} ({error.strerror}); "
            "name another with --out"
        ) from error
    return target


def show_page(page: Page) -> RenderableType:
    """The page for a rich console: its words, its tables and remarks."""
    return Group(
        Text(page.title, style="bold"),
        Text(page.subtitle, style="dim"),
        Text(f"\n{page.headline}", style="bold"),
        *(Text(f"  • {point}") for point in page.points),
        Text(""),
        *(shown for section in page.sections for shown in _show_section(section)),
    )


def _show_section(section: Section) -> Iterator[RenderableType]:
    yield from (rich_table(table) for table in section.tables if table.rows and not table.folded)
    for name, text in section.remarks:
        yield Text(name, style="bold")
        yield Text(f"{text}\n")
