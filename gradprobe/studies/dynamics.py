"""The study of gradprobe graph dynamics: kernels over training and residual propagation, across graphs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from gradprobe.data.graphs import NodeDataset, load_graph
from gradprobe.geometry.kernel import graph_kernel, kernel_alignments
from gradprobe.records.dynamics import (
    NETWORKS,
    DynamicsKey,
    DynamicsManifest,
    DynamicsOptions,
    DynamicsRun,
)
from gradprobe.records.graph import GraphRecord
from gradprobe.records.kinds import DYNAMICS
from gradprobe.reports.dynamics.summary import DynamicsSummary, of_study
from gradprobe.studies.desk import Desk
from gradprobe.studies.dynamics_networks import train_network
from gradprobe.studies.dynamics_propagation import growth_of_odd_powers, propagate
from gradprobe.studies.grid import Watch, run_study
from gradprobe.studies.identity import GRAPH_PACKAGES, graph_digest, graph_facts
from gradprobe.studies.options import Count, NotNegative, Positive, Share, checked
from gradprobe.studies.plan import Plan, plan_cells

_WHOLE = 6000
DEFAULT = ("karate", *(f"sbm:{share:g}" for share in (0.1, 0.3, 0.5, 0.7, 0.9)))


class DynamicsConfig(BaseModel):
    """The options of `gradprobe graph dynamics`; see `DynamicsOptions` for those not explained here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    datasets: Annotated[tuple[str, ...], Field(min_length=1)] = DEFAULT
    seeds: Count = 3
    epochs: Count = 200
    nodes: Annotated[int, Field(ge=2)] = 100
    checkpoints: Annotated[int, Field(ge=2)] = 4
    width: Count = 64
    layers: Count = 2
    dropout: Share = 0.5
    learning_rate: Positive = 0.01
    weight_decay: NotNegative = 5e-4
    powers: Annotated[tuple[Count, ...], Field(min_length=1)] = (2, 4, 8, 16)
    steps: Count = 100

    @property
    def options(self) -> DynamicsOptions:
        """What all cells have in common."""
        return DynamicsOptions(**{name: getattr(self, name) for name in DynamicsOptions.model_fields})


def dynamics_config(**values: object) -> DynamicsConfig:
    """A checked configuration.

    Raises:
        InputError: an option that is unknown or out of range, in one sentence.
    """
    return checked(DynamicsConfig, values)


def plan_dynamics(
    config: DynamicsConfig, out: Path, *, root: Path | None = None
) -> Plan[DynamicsManifest, DynamicsKey, DynamicsRun]:
    """Load the graphs and open the study's folder.

    The same folder takes other graphs and seeds; the other options are what identifies it. One seed of every
    graph runs before the next seed of any.

    Raises:
        InputError: unknown or unreadable data, or a folder that holds another study.
    """
    graphs = {(name, graph_digest(graph)): graph for name, graph in _load(config.datasets, root).items()}
    return plan_cells(
        DYNAMICS,
        out,
        identity=config.options.model_dump(mode="json"),
        options=config.model_dump(mode="json"),
        cells=[
            DynamicsKey(dataset=name, digest=digest, seed=seed)
            for seed in range(config.seeds)
            for name, digest in graphs
        ],
        work=DynamicsWork(graphs, config.options),
        packages=GRAPH_PACKAGES,
    )


def run_dynamics(
    config: DynamicsConfig,
    out: Path,
    *,
    root: Path | None = None,
    jobs: int = 0,
    watch: Watch | None = None,
) -> DynamicsSummary:
    """Run what has not finished yet, and summarise all that the folder holds; see `plan_dynamics`."""
    study = run_study(plan_dynamics(config, out, root=root), jobs=jobs, watch=watch).study
    return of_study(study)


@dataclass(frozen=True, eq=False)
class DynamicsWork:
    """Trains, measures and propagates on one graph with one seed."""

    graphs: Mapping[tuple[str, str], NodeDataset]
    options: DynamicsOptions

    def prepare(self, cache: Path) -> None:
        """Nothing: every cell has its graphs with it."""

    def __call__(self, key: DynamicsKey, desk: Desk) -> DynamicsRun:
        """One cell; the seed draws weights, dropout and nodes, and chooses among the splits."""
        started = time.perf_counter()
        graph = self.graphs[key.dataset, key.digest]
        split = graph.splits[key.seed % len(graph.splits)]
        labelled = np.flatnonzero(graph.labels >= 0)
        generator = np.random.default_rng(key.seed)
        nodes = np.sort(generator.permutation(labelled)[: self.options.nodes])
        courses = [
            train_network(network, graph, split, nodes, self.options, seed=key.seed, desk=desk)
            for network in NETWORKS
        ]
        fits = (*(course.fit for course in courses), *propagate(graph, split, self.options))
        return DynamicsRun(
            key=key,
            graph=GraphRecord(**graph_facts(graph) | {"name": key.dataset}),
            sampled=len(nodes),
            checkpoints=tuple(point for course in courses for point in course.checkpoints),
            fits=fits,
            whole=_whole_alignment(graph, self.options.layers),
            growth=growth_of_odd_powers(graph, split),
            seconds=time.perf_counter() - started,
        )


def _load(names: tuple[str, ...], root: Path | None) -> dict[str, NodeDataset]:
    distinct = dict.fromkeys(name.strip().lower() for name in names)
    return {name: load_graph(name, root=root) for name in distinct}


def _whole_alignment(graph: NodeDataset, layers: int) -> float | None:
    """The alignment of graph and labels between all nodes; kernels between more than these are too large."""
    if graph.nodes > _WHOLE:
        return None
    kernel = graph_kernel(graph.edge_index, graph.nodes, power=2 * layers)
    found = float(kernel_alignments(kernel, kernel, graph.labels).graph_target)
    return None if np.isnan(found) else found
