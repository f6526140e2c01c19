"""Two tables, of edges and of nodes, to a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gradprobe.data.files import read_frame
from gradprobe.data.graphs.building import build_node_dataset
from gradprobe.data.graphs.dataset import UNLABELLED, IntArray, NodeDataset, NodeSplit
from gradprobe.data.graphs.splits import random_splits
from gradprobe.data.suggest import did_you_mean, listed
from gradprobe.errors import InputError
from gradprobe.geometry.gramian import FloatArray

# What a cell can hold that is neither text nor a number.
_NEITHER = (bytes, bytearray, list, tuple, dict, set, np.ndarray)
_PARTS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}


def read_graph(
    edges: str | Path, features: str | Path, *, name: str | None = None, seed: int = 0
) -> NodeDataset:
    """A graph from two CSV (.csv, .csv.gz) or Parquet files.

    Args:
        edges: columns `source` and `target`, names of nodes, one row an edge in either or both
            directions. A column `weight` is left out, which the notes say: edges count alike.
        features: columns `node` (distinct names), `label` (a class as text or number, empty where there is
            none), optionally `split` (`train`, `validation` or `val`, `test`, or empty), and numbers in all
            others, the features. Nodes are numbered in the order of their rows, classes in that of
            their sorted names (by value, where all are numbers).
        name: what to call the graph; None: the name of the edges' file.
        seed: of the ten splits (48/32/20 % of each class) drawn where there is no column `split`.

    Raises:
        InputError: a file or column is missing or cannot be read, a name is empty, repeated or unknown, a
            feature is no finite number, or what `build_node_dataset` refuses.
    """
    edges, features = Path(edges), Path(features)
    frame = _columns(features, "features", text=("node",), others=("label",))
    names = pd.Index(_texts(frame, "node", features))
    if names.has_duplicates:
        raise InputError(
            f"features: expected every node once in {features}, got {names[names.duplicated()][0]!r} twice"
        )
    pairs = _columns(edges, "edges", text=("source", "target"))
    labels, classes = _labels(frame["label"])
    splits, drawn = _splits(frame, labels, seed)
    weighted = ("the column 'weight' is left out: edges count alike",) if "weight" in pairs else ()
    return build_node_dataset(
        edges.name.split(".")[0] if name is None else name,
        features=_features(frame, names, features),
        edge_index=np.stack([_ids(pairs, end, names, edges) for end in ("source", "target")]),
        labels=labels,
        splits=splits,
        notes=(f"classes in order: {', '.join(classes)}", *drawn, *weighted),
    )


def _columns(
    path: Path, argument: str, *, text: tuple[str, ...], others: tuple[str, ...] = ()
) -> pd.DataFrame:
    try:
        frame = read_frame(path, text=text)
    except InputError as error:
        raise InputError(str(error).replace("path:", f"{argument}:", 1)) from error
    for column in (*text, *others):
        if column not in frame:
            known = list(frame.columns)
            raise InputError(
                f"{argument}: expected a column {column!r} in {path}, got {listed(known)}"
                f"{did_you_mean(column, known)}"
            )
    for column in map(str, frame.columns):
        _check_cells(frame[column], argument, path)
    return frame


def _check_cells(cells: pd.Series[Any], argument: str, path: Path) -> None:
    """Refuse bytes, lists and the like, which Parquet can hold: as text they would be names of nothing."""
    if cells.dtype.kind not in "OV" and not isinstance(cells.dtype, pd.CategoricalDtype):
        return
    for row, cell in zip(cells.index, cells.astype(object), strict=True):
        if isinstance(cell, _NEITHER):
            raise InputError(
                f"{argument}: expected text or numbers in column {str(cells.name)!r} of {path}, got "
                f"{type(cell).__name__} in row {row}; write it as text"
            )


def _texts(frame: pd.DataFrame, column: str, path: Path) -> list[str]:
    """Names as text; a whole number is written as one, 3 and not 3.0."""
    cells = frame[column]
    if cells.isna().any():
        row = int(cells.index[cells.isna()][0])
        raise InputError(f"{path.name}: expected a name in column {column!r} of row {row}, got an empty cell")
    return [_text(cell) for cell in cells]


def _text(cell: object) -> str:
    return f"{cell:.0f}" if isinstance(cell, float) and cell.is_integer() else str(cell).strip()


def _ids(pairs: pd.DataFrame, column: str, names: pd.Index[str], path: Path) -> IntArray:
    texts = _texts(pairs, column, path)
    ids = names.get_indexer(pd.Index(texts, dtype=names.dtype))
    unknown = np.flatnonzero(ids < 0)
    if unknown.size:
        row = int(pairs.index[unknown[0]])
        raise InputError(
            f"edges: expected nodes of the table of features, got {texts[unknown[0]]!r} in row {row} of "
            f"{path}; add its row of features or leave the edge out"
        )
    return np.asarray(ids, dtype=np.int64)


def _labels(cells: pd.Series[Any]) -> tuple[IntArray, list[str]]:
    """The class [n] of each node and the names of the classes."""
    known = cells.dropna()
    numeric = pd.api.types.is_numeric_dtype(known)
    values, codes = np.unique(known.to_numpy(dtype=np.float64 if numeric else str), return_inverse=True)
    labels = np.full(len(cells), UNLABELLED, dtype=np.int64)
    labels[cells.notna().to_numpy()] = codes
    return labels, [_text(value) for value in values.tolist()]


def _splits(
    frame: pd.DataFrame, labels: IntArray, seed: int
) -> tuple[tuple[NodeSplit, ...], tuple[str, ...]]:
    if "split" not in frame:
        note = f"splits drawn: ten of 48/32/20 % of each class, seed {seed}"
        return random_splits(labels, seed=seed), (note,)
    cells = (
        frame["split"].astype(object).where(frame["split"].notna(), "").astype(str).str.strip().str.lower()
    )
    unknown = sorted(set(cells) - set(_PARTS) - {""})
    if unknown:
        raise InputError(f"split: expected train, validation, test or nothing, got {listed(unknown)}")
    parts = cells.map(_PARTS)
    train, validation, test = (
        np.flatnonzero(parts == part).astype(np.int64) for part in ("train", "validation", "test")
    )
    return (NodeSplit(train, validation, test),), ()


def _features(frame: pd.DataFrame, names: pd.Index[str], path: Path) -> FloatArray:
    columns = [column for column in frame if column not in ("node", "label", "split")]
    if not columns:
        raise InputError(
            f"features: expected columns of numbers beside node, label and split in {path}, got none"
        )
    for column in columns:
        if frame[column].dtype.kind in "mM":
            raise InputError(f"features: expected numbers in column {column!r} of {path}, got dates or times")
        numbers = pd.to_numeric(frame[column], errors="coerce")
        broken = ~np.isfinite(numbers.to_numpy(dtype=np.float64))
        if broken.any():
            first = int(np.flatnonzero(broken)[0])
            raise InputError(
                f"features: expected finite numbers, got '{frame[column].iloc[first]}' in column "
                f"{column!r} of node {names[first]!r}; fill it in or leave that node out"
            )
    return frame[columns].to_numpy(dtype=np.float64)
