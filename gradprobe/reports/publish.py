"""Writing a report: the HTML file, and for a study its figures and verdict beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gradprobe.errors import InputError
from gradprobe.reports.compare.summary import Summary, summarise
from gradprobe.reports.writing import write_file
from gradprobe.trace import Trace

if TYPE_CHECKING:
    from gradprobe.reports.kit.image import Image


def report(source: Trace | Summary | str | Path, out: str | Path | None = None) -> Path:
    """Write the report of a trace or a study, finished or not, and return the path of the HTML file.

    Args:
        source: a trace, the folder of a trace, the folder of a study, or a summary of one of them.
        out: the HTML file. By default report.html in the source's folder, where a study also gets
            figures/*.png and verdict.json.

    Raises:
        InputError: the source is neither a study nor a trace, or the report cannot be written there.
        TraceError: the trace is damaged, foreign or from a later version.
    """
    summary = source if isinstance(source, Summary) else summarise(source)
    target = _target(summary, out)
    images = draw(summary)
    try:
        _write_all(summary, images, target, beside=out is None and summary.of_study)
    except OSError as error:
        raise InputError(
            f"out: expected a place that can be written, got {target} ({error.strerror}); "
            "name another file with --out"
        ) from error
    return target


def draw(summary: Summary) -> dict[str, Image]:
    """The figures of a summary by name, without those that have nothing to show."""
    from gradprobe.reports.compare.figures import PLATES
    from gradprobe.reports.kit.canvas import drawing, png
    from gradprobe.reports.kit.image import Image

    images = {}
    with drawing():
        for plate in PLATES:
            figure = plate.draw(summary)
            if figure is not None:
                images[plate.name] = Image(png(figure), plate.describe(summary))
    return images


def _target(summary: Summary, out: str | Path | None) -> Path:
    if out is not None:
        return Path(out)
    if summary.folder is None:
        raise InputError("out: expected the HTML file to write, got None; a trace in memory has no folder")
    return summary.folder / "report.html"


def _write_all(summary: Summary, images: Mapping[str, Image], target: Path, *, beside: bool) -> None:
    from gradprobe.reports.compare.verdict_file import verdict_json
    from gradprobe.reports.kit.html import render

    write_file(target, render(summary, images).encode())
    if beside:
        write_file(target.with_name("verdict.json"), verdict_json(summary).encode())
        for name, image in images.items():
            write_file(target.with_name("figures") / f"{name}.png", image.png)
