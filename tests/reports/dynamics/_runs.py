"""Cells of a dynamics study with planted numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradprobe.records.dynamics import (
    Alignments,
    Checkpoint,
    DynamicsKey,
    DynamicsOptions,
    DynamicsRun,
    Fit,
    Method,
)
from gradprobe.records.graph import GraphRecord

OPTIONS = DynamicsOptions()
EPOCHS = (0, 6, 34, 200)
ACCURACIES: Mapping[Method, float] = {"gcn": 0.8, "mlp": 0.6, "rp": 0.79, "rp_kernel": 0.81}


def run(
    name: str = "cora",
    *,
    seed: int = 0,
    homophily: float | None = 0.8,
    graph_target: float | None = 0.4,
    gcn_graph: Sequence[float | None] = (0.3, 0.4, 0.5, 0.6),
    gcn_target: Sequence[float | None] = (0.2, 0.3, 0.4, 0.5),
    mlp_graph: Sequence[float | None] = (0.1, 0.1, 0.1, 0.1),
    mlp_target: Sequence[float | None] = (0.1, 0.2, 0.2, 0.3),
    accuracies: Mapping[Method, float | None] = ACCURACIES,
    seconds: float = 1.0,
) -> DynamicsRun:
    """A finished cell; residual propagation takes a thousandth of `seconds`, GCN and MLP all of it."""
    courses = {"gcn": (gcn_graph, gcn_target), "mlp": (mlp_graph, mlp_target)}
    points = tuple(
        Checkpoint(
            network=network,
            epoch=epoch,
            loss=1.0,
            validation=0.5,
            test=0.5,
            centred=Alignments(kernel_graph=graph, kernel_target=target, graph_target=graph_target),
            uncentred=Alignments(kernel_graph=0.9, kernel_target=0.9, graph_target=0.9),
        )
        for network, (graphs, targets) in courses.items()
        for epoch, graph, target in zip(EPOCHS, graphs, targets, strict=True)
    )
    fits = tuple(
        Fit(method=method, reason="too large")
        if accuracy is None
        else Fit(
            method=method,
            validation=accuracy,
            test=accuracy,
            seconds=seconds if method in ("gcn", "mlp") else seconds / 1000,
            search_seconds=None if method in ("gcn", "mlp") else seconds / 250,
            steps=10,
            power=None if method in ("gcn", "mlp") else 4,
            coverage=None if method in ("gcn", "mlp") else 0.9,
        )
        for method, accuracy in accuracies.items()
    )
    return DynamicsRun(
        key=DynamicsKey(dataset=name, digest="0123456789", seed=seed),
        graph=GraphRecord(
            name=name, nodes=2708, edges=5278, features=1433, classes=7, homophily=homophily, notes=("as is",)
        ),
        sampled=100,
        checkpoints=points,
        fits=fits,
        whole=0.1,
        growth={1: 1.2, 3: 1.0},
        seconds=10.0,
    )


def sweep(*, sign: float = 1.0, graphs: int = 8, seeds: int = 2) -> list[DynamicsRun]:
    """Graphs of rising homophily on which the graph helps by as much as it aligns, times a sign."""
    runs = []
    for place in range(graphs):
        share = (place + 0.5) / graphs
        worth = sign * (share - 0.5)
        rising, falling = (0.1, 0.2, 0.3, 0.4), (0.4, 0.3, 0.2, 0.1)
        runs += [
            run(
                f"sbm:{share:g}",
                seed=seed,
                homophily=share,
                graph_target=share,
                gcn_graph=rising,
                gcn_target=rising if worth > 0 else falling,
                mlp_target=[0.25 - worth / 4] * 4,
                accuracies={**ACCURACIES, "gcn": 0.6 + worth + 0.001 * seed, "rp": 0.6 + worth, "mlp": 0.6},
            )
            for seed in range(seeds)
        ]
    return runs
