"""What a report is made from: a trace of anyone's loop, or the cells of a study, finished or not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gradprobe.errors import InputError, TraceError
from gradprobe.records.compare import (
    CellFailure,
    CellKey,
    CellMetrics,
    CellProgress,
    StudyFolder,
    StudyManifest,
    read_manifest,
    read_record,
)
from gradprobe.trace import Trace

State = Literal["finished", "unfinished", "waiting", "failed"]
THIS_RUN = "this run"


@dataclass(frozen=True, eq=False)
class Cell:
    """One run: a cell of a study, or the run behind a bare trace, whose combiner is unknown (`""`).

    `error` says why a failed cell failed, `trace_error` why its trace cannot be read.
    """

    key: CellKey
    state: State
    trace: Trace | None = None
    metrics: CellMetrics | None = None
    progress: CellProgress | None = None
    error: str = ""
    trace_error: str = ""


@dataclass(frozen=True, eq=False)
class Source:
    """The runs to report; `manifest` is None for a bare trace, `folder` for one in memory."""

    name: str
    focal: str
    cells: tuple[Cell, ...]
    manifest: StudyManifest | None = None
    folder: Path | None = None


def read_source(source: Trace | str | Path) -> Source:
    """The runs of a trace, of the folder of a trace, or of the folder of a study.

    A cell whose trace cannot be read is kept without it; the reason is in the cell.

    Raises:
        InputError: neither a study nor a trace is there, or the study's description is damaged,
            foreign or from a later version.
        TraceError: the trace is damaged, foreign or from a later version.
    """
    if isinstance(source, Trace):
        return _from_trace(source, source.path)
    folder = Path(source)
    if (folder / "study.json").is_file():
        return _from_study(folder)
    if (folder / "header.json").is_file():
        return _from_trace(Trace.load(folder), folder)
    raise InputError(
        "source: expected a folder with the study.json of a study or the header.json of a trace, "
        f"got {folder}{'' if folder.exists() else ', which does not exist'}"
    )


def _from_trace(trace: Trace, folder: Path | None) -> Source:
    key = CellKey(encoder=THIS_RUN, combiner="", seed=trace.header.seed or 0)
    name = "a trace in memory" if folder is None else folder.resolve().name
    cell = Cell(key, "finished", trace)
    return Source(name=name, focal=trace.header.focal, cells=(cell,), folder=folder)


def _from_study(path: Path) -> Source:
    manifest = read_manifest(path)
    folder = StudyFolder.at(path)
    return Source(
        name=path.resolve().name,
        focal=manifest.focal,
        cells=tuple(_read_cell(folder, key) for key in manifest.cells),
        manifest=manifest,
        folder=path,
    )


def _read_cell(folder: StudyFolder, key: CellKey) -> Cell:
    metrics = read_record(folder.cell(key) / "metrics.json", CellMetrics)
    failure = read_record(folder.cell(key) / "failed.json", CellFailure)
    progress = read_record(folder.cell(key) / "progress.json", CellProgress)
    trace, trace_error = _read_trace(folder.trace(key))
    started = progress is not None or trace is not None
    state: State = "unfinished" if started else "waiting"
    if metrics is not None:
        state = "finished"
    elif failure is not None:
        state = "failed"
    error = failure.error if failure is not None and state == "failed" else ""
    return Cell(key, state, trace, metrics, progress, error, trace_error)


def _read_trace(path: Path) -> tuple[Trace | None, str]:
    if not (path / "header.json").is_file():
        return None, ""
    try:
        return Trace.load(path), ""
    except TraceError as error:
        return None, str(error)
