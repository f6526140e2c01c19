"""What an editing study edits: a trained model and its wrong predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gradprobe.data.graphs import NodeDataset
from gradprobe.errors import MeasurementError
from gradprobe.graphs.full_batch import correct_nodes, full_batch, share
from gradprobe.graphs.models import NodeModel, build_node_model, graph_tensors, hops
from gradprobe.records.editing import EditOptions, ModelKind
from gradprobe.studies.desk import Desk


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


def train_model(
    kind: ModelKind, graph: NodeDataset, options: EditOptions, *, seed: int, desk: Desk | None = None
) -> TrainedModel:
    """Train on one of the graph's splits and draw targets from validation and test nodes predicted wrongly.

    Full-batch Adam, rows of features scaled to sum to 1. The seed draws weights, dropout and targets and
    chooses the split. A desk is shown the progress.

    Raises:
        MeasurementError: the model predicts every node right, so there is nothing to edit.
        TrainingError: the loss is no longer finite.
    """
    x, edge_index, labels = graph_tensors(graph, normalise=True)
    split = graph.splits[seed % len(graph.splits)]
    train, validation, test = (torch.from_numpy(p) for p in (split.train, split.validation, split.test))
    model = build_node_model(
        kind,
        inputs=x.shape[1],
        classes=graph.classes,
        width=options.width,
        layers=options.layers,
        dropout=options.dropout,
        seed=seed,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _fit(model, x, edge_index, labels, train, validation, options, desk)
    hit = correct_nodes(model, x, edge_index, labels)
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
    accuracies = tuple(share(hit, part) for part in (train, validation, test))
    return TrainedModel(
        model=model,
        hops=hops(kind, options.layers),
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
    options: EditOptions,
    desk: Desk | None,
) -> None:
    """Train, and leave the model in eval mode at the last of its best looks at the validation nodes."""
    optimizer = torch.optim.Adam(
        model.parameters(), lr=options.training_rate, weight_decay=options.weight_decay
    )
    best, kept = -1.0, model.state_dict()

    def look() -> None:
        nonlocal best, kept
        score = share(correct_nodes(model, x, edge_index, labels), validation)
        if score >= best:
            best, kept = score, {name: value.clone() for name, value in model.state_dict().items()}

    for update in full_batch(model, x, edge_index, labels, train, optimizer, epochs=options.epochs):
        if update.epoch and update.epoch % options.look_every == 0:
            look()
        if desk is not None:
            desk.progress(update.epoch, options.epochs, loss=float(update.loss.detach()))
    look()
    model.load_state_dict(kept)
    model.zero_grad()
    model.eval()
