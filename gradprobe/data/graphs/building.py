"""Untidy arrays to a graph: a note names each repair; what cannot be repaired is refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gradprobe.data.graphs.dataset import UNLABELLED, IntArray, NodeDataset, NodeSplit
from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray


def build_node_dataset(
    name: str,
    *,
    features: npt.ArrayLike,
    edge_index: npt.ArrayLike,
    labels: npt.ArrayLike,
    splits: Sequence[NodeSplit],
    notes: Sequence[str] = (),
) -> NodeDataset:
    """A graph from features [n, d], directed pairs [2, E] and labels [n], -1 where a node has none.

    Self-loops are left out, repeated edges merged and edges given in one direction made both; each is
    said in the notes, and so are isolated and unlabelled nodes.

    Raises:
        InputError: features that are no finite matrix, pairs that name no node, no edge, no label, or a
            split with an empty part, a node in two parts, or a node that has no label.
    """
    matrix = _features(features)
    tidy, mended = tidy_edges(edge_index, nodes=len(matrix))
    classes = _labels(labels, nodes=len(matrix))
    if not splits:
        raise InputError("splits: expected at least one, got none; draw some with random_splits")
    for place, split in enumerate(splits):
        _check_split(place, split, classes)
    isolated = len(matrix) - len(np.unique(tidy))
    unlabelled = int(np.sum(classes == UNLABELLED))
    return NodeDataset(
        name=name,
        features=matrix,
        edge_index=tidy,
        labels=classes,
        classes=int(classes.max()) + 1,
        splits=tuple(splits),
        notes=(*notes, *mended, *_counted(isolated, "has no edge"), *_counted(unlabelled, "has no label")),
    )


def tidy_edges(edge_index: npt.ArrayLike, *, nodes: int) -> tuple[IntArray, tuple[str, ...]]:
    """Directed pairs [2, E] in both directions, sorted, single, without self-loops; notes of what changed.

    Raises:
        InputError: not pairs of whole numbers from 0 to `nodes` - 1, or no pair of two different nodes.
    """
    pairs = np.asarray(edge_index)
    if pairs.ndim != 2 or len(pairs) != 2 or (pairs.size and not np.issubdtype(pairs.dtype, np.integer)):
        raise InputError(
            f"edge_index: expected pairs of whole numbers [2, E], got shape {pairs.shape} of {pairs.dtype}; "
            "transpose an edge list [E, 2]"
        )
    pairs = pairs.astype(np.int64)
    outside = np.flatnonzero(((pairs < 0) | (pairs >= nodes)).any(axis=0))
    if outside.size:
        raise InputError(
            f"edge_index: expected nodes from 0 to {nodes - 1}, got the pair "
            f"{tuple(pairs[:, outside[0]].tolist())} in column {outside[0]}; name existing nodes"
        )
    apart = pairs[:, pairs[0] != pairs[1]]
    if not apart.size:
        raise InputError(
            "edge_index: expected at least one edge between two different nodes, got none; a graph method "
            "needs neighbours"
        )
    directed = np.unique(apart[0] * nodes + apart[1])
    both = np.union1d(directed, (directed % nodes) * nodes + directed // nodes)
    loops, repeated = pairs.shape[1] - apart.shape[1], apart.shape[1] - len(directed)
    notes = (
        *([f"{_number(loops, 'self-loop')} left out"] if loops else []),
        *([f"{_number(repeated, 'repeated pair')} merged"] if repeated else []),
        *_made_both(len(both) - len(directed)),
    )
    return np.stack([both // nodes, both % nodes]), notes


def _features(features: npt.ArrayLike) -> FloatArray:
    matrix = np.asarray(features, dtype=np.float64)
    if matrix.ndim != 2 or not matrix.size:
        raise InputError(
            f"features: expected a matrix [nodes, features] with entries, got shape {matrix.shape}; "
            "without features pass an identity matrix"
        )
    broken = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if broken.size:
        raise InputError(
            f"features: expected finite numbers, got NaN or infinity at node {broken[0]} "
            f"({len(broken)} of {len(matrix)} nodes); fill them in or leave those nodes out"
        )
    return matrix


def _labels(labels: npt.ArrayLike, *, nodes: int) -> IntArray:
    array = np.asarray(labels)
    if array.shape != (nodes,) or not np.issubdtype(array.dtype, np.integer):
        raise InputError(
            f"labels: expected a whole number for each of {nodes} nodes, got shape {array.shape} of "
            f"{array.dtype}; number the classes from 0 and put -1 where there is none"
        )
    if array.min() < UNLABELLED:
        raise InputError(f"labels: expected classes from 0, or -1 for none; got {array.min()}")
    if array.max() == UNLABELLED:
        raise InputError("labels: expected at least one labelled node, got -1 for all")
    return array.astype(np.int64)


def _check_split(place: int, split: NodeSplit, labels: IntArray) -> None:
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    for part, ids in parts.items():
        if not len(ids):
            raise InputError(
                f"splits[{place}]: expected {part} nodes, got none; name some, or use random_splits"
            )
        if ids.min() < 0 or ids.max() >= len(labels):
            raise InputError(
                f"splits[{place}]: expected {part} nodes from 0 to {len(labels) - 1}, got "
                f"{ids[(ids < 0) | (ids >= len(labels))][0]}"
            )
        bare = ids[labels[ids] == UNLABELLED]
        if bare.size:
            raise InputError(
                f"splits[{place}]: expected labelled {part} nodes, got node {bare[0]} without a label"
            )
    names, counts = np.unique(np.concatenate(list(parts.values())), return_counts=True)
    if counts.max() > 1:
        raise InputError(
            f"splits[{place}]: expected every node once, got node {names[counts > 1][0]} twice; "
            "a node in two parts leaks its label"
        )


def _made_both(count: int) -> tuple[str, ...]:
    return (f"{_number(count, 'edge')} given in one direction made both",) if count else ()


def _counted(count: int, what: str) -> tuple[str, ...]:
    plural = what.replace("has", "have", 1)
    return (f"{_number(count, 'node')} {what if count == 1 else plural}",) if count else ()


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
