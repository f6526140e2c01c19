"""What a cell of an editing study leaves behind, for those who write it and those who read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, get_args

from gradprobe.records.graph import GraphRecord
from gradprobe.records.manifest import Manifest
from gradprobe.records.record import Key, Record, Result

ModelKind = Literal["gcn", "sage", "mlp", "gat", "gin"]
Method = Literal["gd", "gre", "gre_plus", "egnn", "egnn_gre", "egnn_gre_plus"]
Protocol = Literal["independent", "sequential", "batch"]
METHODS: tuple[Method, ...] = get_args(Method)
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
NAMES = {
    "gd": "GD",
    "gre": "GRE",
    "gre_plus": "GRE+",
    "egnn": "EGNN",
    "egnn_gre": "EGNN + GRE",
    "egnn_gre_plus": "EGNN + GRE+",
    "gcn": "GCN",
    "sage": "GraphSAGE",
    "mlp": "MLP",
    "gat": "GAT",
    "gin": "GIN",
}


class EditKey(Key):
    """One trained model, on which all methods and protocols are tried."""

    model: ModelKind
    seed: int

    @property
    def id(self) -> str:
        """The name of the cell's folder."""
        return f"{self.model}-seed{self.seed}"


class EditOptions(Record):
    """What all cells of a study have in common.

    `edits` is how many wrong predictions outside training are put right, fewer where the model makes
    fewer; `anchors` the parts of the training nodes; `refresh` the edits between anchor refreshes, 0 for
    none. `learning_rate` is that of the edits. Models are trained for `epochs` by Adam with `training_rate`,
    `weight_decay` and `dropout`, and scored on the validation nodes every `look_every` epochs. The
    freshness of anchors is measured before every edit in `freshness_every`.
    """

    methods: tuple[Method, ...]
    protocols: tuple[Protocol, ...]
    edits: int
    anchors: int
    learning_rate: float
    max_steps: int
    refresh: int
    width: int
    layers: int
    epochs: int
    training_rate: float = 0.01
    weight_decay: float = 5e-4
    dropout: float = 0.5
    look_every: int = 5
    freshness_every: int = 10


class Scores(Record):
    """Accuracies in eval mode on training nodes and on test nodes that are no targets; the training loss."""

    train: float
    test: float | None
    loss: float


class EditRecord(Record):
    """One edit of `asked` targets and the scores after it.

    Cosines [K] with the stored anchors are those of the target's gradient before and after rewiring, at
    the edit's first step; None where a gradient is zero, empty where the targets were right at once.
    `freshness` is the cosine of the stored with the true training gradient before the edit, None
    where not measured. `rewired` counts steps that an anchor changed.
    """

    asked: int
    right: int
    steps: int
    seconds: float
    rewired: int
    after: Scores
    cosines_before: tuple[float | None, ...]
    cosines_after: tuple[float | None, ...]
    freshness: float | None


class MethodRun(Record):
    """All edits of one method under one protocol; `retained` is the share of targets right at the end."""

    method: Method
    protocol: Protocol
    before: Scores
    edits: tuple[EditRecord, ...]
    retained: float
    parameters: int
    anchor_bytes: int


class NodeGradient(Record):
    """How far a node's gradient is from the training gradient of the trained, unedited model.

    `rmse` and `relative` are the two published definitions of the discrepancy; None where undefined.
    """

    node: int
    right: bool
    rmse: float
    relative: float | None
    cosine: float | None


class EditRun(Result):
    """A finished cell: the trained model, its wrong predictions, and what every method did about them.

    `wrong` counts them outside training; `side_seconds` is the time of fitting EGNN's perceptron.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "cell",
        "model",
        "seed",
        "method",
        "protocol",
        "edits",
        "retained",
        "train_before",
        "train_after",
        "test_before",
        "test_after",
    )
    key: EditKey
    train: float
    validation: float
    test: float
    wrong: int
    targets: tuple[int, ...]
    gradients: tuple[NodeGradient, ...]
    runs: tuple[MethodRun, ...]
    seconds: float
    side_seconds: float | None

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each method under each protocol, before the first edit and after the last."""
        for run in self.runs:
            after = run.edits[-1].after if run.edits else run.before
            yield {
                "cell": self.key.id,
                **self.key.model_dump(),
                "method": run.method,
                "protocol": run.protocol,
                "edits": len(run.edits),
                "retained": run.retained,
                "train_before": run.before.train,
                "train_after": after.train,
                "test_before": run.before.test,
                "test_after": after.test,
            }


class EditManifest(Manifest):
    """The manifest of an editing study."""

    kind: Literal["edit"] = "edit"
    graph: GraphRecord
    cells: tuple[EditKey, ...]

    @property
    def shared(self) -> EditOptions:
        """What all cells have in common."""
        return EditOptions.model_validate(self.identity)
