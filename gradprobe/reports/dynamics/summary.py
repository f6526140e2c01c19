"""The numbers that a dynamics report shows, decided once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Literal

import numpy as np

from gradprobe.records.dynamics import (
    METHODS,
    Alignments,
    Checkpoint,
    DynamicsManifest,
    DynamicsOptions,
    DynamicsRun,
    Method,
    Network,
)
from gradprobe.records.graph import GraphRecord
from gradprobe.records.study import StoredStudy
from gradprobe.reports.statistics.paired import Paired, paired_difference
from gradprobe.reports.statistics.ranks import spearman
from gradprobe.reports.statistics.seeds import NAN, OverSeeds, over_seeds

Name = Literal["kernel_graph", "kernel_target", "graph_target"]
HOMOPHILIC = 0.5
"""Edge homophily above which a graph counts as homophilic."""


@dataclass(frozen=True, eq=False)
class GraphSummary:
    """One graph: its runs, one a seed."""

    facts: GraphRecord
    runs: tuple[DynamicsRun, ...]

    @property
    def homophily(self) -> float:
        """Edge homophily; NaN for a graph without labelled edges."""
        return NAN if self.facts.homophily is None else self.facts.homophily

    @property
    def homophilic(self) -> bool:
        """Whether most edges join nodes of one class."""
        return self.homophily > HOMOPHILIC

    @cached_property
    def graph_target(self) -> OverSeeds:
        """The centred alignment of the graph with the labels, which no network enters."""
        return over_seeds([_value(run.checkpoints[0].centred, "graph_target") for run in self.runs])

    @property
    def whole(self) -> float | None:
        """The alignment of graph and labels between all labelled nodes, where that was measured."""
        return self.runs[0].whole

    def during(self, network: Network, name: Name) -> OverSeeds:
        """A centred alignment of a network's kernel, averaged over the checkpoints of a run."""
        return over_seeds([_mean(run.course(network), name) for run in self.runs])

    def at(self, network: Network, name: Name, place: int) -> dict[int, float]:
        """By seed, a centred alignment at one of the checkpoints."""
        return {run.key.seed: _value(run.course(network)[place].centred, name) for run in self.runs}

    def start(self, name: Name) -> float:
        """A centred alignment of the GCN's kernel at the first checkpoint, mean over seeds."""
        return float(np.mean(list(self.at("gcn", name, 0).values())))

    def finish(self, name: Name) -> float:
        """A centred alignment of the GCN's kernel at the last checkpoint, mean over seeds."""
        return float(np.mean(list(self.at("gcn", name, -1).values())))

    def accuracy(self, method: Method) -> OverSeeds:
        """Test accuracy of a method."""
        return over_seeds(list(self.by_seed(method).values()))

    def by_seed(self, method: Method) -> dict[int, float]:
        """Test accuracy of a method by seed; NaN where it could not run."""
        return {run.key.seed: NAN if (t := run.fit(method).test) is None else t for run in self.runs}

    def difference(self, method: Method, other: Method) -> Paired:
        """Test accuracy of a method minus another's, paired by seed."""
        return paired_difference(self.by_seed(method), self.by_seed(other))

    @cached_property
    def rise(self) -> Paired:
        """The alignment of the GCN's kernel with the graph, at the last checkpoint minus at the first."""
        return paired_difference(self.at("gcn", "kernel_graph", -1), self.at("gcn", "kernel_graph", 0))

    @cached_property
    def together(self) -> OverSeeds:
        """Spearman's correlation, over a GCN's checkpoints, of its alignments with graph and labels."""
        found = []
        for run in self.runs:
            pairs = [(p.centred.kernel_graph, p.centred.kernel_target) for p in run.course("gcn")]
            known = np.array([pair for pair in pairs if None not in pair], dtype=np.float64).reshape(-1, 2)
            found.append(float(spearman(known[:, 0], known[:, 1])[0]) if len(known) > 2 else NAN)
        return over_seeds(found)

    @property
    def gain(self) -> float:
        """What the graph is worth: test accuracy, GCN minus MLP."""
        return self.difference("gcn", "mlp").mean

    @property
    def kernel_gain(self) -> float:
        """Kernel-target alignment during training, GCN minus MLP."""
        return self.during("gcn", "kernel_target").mean - self.during("mlp", "kernel_target").mean

    def seconds(self, method: Method) -> float:
        """Mean seconds of one fit; NaN where the method could not run."""
        known = [s for run in self.runs if (s := run.fit(method).seconds) is not None]
        return fmean(known) if known else NAN

    def growth(self, power: int) -> float:
        """The greatest growth of residuals in a step with an odd power."""
        return max(run.growth[power] for run in self.runs)


@dataclass(frozen=True, eq=False)
class DynamicsSummary:
    """A dynamics study: its graphs by rising homophily."""

    options: DynamicsOptions
    graphs: tuple[GraphSummary, ...]
    failures: Mapping[str, str]

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods that ran on some graph."""
        return tuple(
            method for method in METHODS if any(graph.accuracy(method).seeds for graph in self.graphs)
        )

    @property
    def seeds(self) -> int:
        """The most seeds that a graph has."""
        return max((len(graph.runs) for graph in self.graphs), default=0)


def of_study(study: StoredStudy[DynamicsManifest, DynamicsRun]) -> DynamicsSummary:
    """The summary of what lies in the folder of a dynamics study."""
    failures = {key.id: problem for key, problem in study.problems().items()}
    return summarise_dynamics(study.manifest.shared, list(study.results.values()), failures)


def summarise_dynamics(
    options: DynamicsOptions, runs: Sequence[DynamicsRun], failures: Mapping[str, str] | None = None
) -> DynamicsSummary:
    """The summary of finished cells, and of why others failed."""
    groups: dict[tuple[str, str], list[DynamicsRun]] = {}
    for run in runs:
        groups.setdefault((run.key.dataset, run.key.digest), []).append(run)
    graphs = [GraphSummary(own[0].graph, tuple(own)) for own in groups.values()]
    ordered = sorted(graphs, key=lambda graph: (np.isnan(graph.homophily), graph.homophily))
    return DynamicsSummary(options, tuple(ordered), dict(failures or {}))


def _value(found: Alignments, name: Name) -> float:
    value: float | None = getattr(found, name)
    return NAN if value is None else value


def _mean(points: Sequence[Checkpoint], name: Name) -> float:
    known = [value for point in points if not np.isnan(value := _value(point.centred, name))]
    return fmean(known) if known else NAN
