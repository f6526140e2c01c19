"""The kinds of study that have a report, by name: how each is summarised and what its report says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gradprobe.errors import InputError
from gradprobe.records.study import StoredStudy, is_study, read_study
from gradprobe.reports.compare.axes.document import sweep_files
from gradprobe.reports.compare.document import compare_document
from gradprobe.reports.compare.summary import Summary, summarise
from gradprobe.reports.compare.verdict_file import verdict_json
from gradprobe.reports.decide import summary as decide
from gradprobe.reports.decide.document import decide_document
from gradprobe.reports.depth import summary as depth
from gradprobe.reports.depth.document import depth_document
from gradprobe.reports.dynamics import summary as dynamics
from gradprobe.reports.dynamics.document import dynamics_document
from gradprobe.reports.editing import summary as editing
from gradprobe.reports.editing.document import edit_document
from gradprobe.reports.kit.document import Document
from gradprobe.reports.kit.json import as_json
from gradprobe.reports.nodes import summarise as nodes
from gradprobe.reports.nodes.document import nodes_document
from gradprobe.trace import Trace


@dataclass(frozen=True)
class Kind:
    """One kind: from what lies in a folder to a summary, and from that to a document.

    `verdict` gives what the report comes to as JSON, where that is more than the document's first lines, and
    `verdict_file` names its file; `beside` gives other files that stand by the report.
    """

    summarise: Callable[[StoredStudy[Any, Any]], Any]
    document: Callable[[Any], Document]
    verdict: Callable[[Any], str] | None = None
    verdict_file: str = "verdict.json"
    beside: Callable[[Any], Mapping[str, str]] | None = None


# By the names in `gradprobe.records.kinds`.
KINDS: dict[str, Kind] = {
    "compare": Kind(
        summarise, compare_document, verdict_json, beside=lambda summary: sweep_files(summary.sweep)
    ),
    "decide": Kind(decide.of_study, decide_document, decide.decision_json, "decision.json", decide.beside),
    "depth": Kind(depth.of_study, depth_document),
    "dynamics": Kind(dynamics.of_study, dynamics_document),
    "edit": Kind(editing.of_study, edit_document),
    "nodes": Kind(nodes.of_study, nodes_document),
}


@dataclass(frozen=True, eq=False)
class Loaded:
    """A report that is ready to be shown or written.

    `folder` is where it belongs, if anywhere; `verdict` is what it comes to, as JSON; `of_study` says whether
    figures and `files`, by name, stand beside it there.
    """

    document: Document
    folder: Path | None
    verdict: str
    of_study: bool = True
    files: Mapping[str, str] = field(default_factory=dict)


def load(source: Trace | Summary | str | Path) -> Loaded:
    """The report of a trace, of the folder of a trace or a study of any kind, or of a comparison's summary.

    Raises:
        InputError: there is neither a trace nor a study, the study's description cannot be read, or studies
            of its kind have no report.
        TraceError: a bare trace is damaged, foreign or from a later version.
    """
    if isinstance(source, str | Path) and is_study(source):
        return _of_study(read_study(source))
    summary = source if isinstance(source, Summary) else summarise(source)
    return replace(_of_kind("compare", summary, summary.folder), of_study=summary.of_study)


def _of_study(study: StoredStudy[Any, Any]) -> Loaded:
    name, folder = study.kind.name, study.folder.path
    if name not in KINDS:
        raise InputError(
            f"source: expected a study of the kind {', '.join(KINDS)}, got {folder}, which holds one of the "
            f"kind {name}; its numbers are in {study.folder.results}"
        )
    loaded = _of_kind(name, KINDS[name].summarise(study), folder)
    points = (*loaded.document.points, *(f"{note[:1].upper()}{note[1:]}." for note in study.notes))
    return replace(loaded, document=replace(loaded.document, points=points))


def _of_kind(name: str, summary: Any, folder: Path | None) -> Loaded:
    kind = KINDS[name]
    document = kind.document(summary)
    if kind.verdict is None:
        return Loaded(document, folder, as_json(document, sections=False))
    verdict = kind.verdict(summary)
    files = {} if kind.beside is None else kind.beside(summary)
    return Loaded(document, folder, verdict, files={kind.verdict_file: verdict, **files})
