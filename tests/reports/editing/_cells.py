"""Cells of an editing study with numbers that can be checked on paper."""

from __future__ import annotations

from collections.abc import Sequence

from gradprobe.records.editing import (
    EditKey,
    EditOptions,
    EditRecord,
    EditRun,
    Method,
    MethodRun,
    NodeGradient,
    Protocol,
    Scores,
)
from gradprobe.records.graph import GraphRecord

GRAPH = GraphRecord(
    name="toy <b>", nodes=30, edges=40, features=5, classes=3, homophily=0.5, notes=("drawn",)
)
OPTIONS = EditOptions(
    methods=("gd", "gre_plus"),
    protocols=("sequential", "independent", "batch"),
    edits=3,
    anchors=2,
    learning_rate=0.01,
    max_steps=10,
    refresh=0,
    width=4,
    layers=2,
    epochs=5,
)


def edit(test: float | None, *, right: int = 1, fresh: float | None = 1.0, rewired: int = 0) -> EditRecord:
    return EditRecord(
        asked=1,
        right=right,
        steps=2,
        seconds=0.5,
        rewired=rewired,
        after=Scores(train=0.9, test=test, loss=0.4),
        cosines_before=(-0.5, 0.25),
        cosines_after=(0.0, 0.25) if rewired else (-0.5, 0.25),
        freshness=fresh,
    )


def method_run(method: Method, protocol: Protocol, tests: Sequence[float | None]) -> MethodRun:
    rewired = int(method == "gre_plus")
    edits = [edit(test, rewired=rewired, fresh=None if place else 1.0) for place, test in enumerate(tests)]
    return MethodRun(
        method=method,
        protocol=protocol,
        before=Scores(train=1.0, test=0.8, loss=0.3),
        edits=tuple(edits),
        retained=0.5,
        parameters=1000,
        anchor_bytes=12000,
    )


def cell(seed: int, *, gain: float = 0.1) -> EditRun:
    """GRE+ loses `gain` less than GD in every edit; nodes [0, 3) are wrong, [3, 6) right."""
    tests = [0.7, 0.6, 0.5 - 0.01 * seed]
    runs = [
        method_run(method, protocol, (given[-1:] if protocol == "batch" else given))
        for protocol in OPTIONS.protocols
        for method, given in (("gd", tests), ("gre_plus", [value + gain for value in tests]))
    ]
    gradients = [
        NodeGradient(
            node=node,
            right=node > 2,
            rmse=0.1 * (node + 1),
            relative=float(node + 1),
            cosine=None if node == 5 else -0.2,
        )
        for node in range(6)
    ]
    return EditRun(
        key=EditKey(model="gcn", seed=seed),
        train=1.0,
        validation=0.8,
        test=0.8,
        wrong=7,
        targets=(0, 1, 2),
        gradients=tuple(gradients),
        runs=tuple(runs),
        seconds=1.0,
        side_seconds=None,
    )
