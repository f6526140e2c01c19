"""What the report of node methods shows: every number is here, and figures and tables only lay it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.geometry.gramian import BoolArray, FloatArray
from gradprobe.geometry.graph import FEATURES
from gradprobe.geometry.intervals import IntArray
from gradprobe.reports.nodes.words import Told
from gradprobe.reports.statistics.paired import Paired
from gradprobe.reports.statistics.seeds import Band, OverSeeds

BASE = "base"
_MOST = 5
# Scores of classes, each in [0, 1], higher is better.
SCORES: Mapping[str, str] = {"accuracy": "accuracy", "f1": "macro F1", "auroc": "macro AUROC"}


@dataclass(frozen=True)
class GraphFacts:
    """The graph in numbers; `parts` counts the nodes by what they are for, in words."""

    name: str
    nodes: int
    edges: int
    features: int
    classes: int
    homophily: float
    splits: int
    parts: Mapping[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class RunSummary:
    """A method on a model over its seeds.

    `test`, `validation` and `differences` (test, minus the base method's of the same seeds; empty for the
    base) are by the names of `SCORES`. `accuracy` is on validation nodes and `energy` per edge, over
    epochs; `open` is the share of seeds that reasoned in an epoch, `open_share` the share of epochs;
    `openness` is the weight of GraGR++'s pathways. `untouched` counts the seeds whose scored epoch lies
    before the first that reasoned.
    `seconds` are of an epoch, `memory` is MiB; `slowdown` is seconds over those of the base.
    """

    model: str
    method: str
    seeds: int
    test: Mapping[str, OverSeeds]
    validation: Mapping[str, OverSeeds]
    differences: Mapping[str, Paired]
    accuracy: Band
    energy: Band
    untouched: int
    open: Band
    openness: Band
    open_share: OverSeeds
    seconds: OverSeeds
    memory: OverSeeds
    slowdown: OverSeeds

    @property
    def is_variant(self) -> bool:
        """Whether it is a method without one of its parts."""
        return "-no-" in self.method


@dataclass(frozen=True)
class Starts:
    """Validation accuracies by epoch of the random starts of one cell, and which of them went on."""

    model: str
    method: str
    seed: int
    accuracies: tuple[tuple[float, ...], ...]
    chosen: int
    trial_epochs: int


@dataclass(frozen=True, eq=False)
class Moment:
    """The k nodes of a snapshot at one moment: where they lie [k, 2] and which are in conflict [k]."""

    name: str
    embedding: FloatArray
    conflicting: BoolArray


@dataclass(frozen=True)
class Star:
    """A node in conflict, its neighbours, the weights of their messages and which are in conflict too."""

    node: int
    neighbours: tuple[int, ...]
    weights: tuple[float, ...]
    conflicting: tuple[bool, ...]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One trained model in detail, over k of its `total` nodes.

    Alignments, clustering and the six `features` [k, 6], in the order of `FEATURES`, may be NaN.
    `predicted` is a class [k], `probability` that of it.
    """

    model: str
    method: str
    seed: int
    total: int
    nodes: IntArray
    moments: tuple[Moment, ...]
    degree: IntArray
    clustering: FloatArray
    alignment_before: FloatArray
    alignment_after: FloatArray
    zero_share: float
    star: Star | None
    features: FloatArray
    predicted: IntArray
    probability: FloatArray

    @property
    def most_conflicted(self) -> IntArray:
        """Positions of the nodes with the highest conflict intensity, at most five, the highest first."""
        intensity = np.nan_to_num(self.features[:, FEATURES.index("conflict")], nan=-np.inf)
        order = np.argsort(-intensity, kind="stable")[:_MOST]
        return np.asarray(order[intensity[order] > 0.0], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class NodesSummary:
    """A study of node methods, finished or not; `failed` maps a cell's name to the reason.

    `explanations` are of the snapshot's most conflicted nodes.
    """

    graph: GraphFacts
    runs: tuple[RunSummary, ...]
    cells: int
    epochs: int
    candidates: int
    options: tuple[tuple[str, str], ...]
    starts: Starts | None
    snapshot: Snapshot | None
    failed: Mapping[str, str]
    explanations: Sequence[Told] = ()

    @property
    def models(self) -> tuple[str, ...]:
        """The models, in the order in which they ran."""
        return tuple(dict.fromkeys(run.model for run in self.runs))

    def main(self, model: str) -> tuple[RunSummary, ...]:
        """The runs of a model with whole methods, without those that lack a part."""
        return tuple(run for run in self.runs if run.model == model and not run.is_variant)
