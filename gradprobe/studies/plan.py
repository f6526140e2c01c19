"""A study ready to run: its folder, its cells, and the work that each of them is."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar
from uuid import uuid4

from gradprobe.errors import InputError
from gradprobe.records.folder import StudyFolder
from gradprobe.records.kinds import Kind
from gradprobe.records.lock import locked
from gradprobe.records.manifest import Invocation, Manifest, identify
from gradprobe.records.record import Key, Result
from gradprobe.studies.desk import Desk
from gradprobe.studies.opening import Compatible, open_folder
from gradprobe.studies.versions import versions

K_contra = TypeVar("K_contra", bound=Key, contravariant=True)
R_co = TypeVar("R_co", bound=Result, covariant=True)
M = TypeVar("M", bound=Manifest)
K = TypeVar("K", bound=Key)
R = TypeVar("R", bound=Result)


class Work(Protocol[K_contra, R_co]):
    """Runs the cells of a study, one a call, in one thread, anywhere: picklable."""

    def prepare(self, cache: Path) -> None:
        """Make ready what all cells need, in a folder that they may read; called once before they run."""

    def __call__(self, key: K_contra, desk: Desk) -> R_co:
        """The result of one cell; what it raises is recorded, and the other cells run all the same."""


@dataclass(frozen=True, eq=False)
class Plan(Generic[M, K, R]):
    """A study ready to run. `cells` are those asked for, in the order in which they start.

    `manifest` is what the folder holds, with all cells that were ever asked for there. `notes` are sentences
    about what was met in the folder.
    """

    folder: StudyFolder
    kind: Kind[M, R]
    manifest: M
    cells: tuple[K, ...]
    work: Work[K, R]
    notes: tuple[str, ...] = ()

    @property
    def run(self) -> str:
        """What the call that runs this plan is named in everything that it writes."""
        return self.manifest.calls[-1].run


def plan_cells(
    kind: Kind[M, R],
    out: str | Path,
    *,
    identity: Mapping[str, Any],
    options: Mapping[str, Any],
    cells: Sequence[K],
    work: Work[K, R],
    packages: Sequence[str],
    command: Sequence[str] | None = None,
    compatible: Compatible | None = None,
    **facts: Any,
) -> Plan[M, K, R]:
    """Open a study's folder, new or holding the same study, and plan its cells.

    Args:
        kind: the kind of study, see `records.kinds`.
        out: the folder.
        identity: everything besides its key that a cell's result depends on, such as the data and the
            options; values that JSON can hold.
        options: what was asked for, as the report shows it.
        cells: those asked for, in the order in which they start. Cells that were asked for earlier stay in
            the study.
        work: what runs a cell.
        packages: those whose versions are recorded.
        command: what was called, for the manifest; by default this process's arguments.
        compatible: what makes an identity that an older version wrote the same as this one.
        facts: the other fields of the kind's manifest.

    Raises:
        InputError: the folder holds another study, is being written by another process, or cannot be
            written.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    call = Invocation(
        run=uuid4().hex,
        command=" ".join(sys.argv if command is None else command),
        versions=versions(packages),
        started=now,
    )
    manifest = kind.manifest(
        kind=kind.name,
        digest=identify(kind.name, identity),
        identity=dict(identity),
        options=dict(options),
        command=call.command,
        versions=call.versions,
        created=now,
        calls=(call,),
        cells=tuple(cells),
        **facts,
    )
    folder = StudyFolder.at(out)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        with locked(folder.lock, run=call.run):
            manifest, notes = open_folder(folder, kind, manifest, compatible)
    except OSError as error:
        raise InputError(
            f"out: expected a folder that can be written, got {out} ({os.strerror(error.errno or 0)}); "
            "name another folder with --out"
        ) from error
    return Plan(folder, kind, manifest, tuple(cells), work, notes)
