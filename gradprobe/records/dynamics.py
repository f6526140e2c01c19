"""What a cell of a dynamics study leaves behind, for those who write it and those who read it."""

from __future__ import annotations

from typing import Literal

from gradprobe.records.record import Record

Network = Literal["gcn", "mlp"]
Method = Literal["gcn", "mlp", "rp", "rp_kernel"]
NETWORKS: tuple[Network, ...] = ("gcn", "mlp")
METHODS: tuple[Method, ...] = ("gcn", "mlp", "rp", "rp_kernel")
NAMES = {"gcn": "GCN", "mlp": "MLP", "rp": "RP", "rp_kernel": "RP + kernel"}


class DynamicsKey(Record):
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


class GraphFacts(Record):
    """A graph, as its report names it."""

    name: str
    nodes: int
    edges: int
    features: int
    classes: int
    homophily: float | None
    notes: tuple[str, ...]


class DynamicsRun(Record):
    """A finished cell.

    `whole` is the centred alignment of graph and labels between all labelled nodes, None for graphs too
    large for that. `growth` maps an odd power to the factor by which its residuals grow in a step.
    """

    key: DynamicsKey
    graph: GraphFacts
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
