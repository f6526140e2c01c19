"""What a cell of a dynamics study leaves behind, for those who write it and those who read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from gradprobe.records.graph import GraphRecord
from gradprobe.records.manifest import Manifest
from gradprobe.records.record import Key, Record, Result

Network = Literal["gcn", "mlp"]
Method = Literal["gcn", "mlp", "rp", "rp_kernel"]
NETWORKS: tuple[Network, ...] = ("gcn", "mlp")
METHODS: tuple[Method, ...] = ("gcn", "mlp", "rp", "rp_kernel")
NAMES = {"gcn": "GCN", "mlp": "MLP", "rp": "RP", "rp_kernel": "RP + kernel"}


class DynamicsKey(Key):
    """One graph and seed. `digest` is that of the graph's data, so that other data is another cell."""

    dataset: str
    digest: str
    seed: int

    @property
    def id(self) -> str:
        """The name of the cell's folder; not every file system allows the colon of `sbm:0.3`."""
        return f"{self.dataset.replace(':', '-')}-{self.digest}-seed{self.seed}"


class DynamicsOptions(Record):
    """What all cells have in common.

    `nodes` is the number of nodes, drawn from the labelled ones of the whole graph, between which kernels
    are measured; `checkpoints` how often in a run. `powers` are those that residual propagation chooses
    from on validation nodes, `steps` its iterations.
    """

    epochs: int = 200
    nodes: int = 100
    checkpoints: int = 4
    width: int = 64
    layers: int = 2
    dropout: float = 0.5
    learning_rate: float = 0.01
    weight_decay: float = 5e-4
    powers: tuple[int, ...] = (2, 4, 8, 16)
    steps: int = 100


class Alignments(Record):
    """The three alignments of one kernel, None where undefined."""

    kernel_graph: float | None
    kernel_target: float | None
    graph_target: float | None


class Checkpoint(Record):
    """A network before the update of an epoch: its alignments, training loss and accuracies in eval mode."""

    network: Network
    epoch: int
    loss: float
    validation: float
    test: float
    centred: Alignments
    uncentred: Alignments


class Fit(Record):
    """A fitted method. Accuracies are shares of nodes, at the best validation epoch or step.

    `seconds` are those spent computing, in one thread, on training and on looking at the validation nodes
    at every epoch or step, measurements left out; for residual propagation, those of the power that was
    chosen, `search_seconds` those of all. `coverage` is the share of nodes that a label has reached. Where
    the method could not run, all are None and `reason` says why.
    """

    method: Method
    validation: float | None = None
    test: float | None = None
    seconds: float | None = None
    search_seconds: float | None = None
    steps: int | None = None
    power: int | None = None
    coverage: float | None = None
    reason: str = ""


class DynamicsRun(Result):
    """A finished cell.

    `whole` is the centred alignment of graph and labels between all labelled nodes, None for graphs too
    large for that. `growth` maps an odd power to the factor by which its residuals grow in a step.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "cell",
        "dataset",
        "seed",
        "method",
        "validation",
        "test",
        "steps",
        "power",
        "coverage",
        "reason",
    )
    key: DynamicsKey
    graph: GraphRecord
    sampled: int
    checkpoints: tuple[Checkpoint, ...]
    fits: tuple[Fit, ...]
    whole: float | None
    growth: dict[int, float]
    seconds: float

    def fit(self, method: Method) -> Fit:
        """The fit of a method."""
        return next(fit for fit in self.fits if fit.method == method)

    def course(self, network: Network) -> tuple[Checkpoint, ...]:
        """The checkpoints of a network, first to last."""
        return tuple(point for point in self.checkpoints if point.network == network)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The accuracies of each method."""
        for fit in self.fits:
            key = {"cell": self.key.id, "dataset": self.key.dataset, "seed": self.key.seed}
            yield {**key, **fit.model_dump(exclude={"seconds", "search_seconds"})}


class DynamicsManifest(Manifest):
    """The manifest of a dynamics study."""

    kind: Literal["dynamics"] = "dynamics"
    cells: tuple[DynamicsKey, ...]

    @property
    def shared(self) -> DynamicsOptions:
        """What all cells have in common."""
        return DynamicsOptions.model_validate(self.identity)
