"""CSV and Parquet files of graphs to frames, whatever spreadsheets have done to them."""

from __future__ import annotations

import io
import warnings
import zlib
from pathlib import Path
from typing import Any

import pandas as pd

from gradprobe.data.formats.columnar import read_parquet
from gradprobe.data.formats.compressed import read_bytes
from gradprobe.data.formats.encoding import decode
from gradprobe.errors import InputError, quoted

# What absent, truncated, foreign and ragged files raise; pyarrow's errors are ValueErrors or OSErrors.
# Before pandas 3 the default reader can be off in a number's last place; from 3 on it warns of this option.
_EXACT: dict[str, Any] = {"float_precision": "round_trip"} if int(pd.__version__.split(".")[0]) < 3 else {}
_UNREADABLE = (OSError, EOFError, ValueError, zlib.error, pd.errors.ParserWarning)
_ENDINGS = (".csv", ".csv.gz", ".parquet")


def read_frame(path: Path, *, text: tuple[str, ...]) -> pd.DataFrame:
    """The file's rows, numbered from 1, without blank ones; columns of `text` are not taken for numbers.

    A byte-order mark, blanks around column names and unnamed Parquet indices are dropped.

    Raises:
        InputError: the file is missing, of another format, too large, or cannot be read; two columns have
            one name.
    """
    if not path.is_file():
        raise InputError(f"path: expected a CSV or Parquet file, got {path}, which does not exist")
    name = path.name.lower()
    if not name.endswith(_ENDINGS):
        raise InputError(f"path: expected a name that ends in {', '.join(_ENDINGS)}, got {path}")
    try:
        frame = _parquet(path) if name.endswith(".parquet") else _csv(path, text)
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(f"path: expected UTF-8, got {path} ({error.reason}); save it as UTF-8") from error
    except _UNREADABLE as error:
        raise InputError(f"path: expected a table that can be read, got {path} ({quoted(error)})") from error
    names = [str(column).strip() for column in frame.columns]
    repeated = next((one for one in names if names.count(one) > 1), None)
    if repeated is not None:
        raise InputError(f"path: expected one column {repeated!r} in {path}, got several; rename them")
    frame.columns = pd.Index(names)
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return frame.dropna(how="all")


def _csv(path: Path, text: tuple[str, ...]) -> pd.DataFrame:
    content, _ = decode(read_bytes(path))
    with warnings.catch_warnings():
        # Rows longer than the header would otherwise lose their ends with a mere warning.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        frame: pd.DataFrame = pd.read_csv(
            io.StringIO(content),
            dtype=dict.fromkeys(text, str),
            index_col=False,
            low_memory=False,
            **_EXACT,
        )
        return frame


def _parquet(path: Path) -> pd.DataFrame:
    table = read_parquet(path, smiles=None)
    if len(set(table.names)) < len(table.names):
        raise InputError(f"path: expected distinct column names in {path}, got repeats; rename them")
    return pd.DataFrame(dict(zip(table.names, table.columns, strict=True)))
