"""The predictions of a cell, molecule by molecule, as a Parquet file beside its result."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pandas as pd

from gradprobe.records.writing import write_atomically
from gradprobe.training import Predicted

PREDICTIONS = "predictions.parquet"
# These repeat from row to row: stored once, and as categories in pandas.
_REPEATED = ("cell", "molecule", "task", "split")
Split = TypeVar("Split", bound=str)


def write_predictions(
    folder: Path,
    cell: str,
    smiles: Sequence[str],
    predicted: Mapping[Split, Mapping[str, Predicted]],
) -> Path:
    """Write one row a molecule, task and split into a cell's folder; returns the file.

    Args:
        folder: the cell's folder; whatever lies there when the cell ends gets its checksum.
        cell: the name of the cell.
        smiles: the SMILES [n] of the table.
        predicted: predictions by split and task. Labels are in the task's unit, or 0 and 1; predictions in
            the same unit, or probabilities.
    """
    parts = list(_parts(cell, smiles, predicted))
    columns = ["cell", "molecule", "task", "split", "label", "prediction"]
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    for name in _REPEATED:
        frame[name] = frame[name].astype("category")
    content = io.BytesIO()
    frame[columns].to_parquet(content, index=False, compression="zstd")
    path = folder / PREDICTIONS
    write_atomically(path, content.getvalue())
    return path


def _parts(
    cell: str, smiles: Sequence[str], predicted: Mapping[Split, Mapping[str, Predicted]]
) -> Iterator[pd.DataFrame]:
    for split, tasks in predicted.items():
        for task, own in tasks.items():
            yield pd.DataFrame(
                {
                    "cell": cell,
                    "molecule": [smiles[row] for row in own.rows],
                    "task": task,
                    "split": split,
                    "label": own.labels,
                    "prediction": own.predictions,
                }
            )
