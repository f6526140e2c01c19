"""Records to the bytes of a Parquet part, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from gradprobe.errors import TraceError
from gradprobe.geometry import Gramian, Group
from gradprobe.trace.footer import column_sizes
from gradprobe.trace.header import TraceHeader
from gradprobe.trace.manifest import Kind, kind_of
from gradprobe.trace.molecule_parts import SCHEMA as _MOLECULES
from gradprobe.trace.molecule_parts import molecule_bytes, molecule_columns, molecule_records
from gradprobe.trace.records import Geometry, GramianRecord, MoleculeRecord, QuantityRecord, SplitName

# No part that was written comes near it, unless one record does; a file of a few kilobytes may.
MOST_BYTES = 1_000_000_000
_TOO_LARGE = f"more than {MOST_BYTES:,} bytes of records"
_RUN, _NAME, _FIRST = b"gradprobe.run", b"gradprobe.name", b"gradprobe.first"
_WORTH_THREADS = 1_000_000
_SPLITS = frozenset(get_args(SplitName))
_FOLDS = frozenset(("", "A", "B", "H"))
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


@dataclass(frozen=True)
class Identity:
    """A part's own label: the run that wrote it, its name, and the number of records before it."""

    run: str
    name: str
    first: int


def encode(
    records: Sequence[GramianRecord] | Sequence[QuantityRecord] | Sequence[MoleculeRecord],
    identity: Identity,
) -> bytes:
    """The bytes of one part of records of one kind."""
    return _to_bytes(_COLUMNS[kind_of(identity.name)](records), identity)


def merge(contents: Sequence[bytes], identity: Identity) -> bytes:
    """The bytes of one part with the records of several, in that order.

    Raises:
        TraceError: one is damaged.
    """
    return _to_bytes(pa.concat_tables([_table(content, identity.name) for content in contents]), identity)


def decode(
    content: bytes, name: str, header: TraceHeader
) -> list[GramianRecord] | list[QuantityRecord] | list[MoleculeRecord]:
    """The records of a part, whose name says their kind.

    Raises:
        TraceError: the part is damaged, too large to be one, or does not fit the header.
    """
    table = _table(content, name)
    try:
        if kind_of(name) == "quantities":
            return _quantity_records(table)
        if kind_of(name) == "molecules":
            return molecule_records(table)
        return _gramian_records(table, header, name)
    except TraceError:
        raise
    except Exception as error:
        raise _damaged(name, error) from error


def identity_of(content: bytes, name: str) -> Identity:
    """A part's own label; empty where it was written before parts had one.

    Raises:
        TraceError: it is damaged.
    """
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            said = file.metadata.metadata or {}
        texts = [said.get(key, b"").decode() for key in (_RUN, _NAME, _FIRST)]
        return Identity(texts[0], texts[1], int(texts[2] or 0))
    except Exception as error:
        raise _damaged(name, error) from error


def size_of(record: GramianRecord | QuantityRecord | MoleculeRecord) -> int:
    """About how many bytes a record takes in memory."""
    if isinstance(record, MoleculeRecord):
        return 500 + molecule_bytes(record)
    return 500 + (record.gramian.values.nbytes if isinstance(record, GramianRecord) else 0)


def _gramian_columns(records: Sequence[Any]) -> pa.Table:
    groups = [record.gramian.groups for record in records]
    columns = {
        "step": [record.step for record in records],
        "epoch": [record.epoch for record in records],
        "split": [record.split for record in records],
        "engine": [record.engine for record in records],
        "note": [record.note for record in records],
        "tasks": [[group.task for group in own] for own in groups],
        "folds": [[group.fold for group in own] for own in groups],
        "rows": [list(record.gramian.rows) for record in records],
        "losses": _lists([record.losses for record in records]),
        "values": _lists([record.gramian.values.ravel() for record in records]),
    }
    return pa.table(columns, schema=_GRAMIANS)


def _quantity_columns(records: Sequence[Any]) -> pa.Table:
    return pa.Table.from_pylist([vars(record) for record in records], schema=_QUANTITIES)


_COLUMNS: Mapping[Kind, Callable[[Sequence[Any]], pa.Table]] = {
    "gramians": _gramian_columns,
    "preconditioned": _gramian_columns,
    "quantities": _quantity_columns,
    "molecules": molecule_columns,
}
_SCHEMAS: Mapping[Kind, pa.Schema] = {
    "gramians": _GRAMIANS,
    "preconditioned": _GRAMIANS,
    "quantities": _QUANTITIES,
    "molecules": _MOLECULES,
}


def _lists(arrays: Sequence[npt.NDArray[np.float64]]) -> pa.ListArray:
    offsets = np.cumsum([0, *(array.size for array in arrays)]).astype(np.int32)
    flat = np.concatenate([*arrays, np.zeros(0)]).astype(np.float64, copy=False)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat))


def _to_bytes(table: pa.Table, identity: Identity) -> bytes:
    said = {_RUN: identity.run, _NAME: identity.name, _FIRST: str(identity.first)}
    buffer = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(said), buffer, compression="zstd", write_page_checksum=True)
    return bytes(buffer.getvalue())


def _table(content: bytes, name: str) -> pa.Table:
    """The checked table of a part, in the schema of its kind."""
    schema = _SCHEMAS[kind_of(name)]
    try:
        # A page may repeat one value for ever: refuse before memory fills.
        largest = max(column_sizes(content), default=0)
        if largest > MOST_BYTES:
            raise ValueError(_TOO_LARGE)
        rows_at_once = min(max(MOST_BYTES // (4 * max(largest, 1)), 1), 4096)
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
            _check_types(file.schema_arrow, schema)
            batches, size = [], 0
            threads = len(content) > _WORTH_THREADS
            for batch in file.iter_batches(rows_at_once, columns=schema.names, use_threads=threads):
                size += batch.nbytes
                if size > MOST_BYTES:
                    raise ValueError(_TOO_LARGE)
                batches.append(batch)
            table = pa.Table.from_batches(batches, None if batches else file.schema_arrow)
        table = table.select(schema.names).cast(schema.with_metadata(None))
        table.validate(full=True)
        _check_gaps(table)
    except Exception as error:  # pyarrow raises all kinds of errors on foreign bytes
        raise _damaged(name, error) from error
    return table


def _check_types(own: pa.Schema, expected: pa.Schema) -> None:
    """Refuse other types, which a conversion might blow up: a dictionary may repeat one text for ever."""
    for field in expected:
        if own.field(field.name).type != field.type:
            raise ValueError(f"a column {field.name!r} of another type")


def _check_gaps(table: pa.Table) -> None:
    for name in table.column_names:
        column = table.column(name)
        inner = column.combine_chunks().flatten().null_count if pa.types.is_list(column.type) else 0
        if inner or (column.null_count and name != "epoch"):
            raise ValueError(f"empty cells in the column {name!r}")
    unknown = set(table.column("split").unique().to_pylist()) - _SPLITS
    if unknown:
        raise ValueError(f"splits that are none, such as {sorted(unknown)[0][:40]!r}")


def _quantity_records(table: pa.Table) -> list[QuantityRecord]:
    return [QuantityRecord(**row) for row in table.to_pylist()]


def _gramian_records(table: pa.Table, header: TraceHeader, name: str) -> list[GramianRecord]:
    rest = table.drop_columns(["values", "losses"]).to_pylist()
    values, losses = _split(table.column("values")), _split(table.column("losses"))
    geometry: Geometry = "preconditioned" if kind_of(name) == "preconditioned" else "plain"
    records = []
    for row, own, means in zip(rest, values, losses, strict=True):
        groups = tuple(Group(task, fold) for task, fold in zip(row["tasks"], row["folds"], strict=True))
        shape = (len(header.layers), len(groups), len(groups))
        if own.size != np.prod(shape):
            raise TraceError(
                f"{name}: expected Gramians of shape {shape} as header.json says, got {own.size} "
                "numbers; header and parts come from different traces"
            )
        if (
            len(means) != len(groups)
            or not _FOLDS.issuperset(row["folds"])
            or min(row["rows"], default=0) < 0
        ):
            raise ValueError("losses, folds or counts of rows that do not fit the groups")
        gramian = Gramian(
            groups=groups,
            layers=header.layers,
            values=own.reshape(shape),
            rows=tuple(row["rows"]),
            parameters=header.parameters,
        )
        records.append(
            GramianRecord(
                step=row["step"],
                split=row["split"],
                engine=row["engine"],
                gramian=gramian,
                losses=means,
                epoch=row["epoch"],
                note=row["note"],
                geometry=geometry,
            )
        )
    return records


def _split(column: pa.ChunkedArray) -> list[npt.NDArray[np.float64]]:
    """The array in each cell of a column of lists; each is a copy, so that none keeps the whole part."""
    whole = column.combine_chunks()
    flat = whole.flatten().to_numpy(zero_copy_only=False)
    ends = np.cumsum(whole.value_lengths().to_numpy(zero_copy_only=False))
    return [own.copy() for own in np.split(flat, ends[:-1])] if len(ends) else []


def _damaged(name: str, error: Exception) -> TraceError:
    words = " ".join(str(error).split())[:200] or type(error).__name__
    printable = "".join(sign if sign.isprintable() else "?" for sign in words)
    return TraceError(f"{name}: expected a finished Parquet part, got a damaged file ({printable})")
