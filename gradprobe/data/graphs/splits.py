"""Labelled nodes to train, validation and test nodes, class by class."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradprobe.data.graphs.dataset import UNLABELLED, IntArray, NodeSplit
from gradprobe.errors import InputError


def random_splits(
    labels: IntArray, *, train: float = 0.48, validation: float = 0.32, count: int = 10, seed: int = 0
) -> tuple[NodeSplit, ...]:
    """Splits of the labelled nodes by shares of each class; the rest of a class is for testing.

    `labels` [n] hold -1 where a node has none. The default shares are those of Geom-GCN. Shares are
    rounded, and each class has at least one training node: a class of one node is trained on only.
    The first splits do not depend on how many are drawn.

    Raises:
        InputError: shares that leave nothing to test on, or too few labels for three parts.
    """
    if not (train > 0 and validation > 0 and train + validation < 1):
        raise InputError(
            f"train, validation: expected positive shares with a sum below 1, got {train} and {validation}"
        )
    return _draw(
        labels, lambda size: (max(1, round(train * size)), round(validation * size)), count=count, seed=seed
    )


def class_splits(
    labels: IntArray, *, train: int = 20, validation: int = 30, count: int = 10, seed: int = 0
) -> tuple[NodeSplit, ...]:
    """Splits with a fixed number of nodes of each class [n] to train and to validate on; the rest tests.

    The default numbers are those of Shchur et al. 2018 for graphs without a published split. A class
    with fewer nodes gives its training nodes first.

    Raises:
        InputError: numbers below 1, or too few labels for three parts.
    """
    if train < 1 or validation < 1:
        raise InputError(
            f"train, validation: expected at least one node of each class, got {train} and {validation}"
        )
    return _draw(labels, lambda _: (train, validation), count=count, seed=seed)


def _draw(
    labels: IntArray, sizes: Callable[[int], tuple[int, int]], *, count: int, seed: int
) -> tuple[NodeSplit, ...]:
    if count < 1:
        raise InputError(f"count: expected at least one split, got {count}")
    classes = [np.flatnonzero(labels == name) for name in np.unique(labels) if name != UNLABELLED]
    splits = []
    for place in range(count):
        generator = np.random.default_rng([seed, place])
        parts: tuple[list[IntArray], ...] = ([], [], [])
        for members in classes:
            train, validation = sizes(len(members))
            cut = np.split(generator.permutation(members), [train, train + validation])
            for part, chosen in zip(parts, cut, strict=True):
                part.append(chosen)
        splits.append(NodeSplit(*(_ascending(part) for part in parts)))
    if not all(len(part) for part in (splits[0].train, splits[0].validation, splits[0].test)):
        raise InputError(
            f"labels: expected enough labelled nodes for three parts, got {sum(map(len, classes))} in "
            f"{len(classes)} classes, which leaves one empty; label more nodes or take smaller parts"
        )
    return tuple(splits)


def _ascending(parts: list[IntArray]) -> IntArray:
    return np.sort(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.int64)
