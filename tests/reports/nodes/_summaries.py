"""Summaries of made-up node runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradprobe.reports.nodes.summary import (
    BASE,
    GraphFacts,
    Moment,
    NodesSummary,
    RunSummary,
    Snapshot,
    Star,
    Starts,
)
from gradprobe.reports.statistics.paired import paired_difference
from gradprobe.reports.statistics.seeds import band, over_seeds

NAN = float("nan")


def run(
    method: str,
    scores: list[float],
    *,
    model: str = "gcn",
    base: list[float] | None = None,
    opened: float = 1.0,
    slowdown: float = 2.5,
) -> RunSummary:
    """A method with these test accuracies by seed, paired with the base's where they are given."""
    own = dict(enumerate(scores))
    other = dict(enumerate(base or []))
    names = ("accuracy", "f1", "auroc")
    courses = [{epoch: score * (1.0 - 0.8**epoch) for epoch in range(1, 41)} for score in scores]
    energies = [{epoch: 0.3 * 0.97**epoch + 0.01 * seed for epoch in range(1, 41)} for seed in own]
    gate = [{epoch: float(opened > 0 and epoch > 20) for epoch in range(1, 41)} for _ in own]
    return RunSummary(
        model=model,
        method=method,
        seeds=len(scores),
        test={name: over_seeds(scores) for name in names},
        validation={name: over_seeds(scores) for name in names},
        differences={} if method == BASE else {name: paired_difference(own, other) for name in names},
        accuracy=band(courses),
        energy=band(energies),
        untouched=0,
        open=band(gate),
        openness=band(gate if method == "gragr++" else [{1: 0.0}]),
        open_share=over_seeds([opened] * len(scores)),
        seconds=over_seeds([0.002] * len(scores)),
        memory=over_seeds([NAN]),
        slowdown=over_seeds([slowdown] * len(scores) if method != BASE else []),
    )


def snapshot(*, nodes: int = 40, star: bool = True) -> Snapshot:
    rng = np.random.default_rng(0)
    degree = rng.integers(1, 12, nodes)
    features = np.abs(rng.normal(size=(nodes, 6)))
    features[:, 3] = -0.4
    features[:, 4] = rng.choice([0.5, 1.0, 1.5, 2.0], nodes)
    features[degree < 2, 1] = NAN
    torn = [rng.random(nodes) < share for share in (0.3, 0.1)]
    names = ("before the reasoning", "at the best epoch")
    before = rng.uniform(-1, 1, nodes)
    before[0] = NAN
    return Snapshot(
        model="gcn",
        method="gragr++",
        seed=0,
        total=nodes,
        nodes=np.arange(100, 100 + nodes),
        moments=tuple(
            Moment(name, rng.normal(size=(nodes, 2)), flags) for name, flags in zip(names, torn, strict=True)
        ),
        degree=degree,
        clustering=np.where(degree > 1, rng.random(nodes), NAN),
        alignment_before=before,
        alignment_after=np.clip(before + 0.3, -1, 1),
        zero_share=0.025,
        star=Star(107, (101, 103, 109), (0.5, 0.3, 0.2), (False, True, False)) if star else None,
        features=features,
        predicted=rng.integers(0, 3, nodes),
        probability=rng.uniform(0.3, 1.0, nodes),
    )


def summary(*runs: RunSummary, **changes: object) -> NodesSummary:
    """Runs of a made-up graph; by default three methods and a variant over five seeds."""
    base = [0.80, 0.81, 0.79, 0.80, 0.82]
    given = runs or (
        run(BASE, base),
        run("gragr", [score + 0.02 + 0.001 * seed for seed, score in enumerate(base)], base=base),
        run("gragr-no-attention", [score - 0.01 for score in base], base=base),
        run("gragr++", [0.79, 0.83, 0.80, 0.78, 0.82], base=base, opened=0.4),
    )
    found = NodesSummary(
        graph=GraphFacts(
            name="karate",
            nodes=34,
            edges=78,
            features=34,
            classes=4,
            homophily=0.756,
            splits=1,
            parts={"train": 4, "selection": 5, "meta": 5, "test": 20},
            notes=("features are the identity <matrix>",),
        ),
        runs=given,
        cells=20,
        epochs=40,
        candidates=3,
        options=(("learning rate", "0.01"),),
        starts=Starts("gcn", "gragr++", 0, ((0.1, 0.5, 0.6), (0.2, 0.4, 0.7), (0.1, 0.2, 0.3)), 1, 3),
        snapshot=snapshot(),
        failed={},
    )
    return replace(found, **changes)  # type: ignore[arg-type]
