"""The kinds of study that are stored, with their manifests and results. A new kind is one line here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gradprobe.errors import InputError
from gradprobe.records.compare import CellMetrics, StudyManifest
from gradprobe.records.decide import DecideManifest, DecideRun
from gradprobe.records.depth import DepthManifest, DepthRun
from gradprobe.records.dynamics import DynamicsManifest, DynamicsRun
from gradprobe.records.editing import EditManifest, EditRun
from gradprobe.records.graph_tasks import GraphTasksManifest, GraphTasksRun
from gradprobe.records.manifest import Manifest
from gradprobe.records.nodes import NodeRun, NodesManifest
from gradprobe.records.record import Result

M = TypeVar("M", bound=Manifest)
R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class Kind(Generic[M, R]):
    """How one kind of study is stored; `file` is the name of a cell's result."""

    name: str
    manifest: type[M]
    result: type[R]
    file: str = "result.json"


COMPARE = Kind("compare", StudyManifest, CellMetrics, "metrics.json")
DECIDE = Kind("decide", DecideManifest, DecideRun)
DEPTH = Kind("depth", DepthManifest, DepthRun)
DYNAMICS = Kind("dynamics", DynamicsManifest, DynamicsRun)
EDIT = Kind("edit", EditManifest, EditRun)
GRAPH_TASKS = Kind("graph_tasks", GraphTasksManifest, GraphTasksRun)
NODES = Kind("nodes", NodesManifest, NodeRun)
KINDS: dict[str, Kind[Any, Any]] = {
    kind.name: kind for kind in (COMPARE, DECIDE, DEPTH, DYNAMICS, EDIT, GRAPH_TASKS, NODES)
}


def kind_of(name: object, source: str) -> Kind[Any, Any]:
    """The kind of that name.

    Raises:
        InputError: there is none; `source` is the file that names it.
    """
    if not isinstance(name, str) or name not in KINDS:
        raise InputError(
            f"{source}: expected a study of the kind {', '.join(KINDS)}, got {str(name)[:80]!r}; "
            "a later gradprobe wrote it, or something else did"
        )
    return KINDS[name]
