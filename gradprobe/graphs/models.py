"""Node models on PyG's own layers."""

from __future__ import annotations

from math import gcd
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from gradprobe.data.graphs import NodeDataset
from gradprobe.errors import InputError, missing_extra
from gradprobe.graphs.dropout import FeatureDropout

NodeModelKind = Literal["gcn", "gat", "gin", "sage", "mlp"]
_GAT_HEADS = 8  # as in its paper, where the width allows


class NodeModel(nn.Module):
    """Layers from features [n, d] to logits [n, classes]; the last one has neither activation nor skip.

    Each layer drops out its input, then mixes it over the graph; all but the last apply ReLU. With
    `residual`, layers whose input and output are of one width add their input after the activation.

    `convs` are PyG's own layers (`nn.Linear` for `"mlp"`), called as `conv(inputs, edge_index)`. A method
    may put another module of that signature in a layer's place.
    """

    def __init__(self, convs: list[nn.Module], *, dropout: float, residual: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleList(convs)
        self.dropout = FeatureDropout(dropout)
        self.residual = residual

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Logits [n, classes] of the nodes with features `x` [n, d] and directed edges [2, E]."""
        return self.representations(x, edge_index)[-1]

    def representations(self, x: Tensor, edge_index: Tensor) -> list[Tensor]:
        """What each layer puts out, in the live graph: [n, width] each, the last one the logits.

        Those before the last are after activation and skip, before dropout. A hook on one sees the
        gradient of everything that comes after it.
        """
        outputs = []
        inputs = x
        for level, conv in enumerate(self.convs):
            mixed: Tensor = conv(self.dropout(inputs), edge_index)
            if level < len(self.convs) - 1:
                mixed = torch.relu(mixed)
                if self.residual and mixed.shape == inputs.shape:
                    mixed = mixed + inputs
            outputs.append(mixed)
            inputs = mixed
        return outputs


def build_node_model(
    kind: NodeModelKind,
    *,
    inputs: int,
    classes: int,
    width: int = 64,
    layers: int = 2,
    dropout: float = 0.5,
    residual: bool = False,
    seed: int,
) -> NodeModel:
    """A freshly initialised model that depends on the seed alone, not on the caller's random state.

    `"gcn"`, `"gat"`, `"gin"` and `"sage"` are PyG's `GCNConv`, `GATConv`, `GINConv` and `SAGEConv` with
    their defaults: 8 attention heads where they divide the width (else the greatest common divisor) and
    one head in the last layer; a two-layer perceptron inside each GIN layer; GraphSAGE layers that narrow
    project before they average, which is the same function. `"mlp"` sees no edges.

    Raises:
        InputError: an unknown kind, or a size or rate out of range.
        MissingExtraError: PyG is not installed.
    """
    _check(kind, {"inputs": inputs, "classes": classes, "width": width, "layers": layers}, dropout)
    sizes = [inputs, *[width] * (layers - 1), classes]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        convs = [
            _layer(kind, sizes[level], sizes[level + 1], last=level == layers - 1) for level in range(layers)
        ]
        return NodeModel(convs, dropout=dropout, residual=residual)


def hops(kind: NodeModelKind, layers: int) -> int:
    """How many edges away a node's logits look: a GCN's weights also hold the degrees of its neighbours."""
    return {"mlp": 0, "gcn": layers + 1}.get(kind, layers)


def starts_linear(kind: str) -> bool:
    """Whether the first layer begins with a linear map of the features, so that they may be sparse."""
    return kind in ("gcn", "gat", "sage")


def graph_tensors(
    dataset: NodeDataset, device: torch.device | str | None = None, *, normalise: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Features [n, d] in float32, directed edges [2, E] and labels [n] in int64, copied to a device.

    With `normalise`, rows of features are scaled to an absolute sum of 1; rows of zeros stay.
    """
    features = torch.tensor(dataset.features, dtype=torch.float32, device=device)
    return (
        nn.functional.normalize(features, p=1.0, dim=1) if normalise else features,
        torch.tensor(dataset.edge_index, dtype=torch.int64, device=device),
        torch.tensor(dataset.labels, dtype=torch.int64, device=device),
    )


class _EdgelessLinear(nn.Linear):
    """A linear layer with the signature of a convolution."""

    def forward(self, inputs: Tensor, edge_index: Tensor | None = None) -> Tensor:  # noqa: ARG002
        return super().forward(inputs)


def _layer(kind: NodeModelKind, inputs: int, outputs: int, *, last: bool) -> nn.Module:
    if kind == "mlp":
        return _EdgelessLinear(inputs, outputs)
    try:
        from torch_geometric.nn import GATConv, GCNConv, GINConv, SAGEConv

        from gradprobe.graphs.sage import ProjectedSAGEConv
    except ImportError as error:
        raise missing_extra("torch_geometric", "graphs") from error

    layer: nn.Module
    if kind == "gat":
        heads = 1 if last else gcd(outputs, _GAT_HEADS)
        layer = GATConv(inputs, outputs // heads, heads=heads)
    elif kind == "gin":
        layer = GINConv(nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(), nn.Linear(outputs, outputs)))
    elif kind == "sage":
        layer = ProjectedSAGEConv(inputs, outputs) if inputs > outputs else SAGEConv(inputs, outputs)
    else:
        layer = GCNConv(inputs, outputs)
    return layer


def _check(kind: str, sizes: dict[str, int], dropout: float) -> None:
    kinds = get_args(NodeModelKind)
    if kind not in kinds:
        raise InputError(f"kind: expected one of {', '.join(kinds)}; got {kind!r}")
    for name, size in sizes.items():
        if size < 1:
            raise InputError(f"{name}: expected a number of at least 1, got {size}")
    if not 0.0 <= dropout < 1.0:
        raise InputError(f"dropout: expected a rate from 0 up to but not including 1, got {dropout}")
