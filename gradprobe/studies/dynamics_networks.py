"""One network of a dynamics study: trained as usual, its tangent kernel measured at a few checkpoints."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from gradprobe.data.graphs import NodeDataset, NodeSplit
from gradprobe.geometry.intervals import IntArray
from gradprobe.geometry.kernel import KernelAlignments, graph_kernel
from gradprobe.graphs.full_batch import full_batch, share
from gradprobe.graphs.models import NodeModel, build_node_model, graph_tensors
from gradprobe.probes.kernel import KernelProbe
from gradprobe.records.dynamics import Alignments, Checkpoint, DynamicsOptions, Fit, Network
from gradprobe.studies.desk import Desk


@dataclass(frozen=True)
class NetworkCourse:
    """What a trained network leaves behind."""

    fit: Fit
    checkpoints: tuple[Checkpoint, ...]


def checkpoint_epochs(epochs: int, count: int) -> list[int]:
    """Epochs before whose update a network is measured: 0, and further ones ever farther apart.

    >>> checkpoint_epochs(200, 4)
    [0, 6, 34, 200]
    """
    later = [round(epochs ** (place / (count - 1))) for place in range(1, count)]
    return sorted({0, *later})


def train_network(
    network: Network,
    graph: NodeDataset,
    split: NodeSplit,
    nodes: IntArray,
    options: DynamicsOptions,
    *,
    seed: int,
    desk: Desk | None = None,
) -> NetworkCourse:
    """Train with Adam and cross-entropy on the whole graph, and measure kernels between some nodes.

    Rows of features are scaled to sum to 1. Validation is looked at after every epoch. A desk is shown the
    progress.

    Raises:
        TrainingError: the loss is no longer finite.
    """
    model = build_node_model(
        network,
        inputs=graph.features.shape[1],
        classes=graph.classes,
        width=options.width,
        layers=options.layers,
        dropout=options.dropout,
        seed=seed,
    )
    probe = KernelProbe(
        model,
        nodes=nodes,
        graph=graph_kernel(graph.edge_index, graph.nodes, power=2 * options.layers, chosen=nodes),
        labels=graph.labels[nodes],
    )
    training = _Training(network, model, probe, graph, split, options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return training.run(desk)


class _Training:
    def __init__(
        self,
        network: Network,
        model: NodeModel,
        probe: KernelProbe,
        graph: NodeDataset,
        split: NodeSplit,
        options: DynamicsOptions,
    ) -> None:
        self._x, self._edges, self._labels = graph_tensors(graph, normalise=True)
        self._network, self._model, self._probe, self._options = network, model, probe, options
        self._train, self._validation, self._test = (
            torch.from_numpy(part) for part in (split.train, split.validation, split.test)
        )
        self._optimiser = torch.optim.Adam(
            model.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
        )
        self._best = (-1.0, 0.0, 0)
        self._points: list[Checkpoint] = []

    def run(self, desk: Desk | None) -> NetworkCourse:
        epochs, seconds = self._options.epochs, 0.0
        updates = full_batch(
            self._model, self._x, self._edges, self._labels, self._train, self._optimiser, epochs=epochs
        )
        started = time.process_time()
        for update in updates:
            seconds += self._look(update.epoch, started)
            started = time.process_time()
            if desk is not None:
                desk.progress(update.epoch, epochs, loss=float(update.loss.detach()))
        seconds += self._look(epochs, started)
        validation, test, best = self._best
        fit = Fit(method=self._network, validation=validation, test=test, seconds=seconds, steps=best)
        return NetworkCourse(fit, tuple(self._points))

    def _look(self, epoch: int, started: float) -> float:
        """Score the network in its present state; returns the seconds since `started` without measuring."""
        loss, validation, test = self._evaluate()
        if validation > self._best[0]:
            self._best = (validation, test, epoch)
        seconds = time.process_time() - started
        if epoch in checkpoint_epochs(self._options.epochs, self._options.checkpoints):
            self._points.append(self._measure(epoch, loss, validation, test))
        return seconds

    def _forward(self, model: nn.Module) -> Tensor:
        logits: Tensor = model(self._x, self._edges)
        return logits

    @torch.no_grad()
    def _evaluate(self) -> tuple[float, float, float]:
        """Training loss, validation and test accuracy in eval mode."""
        self._model.eval()
        logits = self._forward(self._model)
        loss = nn.functional.cross_entropy(logits[self._train], self._labels[self._train])
        correct = logits.argmax(dim=1) == self._labels
        return float(loss), share(correct, self._validation), share(correct, self._test)

    def _measure(self, epoch: int, loss: float, validation: float, test: float) -> Checkpoint:
        kernels = self._probe.measure(self._forward, step=epoch, epoch=epoch)
        return Checkpoint(
            network=self._network,
            epoch=epoch,
            loss=loss,
            validation=validation,
            test=test,
            centred=_alignments(kernels.centred),
            uncentred=_alignments(kernels.uncentred),
        )


def _alignments(found: KernelAlignments) -> Alignments:
    values = {name: float(quantity) for name, quantity in found.quantities.items()}
    return Alignments(**{name: None if np.isnan(value) else value for name, value in values.items()})
