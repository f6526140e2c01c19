"""Any table file to its cells, by the ending of its name."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from gradprobe.data.formats.columnar import read_feather, read_parquet
from gradprobe.data.formats.delimited import read_delimited
from gradprobe.data.formats.excel import read_excel
from gradprobe.data.formats.jsonlines import read_json_lines
from gradprobe.data.formats.raw import Progress, RawTable, without_blank_rows
from gradprobe.data.formats.sdf import read_sdf
from gradprobe.errors import InputError, quoted


class _Reader(Protocol):
    def __call__(self, path: Path, *, smiles: str | None, progress: Progress | None = None) -> RawTable: ...


_TEXT = {"csv": read_delimited, "tsv": read_delimited, "txt": read_delimited}
_JSON = {"jsonl": read_json_lines, "ndjson": read_json_lines}
_PACKABLE: Mapping[str, _Reader] = {**_TEXT, **_JSON, "sdf": read_sdf}
_READERS: Mapping[str, _Reader] = {
    **{f".{name}{packing}": read for packing in ("", ".gz", ".zip") for name, read in _PACKABLE.items()},
    ".xlsx": read_excel,
    ".parquet": read_parquet,
    ".feather": read_feather,
}
ENDINGS = tuple(_READERS)
# What absent, truncated and foreign files raise; pyarrow's errors are ValueErrors or OSErrors.
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RecursionError,
    zlib.error,
    zipfile.BadZipFile,
)


def read_cells(path: Path, *, smiles: str | None = None, progress: Progress | None = None) -> RawTable:
    """The columns of a table file, less blank rows.

    `smiles` names the column that an SDF file's structures become. `progress` is called now and then with
    the rows read so far and, where it is known, the number of rows.

    Raises:
        InputError: the file is missing, of another format, or cannot be read.
        MissingExtraError: the format needs a package that is not installed.
    """
    if not path.is_file():
        raise InputError(f"path: expected a table file, got {path}, which does not exist")
    read = _READERS[_ending(path)]
    try:
        return without_blank_rows(read(path, smiles=smiles, progress=progress))
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(f"path: expected UTF-8, got {path} in another encoding; save it as UTF-8") from error
    except _UNREADABLE as error:
        raise InputError(
            f"path: expected a table that can be read, got {path} ({quoted(error)[:300]})"
        ) from error


def stem_of(path: Path) -> str:
    """The file's name without the ending of its format.

    Raises:
        InputError: the file is of another format.

    >>> stem_of(Path("tables/caco2.csv.gz"))
    'caco2'
    """
    return path.name[: -len(_ending(path))]


def _ending(path: Path) -> str:
    for ending in sorted(_READERS, key=len, reverse=True):
        if path.name.lower().endswith(ending):
            return ending
    shown = ", ".join(ending for ending in _READERS if not ending.endswith((".gz", ".zip")))
    raise InputError(
        f"path: expected a name that ends in {shown} (text and SDF also with .gz or .zip), got {path}"
    )
