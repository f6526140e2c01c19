"""Records of made-up node runs."""

from __future__ import annotations

from gradprobe.records.nodes import (
    NodeEpochRow,
    NodeGraph,
    NodeKey,
    NodeMoment,
    NodeRun,
    NodeScores,
    NodeSnapshot,
    NodesStudy,
    NodeTrial,
)


def epoch(number: int, *, reasoning: bool = False, accuracy: float = 0.5) -> NodeEpochRow:
    return NodeEpochRow(
        epoch=number,
        loss=1.0 / number,
        validation_loss=1.0,
        accuracy=accuracy,
        energy=None if number == 1 else 0.1 * number,
        reasoning=reasoning,
        openness=0.5 * reasoning,
        gamma=(1.0,),
        seconds=0.01,
    )


def run(method: str, seed: int, accuracy: float, **changes: object) -> NodeRun:
    scores = NodeScores(n=10, accuracy=accuracy, f1=accuracy - 0.1, auroc=None)
    values: dict[str, object] = {
        "key": NodeKey(model="gcn", method=method, seed=seed),
        "parts": {"train": 4, "selection": 3, "meta": 2, "test": 10},
        "parameters": 100,
        "test": scores,
        "validation": NodeScores(n=3, accuracy=1.0, f1=1.0, auroc=1.0),
        "best_epoch": 2,
        "chosen": 1,
        "trials": (
            NodeTrial(accuracy=(0.1, 0.2), loss=(2.0, 1.0)),
            NodeTrial(accuracy=(0.3, 0.4), loss=(2.0, 0.5)),
        ),
        "history": tuple(epoch(number, reasoning=method != "base" and number >= 3) for number in range(1, 5)),
        "seconds": 0.01 * (1 + seed) * (1 if method == "base" else 3),
        "memory": 2**20,
    }
    return NodeRun.model_validate(values | changes)


def snapshot(*, before: int = 1, after: int = 2) -> NodeSnapshot:
    moments = [
        NodeMoment(epoch=at, embedding=((0.0, 1.0), (2.0, 3.0)), conflicting=(True, False))
        for at in (before, after)
    ]
    return NodeSnapshot(
        total=50,
        nodes=(7, 9),
        labels=(0, 1),
        predicted=(1, 1),
        probability=(0.6, 0.9),
        degree=(1, 3),
        clustering=(None, 0.5),
        alignment_before=(-0.5, None),
        alignment_after=(0.5, None),
        zero_share=0.25,
        before=moments[0],
        after=moments[1],
        features=((2.0, None, 1.0, -0.5, 0.5, 0.1), (0.0, 0.2, 1.0, -0.5, 1.0, 0.2)),
        neighbourhood=None,
    )


def study(*runs: NodeRun, **changes: object) -> NodesStudy:
    values: dict[str, object] = {
        "graph": NodeGraph(
            name="toy",
            nodes=50,
            edges=60,
            features=5,
            classes=2,
            homophily=None,
            splits=3,
            notes=("as drawn",),
        ),
        "options": {"epochs": 4, "candidates": 2, "trial_epochs": 2, "width": 8, "gragr": {}},
        "methods": {
            "base": {"conflict": False, "smoothing": 0.5},
            "gragr": {"conflict": True, "smoothing": 0.5},
            "gragr++": {"conflict": True, "schedule": True, "smoothing": 0.5},
        },
        "cells": 4,
        "runs": runs,
    }
    return NodesStudy.model_validate(values | changes)
