"""What a report is made from: a trace of anyone's loop, or the cells of a study, finished or not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradprobe.errors import InputError, TraceError
from gradprobe.records.cell import CellProgress, State, StoredCell
from gradprobe.records.compare import CellKey, CellMetrics, StudyManifest
from gradprobe.records.study import StoredStudy, is_study, read_study
from gradprobe.trace import Trace

THIS_RUN = "this run"


@dataclass(frozen=True, eq=False)
class Cell:
    """One run: a cell of a study, or the run behind a bare trace, whose combiner is unknown (`""`).

    `error` says why a failed cell failed or what is wrong with a damaged one, `trace_error` why its trace
    cannot be read.
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


def read_source(source: Trace | StoredStudy[Any, Any] | str | Path) -> Source:
    """The runs of a trace, of the folder of a trace, or of a comparison or its folder.

    A cell whose trace cannot be read is kept without it; the reason is in the cell.

    Raises:
        InputError: neither a study nor a trace is there, or the study's description is damaged,
            foreign or from a later version.
        TraceError: the trace is damaged, foreign or from a later version.
    """
    if isinstance(source, Trace):
        return _from_trace(source, source.path)
    if isinstance(source, StoredStudy):
        return _from_study(source)
    folder = Path(source)
    if is_study(folder):
        return _from_study(read_study(folder))
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


def _from_study(study: StoredStudy[Any, Any]) -> Source:
    manifest, path = study.manifest, study.folder.path
    if not isinstance(manifest, StudyManifest):
        raise InputError(
            f"source: expected a comparison or a trace, got {path}, which holds a study of the kind "
            f"{manifest.kind}; see gradprobe.report"
        )
    return Source(
        name=path.resolve().name,
        focal=manifest.focal,
        cells=tuple(_cell(cell) for cell in study.cells),
        manifest=manifest,
        folder=path,
    )


def _cell(stored: StoredCell[Any, CellMetrics]) -> Cell:
    trace, trace_error = _read_trace(stored)
    key: CellKey = stored.key
    return Cell(key, stored.state, trace, stored.result, stored.progress, stored.problem, trace_error)


def _read_trace(stored: StoredCell[Any, CellMetrics]) -> tuple[Trace | None, str]:
    """The trace of a cell; none where its header is not what it was, since all parts are read by it."""
    if stored.trace is None:
        return None, "; ".join(stored.trace_problems)
    if any(problem.startswith("trace/header.json ") for problem in stored.trace_problems):
        return None, "; ".join(stored.trace_problems)
    try:
        trace = Trace.load(stored.trace)
    except TraceError as error:
        return None, str(error)
    trace.damaged = (*trace.damaged, *stored.trace_problems)
    return trace, ""
