"""The kinds of study that have a report, by name: how each is summarised and what its report says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gradprobe.reports.compare.document import compare_document
from gradprobe.reports.compare.summary import Summary, summarise
from gradprobe.reports.compare.verdict_file import verdict_json
from gradprobe.reports.depth.document import depth_document
from gradprobe.reports.depth.summary import summarise_depth
from gradprobe.reports.dynamics.document import dynamics_document
from gradprobe.reports.dynamics.summary import summarise_dynamics
from gradprobe.reports.editing.document import edit_document
from gradprobe.reports.editing.summary import summarise_edits
from gradprobe.reports.kit.document import Document
from gradprobe.reports.kit.json import as_json
from gradprobe.reports.nodes.document import nodes_document
from gradprobe.reports.nodes.summarise import summarise_nodes
from gradprobe.trace import Trace


@dataclass(frozen=True)
class Kind:
    """One kind: from what is on disk to a summary, and from that to a document.

    `verdict` gives what the report comes to as JSON, where that is more than the document's first lines.
    """

    summarise: Callable[..., Any]
    document: Callable[[Any], Document]
    verdict: Callable[[Any], str] | None = None


KINDS: Mapping[str, Kind] = {
    "compare": Kind(summarise, compare_document, verdict_json),
    "depth": Kind(summarise_depth, depth_document),
    "dynamics": Kind(summarise_dynamics, dynamics_document),
    "edit": Kind(summarise_edits, edit_document),
    "nodes": Kind(summarise_nodes, nodes_document),
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
        InputError: there is neither a trace nor a study, or the study's description cannot be read.
        TraceError: a bare trace is damaged, foreign or from a later version.
    """
    summary = source if isinstance(source, Summary) else summarise(source)
    return replace(of_kind("compare", summary, summary.folder), of_study=summary.of_study)


def of_kind(name: str, summary: Any, folder: Path | None) -> Loaded:
    """The report of a summary of that kind of study."""
    kind = KINDS[name]
    document = kind.document(summary)
    if kind.verdict is None:
        return Loaded(document, folder, as_json(document, sections=False))
    verdict = kind.verdict(summary)
    return Loaded(document, folder, verdict, files={"verdict.json": verdict})
