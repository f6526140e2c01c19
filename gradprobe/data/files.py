"""CSV and Parquet files to frames, whatever spreadsheets have done to them."""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path

import pandas as pd

from gradprobe.errors import InputError

# What absent, truncated, foreign and ragged files raise; pyarrow's errors are ValueErrors or OSErrors.
_UNREADABLE = (OSError, EOFError, ValueError, zlib.error, pd.errors.ParserWarning)


def read_frame(path: Path, *, text: str | tuple[str, ...]) -> pd.DataFrame:
    """The file's rows, numbered from 1, without blank ones; columns of `text` are not taken for numbers.

    A byte-order mark, blanks around column names and unnamed Parquet indices are dropped.

    Raises:
        InputError: the file is missing, of another format, or cannot be read.
    """
    if not path.is_file():
        raise InputError(f"path: expected a CSV or Parquet file, got {path}, which does not exist")
    read = _READERS[_ending(path)]
    try:
        frame = read(path, text)
    except UnicodeDecodeError as error:
        raise InputError(f"path: expected UTF-8, got {path} ({error.reason}); save it as UTF-8") from error
    except _UNREADABLE as error:
        complaint = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"path: expected a table that can be read, got {path} ({complaint})") from error
    frame.columns = pd.Index([str(column).strip() for column in frame.columns])
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return frame.dropna(how="all")


def stem_of(path: Path) -> str:
    """The file's name without the ending of its format.

    Raises:
        InputError: the file is of another format.

    >>> stem_of(Path("tables/caco2.csv.gz"))
    'caco2'
    """
    return path.name[: -len(_ending(path))]


def _ending(path: Path) -> str:
    for ending in _READERS:
        if path.name.lower().endswith(ending):
            return ending
    raise InputError(f"path: expected a name that ends in {', '.join(_READERS)}, got {path}; convert it")


def _read_csv(path: Path, text: str | tuple[str, ...]) -> pd.DataFrame:
    with warnings.catch_warnings():
        # Rows longer than the header would otherwise lose their ends with a mere warning.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            path,
            dtype=dict.fromkeys((text,) if isinstance(text, str) else text, str),
            encoding="utf-8-sig",
            index_col=False,
            low_memory=False,
        )


def _read_parquet(path: Path, _: str | tuple[str, ...]) -> pd.DataFrame:
    frame = pd.read_parquet(path)
    return frame if frame.index.name is None else frame.reset_index()


_READERS = {".csv": _read_csv, ".csv.gz": _read_csv, ".parquet": _read_parquet}
