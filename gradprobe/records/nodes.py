"""What a cell of a study of node methods leaves behind: one definition for writers and readers.

Floats that may be undefined are None there: JSON knows no NaN.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from gradprobe.records.graph import GraphRecord
from gradprobe.records.manifest import Manifest
from gradprobe.records.record import Key, Record, Result

Numbers = tuple[float | None, ...]


class NodeKey(Key):
    """One run: a model, a method by its name in `graphs.gragr.METHODS`, a seed."""

    model: str
    method: str
    seed: int

    @property
    def id(self) -> str:
        """The name of the cell's folder."""
        return f"{self.model}-{self.method}-seed{self.seed}"


class NodeScores(Record):
    """Accuracy, macro F1 and macro one-against-rest AUROC on n nodes, in [0, 1]."""

    n: int
    accuracy: float | None
    f1: float | None
    auroc: float | None


class NodeEpochRow(Record):
    """One epoch, counted from 1: see `graphs.gragr.NodeEpoch`."""

    epoch: int
    loss: float
    validation_loss: float
    accuracy: float
    energy: float | None
    reasoning: bool
    openness: float
    gamma: tuple[float, ...]
    seconds: float


class NodeTrial(Record):
    """The trial of one random start: validation accuracy and loss after each of its epochs."""

    accuracy: tuple[float, ...]
    loss: tuple[float, ...]


class NodeMoment(Record):
    """The k nodes of a snapshot after some epoch: the two main directions of the first hidden layer [k, 2].

    `conflicting` [k] are the flags of eq. (1) from the gradients of the training loss without dropout.
    """

    epoch: int
    embedding: tuple[tuple[float, float], ...]
    conflicting: tuple[bool, ...]


class NodeNeighbourhood(Record):
    """A node in conflict, its neighbours in the graph, their attention weights (they sum to 1) and flags."""

    node: int
    neighbours: tuple[int, ...]
    weights: tuple[float, ...]
    conflicting: tuple[bool, ...]


class NodeSnapshot(Record):
    """A trained model seen through the gradients of its first hidden layer, on k of `total` nodes.

    `before` is the last epoch before reasoning began, the first one where it began at once or never;
    `after` is the best epoch, whose parameters are scored, and everything else is of it. `alignment` is
    each node's cosine with its neighbours' mean, before and after the correction (by its own options, or
    by the default ones for a method that corrects nothing). `zero_share` is the share of all nodes with
    no gradient. `features` [k, 6] are (18)-(26) in the order of `geometry.graph.FEATURES`, None where
    undefined. `clustering` is None where a node has fewer than two neighbours.
    """

    total: int
    nodes: tuple[int, ...]
    labels: tuple[int, ...]
    predicted: tuple[int, ...]
    probability: tuple[float, ...]
    degree: tuple[int, ...]
    clustering: Numbers
    alignment_before: Numbers
    alignment_after: Numbers
    zero_share: float
    before: NodeMoment
    after: NodeMoment
    features: tuple[Numbers, ...]
    neighbourhood: NodeNeighbourhood | None


class NodeRun(Result):
    """One finished run.

    `parts` counts the nodes that train, select, tune weights (meta) and test. `trials` holds one entry a
    random start, none where there was one start; `chosen` went on, and `history` is its whole course.
    `seconds` is the median over epochs of the processor time of an update, `memory` the bytes of tensors
    alive at the peak of one update. `snapshot` is kept for the first seed only.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "cell",
        "model",
        "method",
        "seed",
        "n",
        "accuracy",
        "f1",
        "auroc",
        "validation_accuracy",
        "best_epoch",
    )
    key: NodeKey
    parts: dict[str, int]
    parameters: int
    test: NodeScores
    validation: NodeScores
    best_epoch: int
    chosen: int
    trials: tuple[NodeTrial, ...]
    history: tuple[NodeEpochRow, ...]
    seconds: float
    memory: int
    snapshot: NodeSnapshot | None = None

    def rows(self) -> Iterator[dict[str, Any]]:
        """The test scores of the run."""
        yield {
            "cell": self.key.id,
            **self.key.model_dump(),
            **self.test.model_dump(),
            "validation_accuracy": self.validation.accuracy,
            "best_epoch": self.best_epoch,
        }


class NodeGraph(GraphRecord):
    """The graph; `splits` counts the published or drawn ways to split its nodes."""

    splits: int


class NodesManifest(Manifest):
    """The manifest of a study of node methods; `methods` says what distinguishes each from the base."""

    kind: Literal["nodes"] = "nodes"
    graph: NodeGraph
    methods: dict[str, dict[str, Any]]
    cells: tuple[NodeKey, ...]

    def joined(self, earlier: Self) -> Self:
        """With what an earlier manifest of the same study holds besides."""
        both = super().joined(earlier)
        return both.model_copy(update={"methods": {**earlier.methods, **self.methods}})


class NodesStudy(Record):
    """A study of node methods, finished or not.

    `options` are those that all runs share; `methods` maps each method to what distinguishes it from the
    base; `failures` maps a cell's name to the reason.
    """

    graph: NodeGraph
    options: dict[str, object]
    methods: dict[str, dict[str, object]]
    cells: int
    runs: tuple[NodeRun, ...]
    failures: dict[str, str] = Field(default_factory=dict)


class NodeExplanation(Record):
    """Words about a node, and whose they are: `"template"` or the name of a language model.

    `note` says why the template stands in for a language model that was asked for.
    """

    node: int
    text: str
    source: str
    note: str = ""


class NodeExplanations(Record):
    """What explanations.json holds: words about the nodes most in conflict, the first of them first."""

    entries: tuple[NodeExplanation, ...]


EXPLANATIONS = "explanations.json"
