"""One network of a dynamics study: trained as usual, its tangent kernel measured at a few checkpoints."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from gradprobe.data.graphs import NodeDataset, NodeSplit
from gradprobe.errors import TrainingError
from gradprobe.geometry.intervals import IntArray
from gradprobe.geometry.kernel import KernelAlignments, graph_kernel
from gradprobe.graphs.models import NodeModel, build_node_model, graph_tensors
from gradprobe.probes.kernel import KernelProbe
from gradprobe.records.dynamics import Alignments, Checkpoint, DynamicsOptions, Fit, Network


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
) -> NetworkCourse:
    """Train with Adam and cross-entropy on the whole graph, and measure kernels between some nodes.

    Rows of features are scaled to sum to 1. Validation is looked at after every epoch.

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
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _Training(network, model, probe, graph, split, options).run()


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
        x, self._edges, self._labels = graph_tensors(graph)
        self._x = nn.functional.normalize(x, p=1.0, dim=1)
        self._network, self._model, self._probe, self._options = network, model, probe, options
        self._train, self._validation, self._test = (
            torch.from_numpy(part) for part in (split.train, split.validation, split.test)
        )
        self._optimiser = torch.optim.Adam(
            model.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
        )

    def run(self) -> NetworkCourse:
        points = []
        best, seconds = (-1.0, 0.0, 0), 0.0
        wanted = checkpoint_epochs(self._options.epochs, self._options.checkpoints)
        for epoch in range(self._options.epochs + 1):
            started = time.process_time()
            loss, validation, test = self._evaluate()
            if validation > best[0]:
                best = (validation, test, epoch)
            seconds += time.process_time() - started
            if epoch in wanted:
                points.append(self._measure(epoch, loss, validation, test))
            if epoch < self._options.epochs:
                started = time.process_time()
                self._step(epoch)
                seconds += time.process_time() - started
        fit = Fit(method=self._network, validation=best[0], test=best[1], seconds=seconds, steps=best[2])
        return NetworkCourse(fit, tuple(points))

    def _forward(self, model: nn.Module) -> Tensor:
        logits: Tensor = model(self._x, self._edges)
        return logits

    def _step(self, epoch: int) -> None:
        self._model.train()
        logits = self._forward(self._model)[self._train]
        loss = nn.functional.cross_entropy(logits, self._labels[self._train])
        if not bool(loss.isfinite()):
            raise TrainingError(f"loss: expected a finite number, got {loss.item()} in epoch {epoch}")
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()

    @torch.no_grad()
    def _evaluate(self) -> tuple[float, float, float]:
        """Training loss, validation and test accuracy in eval mode."""
        self._model.eval()
        logits = self._forward(self._model)
        loss = nn.functional.cross_entropy(logits[self._train], self._labels[self._train])
        right = logits.argmax(dim=1) == self._labels
        return (
            float(loss),
            float(right[self._validation].double().mean()),
            float(right[self._test].double().mean()),
        )

    def _measure(self, epoch: int, loss: float, validation: float, test: float) -> Checkpoint:
        found = self._probe.measure(self._forward, step=epoch, epoch=epoch)
        return Checkpoint(
            network=self._network,
            epoch=epoch,
            loss=loss,
            validation=validation,
            test=test,
            centred=_alignments(found.centred),
            uncentred=_alignments(found.uncentred),
        )


def _alignments(found: KernelAlignments) -> Alignments:
    values = {name: float(quantity) for name, quantity in found.quantities.items()}
    return Alignments(**{name: None if np.isnan(value) else value for name, value in values.items()})
