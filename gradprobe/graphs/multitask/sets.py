"""Sets of small graphs with five binary tasks: the given label and four properties of the graph."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradprobe.data.task_labels import IntArray
from gradprobe.errors import InputError, missing_extra
from gradprobe.geometry import FloatArray
from gradprobe.graphs.multitask.properties import PROPERTIES

LABEL = "label"
TASKS = (LABEL, *PROPERTIES)
TUDATASETS = {"mutag": "MUTAG", "proteins": "PROTEINS"}


@dataclass(frozen=True, eq=False)
class GraphSet:
    """m graphs as PyG's `Data`; `values` [m, 5]: label and properties as in `TASKS`, NaN if none.

    A property becomes a task by a threshold, the median over the training graphs: see `targets`.
    """

    name: str
    graphs: Sequence[Any]
    values: FloatArray
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.graphs)

    @property
    def features(self) -> int:
        """The number of features of a node."""
        return int(self.graphs[0].x.shape[1])

    def targets(self, train: IntArray) -> FloatArray:
        """0 or 1 [m, 5], NaN where undefined: the label, and whether each property is above its median.

        The medians are those of the training graphs alone.
        """
        medians = np.nanmedian(self.values[train], axis=0)
        above = np.where(np.isnan(self.values), np.nan, self.values > medians)
        above[:, 0] = self.values[:, 0]
        return above

    def split(self, seed: int) -> tuple[IntArray, IntArray, IntArray]:
        """Train (60 %), validation and test (20 % each), drawn within each class of the label."""
        random = np.random.default_rng(seed)
        parts: list[list[IntArray]] = [[], [], []]
        for label in np.unique(self.values[:, 0]):
            rows = random.permutation(np.flatnonzero(self.values[:, 0] == label))
            cuts = [round(0.6 * len(rows)), round(0.8 * len(rows))]
            for part, chosen in zip(parts, np.split(rows, cuts), strict=True):
                part.append(chosen)
        train, validation, test = (np.sort(np.concatenate(part)) for part in parts)
        return train, validation, test


def load_graph_set(name: str, *, root: Path | None = None) -> GraphSet:
    """MUTAG or PROTEINS, through PyG's `TUDataset`; the first class is 0, the second 1.

    Args:
        name: `"mutag"` or `"proteins"`, in any case.
        root: the folder that holds, or gets, `TUDataset/<name>`; None: PyG's cache in the user's home.

    Raises:
        InputError: an unknown name.
        MissingExtraError: PyG is not installed.
    """
    key = name.strip().lower()
    if key not in TUDATASETS:
        raise InputError(f"name: expected one of {', '.join(TUDATASETS)}; got {name!r}")
    try:
        from torch_geometric.datasets import TUDataset
    except ImportError as error:
        raise missing_extra("torch_geometric", "molecules") from error

    folder = (root or Path.home() / ".cache" / "pyg") / "TUDataset"
    graphs = list(TUDataset(str(folder), TUDATASETS[key]))
    labels = np.array([int(graph.y) for graph in graphs], dtype=np.float64)
    return make_graph_set(TUDATASETS[key], graphs, labels)


def molecule_graph_set(name: str, smiles: Sequence[str], labels: npt.ArrayLike) -> GraphSet:
    """Molecules [m] with a label [m] of 0 or 1, as PyG's `from_smiles` reads them, atoms one-hot.

    Molecules without a bond are left out, and the notes say how many.

    Raises:
        InputError: a SMILES that cannot be read.
        MissingExtraError: PyG or RDKit is not installed.
    """
    try:
        from torch_geometric.utils import smiles as reading
    except ImportError as error:
        raise missing_extra("torch_geometric", "molecules") from error

    widths = [len(values) for values in reading.x_map.values()]
    graphs, kept = [], []
    for row, text in enumerate(smiles):
        graph = reading.from_smiles(text)
        if graph.x is None or graph.x.shape[0] == 0:
            raise InputError(f"smiles: expected molecules, got {text!r} in row {row}, which cannot be read")
        if graph.edge_index.shape[1]:
            graph.x = _one_hot(graph.x, widths)
            graphs.append(graph)
            kept.append(row)
    left_out = len(smiles) - len(kept)
    notes = (f"{left_out} molecules without a bond left out",) if left_out else ()
    return make_graph_set(name, graphs, np.asarray(labels, dtype=np.float64)[kept], notes=notes)


def make_graph_set(
    name: str, graphs: Sequence[Any], labels: FloatArray, *, notes: tuple[str, ...] = ()
) -> GraphSet:
    """A set of PyG graphs with both directions of every edge, and their labels [m] of 0 or 1.

    Raises:
        InputError: no graph, or labels that do not fit.
    """
    if not graphs or len(labels) != len(graphs) or not np.isin(labels, (0.0, 1.0)).all():
        raise InputError(
            f"labels: expected 0 or 1 for each of {len(graphs)} graphs (at least one), got {len(labels)}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        columns = [
            [measure(graph.edge_index.numpy(), int(graph.num_nodes)) for measure in PROPERTIES.values()]
            for graph in graphs
        ]
    return GraphSet(name, graphs, np.column_stack([labels, np.array(columns)]), notes)


def _one_hot(codes: Any, widths: Sequence[int]) -> Any:
    import torch
    from torch.nn.functional import one_hot

    columns = [one_hot(codes[:, place], width) for place, width in enumerate(widths)]
    return torch.cat(columns, dim=1).float()
