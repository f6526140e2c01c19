"""The numbers that a depth report shows, decided once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradprobe.records.depth import DepthGraph, DepthKey, DepthManifest, DepthOptions, DepthRun, Finding
from gradprobe.records.study import StoredStudy
from gradprobe.reports.depth.claim import (
    MEASURES,
    MOMENTS,
    PLACES,
    SimilarityComparison,
    compare,
    depth_alone,
)
from gradprobe.reports.statistics.paired import Paired, paired_difference
from gradprobe.reports.statistics.ranks import BootstrapInterval
from gradprobe.reports.statistics.seeds import OverSeeds, over_seeds

DEEP = 16
"""Layers from which on a network counts as deep where depths are pooled."""


@dataclass(frozen=True, eq=False)
class DepthCell:
    """The runs of one architecture and depth, over their seeds, and what was found when training ended."""

    variant: str
    layers: int
    runs: tuple[DepthRun, ...]
    test: OverSeeds
    train: OverSeeds
    diverged: int
    gradient: Counter[Finding]
    representation: Counter[Finding]


@dataclass(frozen=True, eq=False)
class DepthSummary:
    """A depth study: its cells in the order of architectures and depths, and the tests of the claims.

    `gains` holds, for each depth that has both, the paired difference in test accuracy of the normalised
    architecture over the same one without. `comparisons` test which similarity predicts accuracy, the
    first the source's own quantity; `depth` is how well the number of layers alone does.
    """

    graph: DepthGraph
    options: DepthOptions
    cells: tuple[DepthCell, ...]
    gains: Mapping[int, Paired]
    comparisons: tuple[SimilarityComparison, ...]
    depth: BootstrapInterval
    failures: Mapping[str, str]

    @property
    def variants(self) -> tuple[str, ...]:
        """The architectures."""
        return tuple(dict.fromkeys(cell.variant for cell in self.cells))

    @property
    def depths(self) -> tuple[int, ...]:
        """The depths, ascending."""
        return tuple(sorted({cell.layers for cell in self.cells}))

    def cell(self, variant: str, layers: int) -> DepthCell | None:
        """The cell of an architecture and depth, where a run of it has finished."""
        return next((c for c in self.cells if (c.variant, c.layers) == (variant, layers)), None)


def of_study(study: StoredStudy[DepthManifest, DepthRun]) -> DepthSummary:
    """The summary of what lies in the folder of a depth study."""
    manifest = study.manifest
    return summarise_depth(manifest.graph, manifest.shared, list(study.results.values()), study.problems())


def summarise_depth(
    graph: DepthGraph,
    options: DepthOptions,
    runs: Sequence[DepthRun],
    failures: Mapping[DepthKey, str] | None = None,
) -> DepthSummary:
    """The summary of finished runs, and of why others failed."""
    groups: dict[tuple[bool, float, int], list[DepthRun]] = {}
    for run in runs:
        groups.setdefault((run.key.residual, run.key.norm or 0.0, run.key.layers), []).append(run)
    cells = tuple(_cell(groups[group]) for group in sorted(groups))
    distinct = _distinct(runs)
    comparisons = tuple(
        compare(distinct, measure=measure, place=place, moment=moment)
        for measure in MEASURES
        for place in PLACES
        for moment in MOMENTS
    )
    return DepthSummary(
        graph=graph,
        options=options,
        cells=cells,
        gains=_gains(cells),
        comparisons=comparisons,
        depth=depth_alone(distinct),
        failures={key.id: reason for key, reason in (failures or {}).items()},
    )


def _distinct(runs: Sequence[DepthRun]) -> list[DepthRun]:
    """The runs without those that repeat another: two layers leave nothing to skip."""
    networks = {
        (run.key.layers, run.key.residual and run.key.layers > 2, run.key.norm, run.key.seed): run
        for run in runs
    }
    return list(networks.values())


def _cell(runs: list[DepthRun]) -> DepthCell:
    first = runs[0].key
    return DepthCell(
        variant=first.variant,
        layers=first.layers,
        runs=tuple(runs),
        test=over_seeds([run.test for run in runs]),
        train=over_seeds([run.train for run in runs]),
        diverged=sum(run.diverged is not None for run in runs),
        gradient=Counter(run.gradient.findings[-1] for run in runs),
        representation=Counter(run.representation.findings[-1] for run in runs),
    )


def _gains(cells: Sequence[DepthCell]) -> dict[int, Paired]:
    gains = {}
    for own in cells:
        key = own.runs[0].key
        free = [c for c in cells if c.layers == own.layers and c.runs[0].key.residual == key.residual]
        other = next((c for c in free if c.runs[0].key.norm is None), None)
        if key.norm is not None and other is not None:
            gains[own.layers] = paired_difference(
                {run.key.seed: run.test for run in own.runs}, {run.key.seed: run.test for run in other.runs}
            )
    return gains
