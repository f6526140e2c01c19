"""The folder of a study: what lies where in it.

study.json                  the manifest
study.lock                  who is writing, while someone is
results.csv                 one row or more a finished cell
cells/<id>/cell.json        CellStamp: what the cell belongs to, and checksums once it has finished
cells/<id>/progress.json    CellProgress, rewritten while the cell runs
cells/<id>/trace/           the cell's trace, if it has one
cells/<id>/predictions.parquet  of a comparison: one row a validation or test molecule and task
cells/<id>/result.json      the cell's result, once it has finished (metrics.json in a comparison)
cells/<id>/failed.json      CellFailure, if it could not
set-aside/                  cells of this name that belong to another study, or were damaged
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gradprobe.errors import InputError
from gradprobe.records.record import Key

_NAME = re.compile(r"[\w+][\w.,+=@()-]*")


@dataclass(frozen=True)
class StudyFolder:
    """The paths of a study's folder."""

    path: Path

    @classmethod
    def at(cls, path: str | Path) -> Self:
        """The folder at `path`, whether or not a study is there."""
        return cls(Path(path))

    @property
    def manifest(self) -> Path:
        """study.json."""
        return self.path / "study.json"

    @property
    def lock(self) -> Path:
        """study.lock."""
        return self.path / "study.lock"

    @property
    def results(self) -> Path:
        """results.csv."""
        return self.path / "results.csv"

    @property
    def cells(self) -> Path:
        """The folder of all cells."""
        return self.path / "cells"

    def cell(self, key: Key) -> Path:
        """The folder of one cell.

        Raises:
            InputError: its name would lead out of the study's folder.
        """
        return self.cells / check_name(key.id)

    def trace(self, key: Key) -> Path:
        """The folder of a cell's trace."""
        return self.cell(key) / "trace"


def check_name(name: str) -> str:
    """A name that is safe to use for a folder, as it came.

    Raises:
        InputError: it is empty, starts with a dot, or holds a separator or any other character that
            leads elsewhere.

    >>> check_name("gcn-gragr++-seed0")
    'gcn-gragr++-seed0'
    """
    if not _NAME.fullmatch(name) or len(name) > 200:
        raise InputError(
            f"cells: expected names of letters, digits and any of . , + = @ ( ) - _, got {name[:200]!r}; "
            "this study was not written by gradprobe, or changed since"
        )
    return name


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path lies in a folder once links are followed.

    False where it cannot be told, as for links that lead to each other.
    """
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return False
