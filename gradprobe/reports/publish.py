"""Writing a report and showing it: the HTML file, its figures, what stands beside it, the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import RenderableType

from gradprobe.errors import InputError
from gradprobe.records.writing import write_atomically
from gradprobe.reports.compare.summary import Summary
from gradprobe.reports.kinds import Loaded, load
from gradprobe.reports.kit.document import Document
from gradprobe.reports.kit.png import draw
from gradprobe.reports.kit.terminal import show as in_terminal
from gradprobe.trace import Trace


def report(source: Trace | Summary | Loaded | str | Path, out: str | Path | None = None) -> Path:
    """Write the report of a trace or a study of any kind, finished or not; return the path of the HTML file.

    Args:
        source: a trace, the folder of a trace, the folder of a study, or what was loaded from one of them.
        out: the HTML file. By default report.html in the source's folder, where a study also gets
            figures/*.png, a comparison verdict.json, and a decision decision.json and recipe.toml.

    Raises:
        InputError: the source is neither a study nor a trace, or the report cannot be written there.
        TraceError: the trace is damaged, foreign or from a later version.
    """
    loaded = source if isinstance(source, Loaded) else load(source)
    if out is not None:
        return write(loaded.document, Path(out))
    if loaded.folder is None:
        raise InputError("out: expected the HTML file to write, got None; a trace in memory has no folder")
    beside = loaded.files if loaded.of_study else None
    return write(loaded.document, loaded.folder / "report.html", beside=beside)


def show(source: Trace | Summary | Loaded | str | Path) -> RenderableType:
    """The report of a trace or a study of any kind for a rich console, from the same sources as `report`."""
    loaded = source if isinstance(source, Loaded) else load(source)
    return in_terminal(loaded.document)


def write(document: Document, target: Path, *, beside: Mapping[str, str] | None = None) -> Path:
    """Write a document as HTML and return the path; with `beside`, also its figures and the files in it.

    Each figure is drawn once: the page and the files hold the same images.

    Raises:
        InputError: the place cannot be written.
    """
    from gradprobe.reports.kit.html import render

    images = draw(document)
    files = {target: render(document, images).encode()}
    if beside is not None:
        files |= {target.with_name("figures") / f"{name}.png": image for name, image in images.items()}
        files |= {target.parent / name: content.encode() for name, content in beside.items()}
    try:
        for path, content in files.items():
            # The folder may be someone else's: a link in it must not lead what is written elsewhere.
            write_atomically(path, content, within=None if beside is None else target.parent, durable=False)
    except OSError as error:
        raise InputError(
            f"out: expected a place that can be written, got {target} ({error.strerror}); "
            "name another file with --out"
        ) from error
    return target
