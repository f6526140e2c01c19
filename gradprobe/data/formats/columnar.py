"""Parquet and Feather files, whatever wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gradprobe.data.formats.raw import Progress, RawTable, check_size, objects


def read_parquet(path: Path, *, smiles: str | None, progress: Progress | None = None) -> RawTable:
    """The columns of a Parquet file; what pandas noted of its index is not used.

    Raises:
        InputError: too many cells.
        ValueError, OSError: no Parquet, or text in it that is not UTF-8 (pyarrow's errors).
    """
    del smiles, progress
    from pyarrow import parquet

    # Not a data set: a folder, or a schema that names columns twice, must not be interpreted.
    with path.open("rb") as file:
        source = parquet.ParquetFile(file)
        check_size(source.metadata.num_rows, source.metadata.num_columns)
        return _table(source.read(use_pandas_metadata=False))


def read_feather(path: Path, *, smiles: str | None, progress: Progress | None = None) -> RawTable:
    """The columns of a Feather (Arrow IPC) file.

    Raises:
        InputError, ValueError, OSError: as `read_parquet`.
    """
    del smiles, progress
    from pyarrow import feather

    table = feather.read_table(str(path), memory_map=False)
    check_size(table.num_rows, table.num_columns)
    return _table(table)


def _table(table: Any) -> RawTable:
    kept = [
        place
        for place, name in enumerate(table.column_names)
        # The unnamed index of a data frame.
        if not name.startswith("__index_level_")
    ]
    return RawTable(
        tuple(table.column_names[place].strip() for place in kept),
        tuple(_column(table.column(place)) for place in kept),
        np.arange(1, table.num_rows + 1),
    )


def _column(cells: Any) -> np.ndarray[Any, Any]:
    from pyarrow import types

    kind = cells.type
    if types.is_integer(kind) or types.is_floating(kind):
        return np.asarray(cells.cast("float64", safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
    return objects(cells.to_pylist())
