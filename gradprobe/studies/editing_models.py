"""What an editing study edits: a trained model and its wrong predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from gradprobe.data.graphs import NodeDataset
from gradprobe.errors import MeasurementError, TrainingError
from gradprobe.graphs.models import NodeModel, build_node_model, graph_tensors
from gradprobe.records.editing import EditOptions, ModelKind

_LEARNING_RATE = 0.01
_WEIGHT_DECAY = 5e-4
_LOOK_EVERY = 5  # epochs between two looks at the validation nodes


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model at its best validation epoch, with its data; `targets` are wrong predictions to put right.

    `hops` is how far the model sees. `wrong` [w] are all ids predicted wrongly outside training, `right`
    as many that are not as there are targets. `rest` are the test nodes that are no targets.
    """

    model: NodeModel
    hops: int
    x: Tensor
    edge_index: Tensor
    labels: Tensor
    train: Tensor
    rest: Tensor
    accuracies: tuple[float, float, float]
    wrong: tuple[int, ...]
    right: tuple[int, ...]
    targets: tuple[int, ...]


def train_model(kind: ModelKind, graph: NodeDataset, options: EditOptions, *, seed: int) -> TrainedModel:
    """Train on one of the graph's splits and draw targets from validation and test nodes predicted wrongly.

    Full-batch Adam (0.01, weight decay 5e-4), dropout 0.5, rows of features scaled to sum to 1. The seed
    draws weights, dropout and targets and chooses the split.

    Raises:
        MeasurementError: the model predicts every node right, so there is nothing to edit.
        TrainingError: the loss is no longer finite.
    """
    x, edge_index, labels = graph_tensors(graph)
    x = nn.functional.normalize(x, p=1.0, dim=1)
    split = graph.splits[seed % len(graph.splits)]
    train, validation, test = (torch.from_numpy(p) for p in (split.train, split.validation, split.test))
    model = build_node_model(
        kind, inputs=x.shape[1], classes=graph.classes, width=options.width, layers=options.layers, seed=seed
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _fit(model, x, edge_index, labels, train, validation, options.epochs)
    hit = _predicted(model, x, edge_index) == labels
    generator = np.random.default_rng(seed)
    outside = torch.cat([validation, test])
    wrong = generator.permutation(outside[~hit[outside]].numpy())
    if not wrong.size:
        raise MeasurementError(
            f"edits: expected a wrong prediction outside training to put right, got none among "
            f"{len(outside)} nodes; train less (--epochs) or take a harder graph"
        )
    targets = wrong[: options.edits]
    right = generator.permutation(outside[hit[outside]].numpy())[: len(targets)]
    accuracies = tuple(float(hit[part].double().mean()) for part in (train, validation, test))
    return TrainedModel(
        model=model,
        hops={"mlp": 0, "gcn": options.layers + 1}.get(kind, options.layers),
        x=x,
        edge_index=edge_index,
        labels=labels,
        train=train,
        rest=test[~torch.isin(test, torch.from_numpy(targets))],
        accuracies=(accuracies[0], accuracies[1], accuracies[2]),
        wrong=tuple(wrong.tolist()),
        right=tuple(right.tolist()),
        targets=tuple(targets.tolist()),
    )


def _fit(
    model: NodeModel,
    x: Tensor,
    edge_index: Tensor,
    labels: Tensor,
    train: Tensor,
    validation: Tensor,
    epochs: int,
) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    best, kept = -1.0, model.state_dict()
    for epoch in range(1, epochs + 1):
        model.train()
        loss = nn.functional.cross_entropy(model(x, edge_index)[train], labels[train])
        if not bool(loss.isfinite()):
            raise TrainingError(f"loss: expected a finite number, got {loss.item()} in epoch {epoch}")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if epoch % _LOOK_EVERY == 0 or epoch == epochs:
            hit = _predicted(model, x, edge_index)[validation] == labels[validation]
            score = float(hit.double().mean())
            if score >= best:
                best, kept = score, {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(kept)
    model.zero_grad()
    model.eval()


@torch.no_grad()
def _predicted(model: NodeModel, x: Tensor, edge_index: Tensor) -> Tensor:
    model.eval()
    return torch.argmax(model(x, edge_index), dim=1)
