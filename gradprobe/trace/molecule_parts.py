"""Sums of molecules' effects to the columns of a part, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gradprobe.trace.records import JUDGES, MoleculeRecord

SCHEMA = pa.schema(
    [
        ("step", pa.int64()),
        ("epoch", pa.int64()),
        ("split", pa.string()),
        ("geometry", pa.string()),
        ("probability", pa.float64()),
        ("turns", pa.float64()),
        ("tasks", pa.list_(pa.string())),
        ("molecules", pa.list_(pa.string())),
        ("values", pa.list_(pa.float64())),
    ]
)
_GEOMETRIES = ("plain", "preconditioned")


def molecule_columns(records: Sequence[Any]) -> pa.Table:
    """The table of some records."""
    columns = {
        "step": [record.step for record in records],
        "epoch": [record.epoch for record in records],
        "split": [record.split for record in records],
        "geometry": [record.geometry for record in records],
        "probability": [record.probability for record in records],
        "turns": [record.turns for record in records],
        "tasks": [list(record.tasks) for record in records],
        "molecules": [list(record.molecules) for record in records],
        "values": [record.values.ravel().tolist() for record in records],
    }
    return pa.table(columns, schema=SCHEMA)


def molecule_records(table: pa.Table) -> list[MoleculeRecord]:
    """The records in a checked table.

    Raises:
        ValueError: sums that cannot be, or not as many as tasks and molecules.
    """
    found = []
    for row in table.to_pylist():
        count = len(row["tasks"])
        values = np.array(row["values"], dtype=np.float64)
        if len(row["molecules"]) != count or values.size != count * len(JUDGES) * 3:
            raise ValueError("sums that do not fit the molecules")
        values = values.reshape(count, len(JUDGES), 3)
        visits, squares = values[..., 0], values[..., 2]
        if not np.isfinite(values).all() or (visits < 0).any() or (squares < 0).any():
            raise ValueError("sums of effects that cannot be")
        shares = (row["probability"], row["turns"])
        if row["geometry"] not in _GEOMETRIES or not all(0 < share <= 1 for share in shares):
            raise ValueError("a geometry, a probability or a share that is none")
        names = ("step", "epoch", "split", "geometry", "probability", "turns")
        fields = {name: row[name] for name in names}
        found.append(
            MoleculeRecord(
                tasks=tuple(row["tasks"]), molecules=tuple(row["molecules"]), values=values, **fields
            )
        )
    return found


def molecule_bytes(record: MoleculeRecord) -> int:
    """About how many bytes a record takes in memory beyond its fields."""
    return record.values.nbytes + 80 * len(record.molecules)
