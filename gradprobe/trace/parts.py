"""Records as Parquet parts: each part is written whole under another name, then renamed into place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gradprobe.errors import TraceError
from gradprobe.geometry import Gramian, Group
from gradprobe.trace.header import TraceHeader
from gradprobe.trace.records import Geometry, GramianRecord, QuantityRecord

_GRAMIANS = pa.schema(
    [
        ("step", pa.int64()),
        ("epoch", pa.int64()),
        ("split", pa.string()),
        ("engine", pa.string()),
        ("note", pa.string()),
        ("tasks", pa.list_(pa.string())),
        ("folds", pa.list_(pa.string())),
        ("rows", pa.list_(pa.int64())),
        ("losses", pa.list_(pa.float64())),
        ("values", pa.list_(pa.float64())),
    ]
)
_QUANTITIES = pa.schema(
    [
        ("step", pa.int64()),
        ("epoch", pa.int64()),
        ("split", pa.string()),
        ("name", pa.string()),
        ("layer", pa.string()),
        ("task", pa.string()),
        ("value", pa.float64()),
        ("reason", pa.string()),
    ]
)


def write_gramians(path: Path, records: Sequence[GramianRecord]) -> None:
    """Write one part of Gramian records."""
    rows = [
        {
            "step": record.step,
            "epoch": record.epoch,
            "split": record.split,
            "engine": record.engine,
            "note": record.note,
            "tasks": [group.task for group in record.gramian.groups],
            "folds": [group.fold for group in record.gramian.groups],
            "rows": list(record.gramian.rows),
            "losses": record.losses,
            "values": record.gramian.values.ravel(),
        }
        for record in records
    ]
    _write(path, pa.Table.from_pylist(rows, schema=_GRAMIANS))


def write_quantities(path: Path, records: Sequence[QuantityRecord]) -> None:
    """Write one part of quantity records."""
    _write(path, pa.Table.from_pylist([vars(record) for record in records], schema=_QUANTITIES))


def read_gramians(path: Path, header: TraceHeader, *, geometry: Geometry = "plain") -> list[GramianRecord]:
    """The Gramian records of one part, which all have one geometry.

    Raises:
        TraceError: the part is damaged or does not fit the header.
    """
    return [_gramian_record(row, header, path, geometry) for row in _read(path, _GRAMIANS)]


def read_quantities(path: Path) -> list[QuantityRecord]:
    """The quantity records of one part.

    Raises:
        TraceError: the part is damaged.
    """
    return [QuantityRecord(**row) for row in _read(path, _QUANTITIES)]


def _gramian_record(
    row: dict[str, Any], header: TraceHeader, path: Path, geometry: Geometry
) -> GramianRecord:
    groups = tuple(Group(task, fold) for task, fold in zip(row["tasks"], row["folds"], strict=True))
    shape = (len(header.layers), len(groups), len(groups))
    values = np.asarray(row["values"], dtype=np.float64)
    if values.size != np.prod(shape):
        raise TraceError(
            f"{path.name}: expected Gramians of shape {shape} as header.json says, got {values.size} "
            "numbers; header and parts come from different traces"
        )
    return GramianRecord(
        step=row["step"],
        epoch=row["epoch"],
        split=row["split"],
        engine=row["engine"],
        note=row["note"],
        geometry=geometry,
        losses=np.asarray(row["losses"], dtype=np.float64),
        gramian=Gramian(
            groups=groups,
            layers=header.layers,
            values=values.reshape(shape),
            rows=tuple(row["rows"]),
            parameters=header.parameters,
        ),
    )


def _write(path: Path, table: pa.Table) -> None:
    unfinished = path.with_suffix(".unfinished")
    pq.write_table(table, unfinished, compression="zstd", write_page_checksum=True)
    unfinished.replace(path)


def _read(path: Path, schema: pa.Schema) -> list[dict[str, Any]]:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as part:
            rows: list[dict[str, Any]] = part.read().select(schema.names).cast(schema).to_pylist()
    except (pa.ArrowException, OSError, KeyError) as error:
        raise TraceError(
            f"{path.name}: expected a finished Parquet part, got a damaged file ({error})"
        ) from error
    return rows
