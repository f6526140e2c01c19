"""The study of gradprobe dynamics: kernels over training and residual propagation, across graphs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gradprobe.data.graphs import NodeDataset, load_graph
from gradprobe.errors import InputError
from gradprobe.geometry.kernel import graph_kernel, kernel_alignments
from gradprobe.records.dynamics import (
    NETWORKS,
    DynamicsKey,
    DynamicsOptions,
    DynamicsRun,
    GraphFacts,
)
from gradprobe.reports.dynamics.summary import DynamicsSummary, summarise_dynamics
from gradprobe.studies.dynamics_networks import train_network
from gradprobe.studies.dynamics_propagation import growth_of_odd_powers, propagate
from gradprobe.studies.grid import GridWatch, run_grid
from gradprobe.studies.identity import graph_digest

_WHOLE = 6000
DEFAULT = ("karate", *(f"sbm:{share:g}" for share in (0.1, 0.3, 0.5, 0.7, 0.9)))

Count = Annotated[int, Field(ge=1)]


class DynamicsConfig(BaseModel):
    """The options of `gradprobe dynamics`; see `DynamicsOptions` for those not listed here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    datasets: Annotated[tuple[str, ...], Field(min_length=1)] = DEFAULT
    seeds: Count = 3
    epochs: Count = 200
    nodes: Annotated[int, Field(ge=2)] = 100

    @property
    def options(self) -> DynamicsOptions:
        """What all cells have in common."""
        return DynamicsOptions(epochs=self.epochs, nodes=self.nodes)


def dynamics_config(**values: object) -> DynamicsConfig:
    """A checked configuration.

    Raises:
        InputError: an option that is unknown or out of range, in one sentence.
    """
    try:
        return DynamicsConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = first["loc"][0] if first["loc"] else "options"
        message = first["msg"][:1].lower() + first["msg"][1:]
        raise InputError(f"{name}: {message}, got {first['input']!r}") from error


def run_dynamics(
    config: DynamicsConfig,
    out: Path,
    *,
    root: Path | None = None,
    jobs: int = 0,
    watch: GridWatch | None = None,
) -> DynamicsSummary:
    """Run what has not finished yet, and summarise all that was asked for.

    The same folder goes on with other graphs and seeds; the other options are what identifies it. One
    seed of every graph runs before the next seed of any.

    Raises:
        InputError: unknown or unreadable data, or a folder that holds another study.
    """
    graphs = {(name, graph_digest(graph)): graph for name, graph in _load(config.datasets, root).items()}
    keys = [
        DynamicsKey(dataset=name, digest=digest, seed=seed)
        for seed in range(config.seeds)
        for name, digest in graphs
    ]
    outcome = run_grid(
        out,
        identity={"study": "dynamics", **config.options.model_dump(mode="json")},
        keys=keys,
        work=DynamicsWork(graphs, config.options),
        result=DynamicsRun,
        jobs=jobs,
        watch=watch,
    )
    failures = {key.id: reason for key, reason in outcome.failures.items()}
    return summarise_dynamics(config.options, list(outcome.results.values()), failures)


@dataclass(frozen=True, eq=False)
class DynamicsWork:
    """Trains, measures and propagates on one graph with one seed."""

    graphs: Mapping[tuple[str, str], NodeDataset]
    options: DynamicsOptions

    def __call__(self, key: DynamicsKey) -> DynamicsRun:
        """One cell; the seed draws weights, dropout and nodes, and chooses among the splits."""
        started = time.perf_counter()
        graph = self.graphs[key.dataset, key.digest]
        split = graph.splits[key.seed % len(graph.splits)]
        labelled = np.flatnonzero(graph.labels >= 0)
        generator = np.random.default_rng(key.seed)
        nodes = np.sort(generator.permutation(labelled)[: self.options.nodes])
        courses = [
            train_network(network, graph, split, nodes, self.options, seed=key.seed) for network in NETWORKS
        ]
        fits = (*(course.fit for course in courses), *propagate(graph, split, self.options))
        return DynamicsRun(
            key=key,
            graph=_facts(graph, key.dataset),
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


def _facts(graph: NodeDataset, name: str) -> GraphFacts:
    return GraphFacts(
        name=name,
        nodes=graph.nodes,
        edges=graph.edges,
        features=graph.features.shape[1],
        classes=graph.classes,
        homophily=None if np.isnan(graph.homophily) else graph.homophily,
        notes=graph.notes,
    )
