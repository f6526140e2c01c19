"""Opening a study's folder: a new one, the same study again, an older one, or one that lost its manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from gradprobe.errors import InputError
from gradprobe.records.cell import CellStamp, stamp_files
from gradprobe.records.folder import StudyFolder, is_inside
from gradprobe.records.kinds import Kind
from gradprobe.records.manifest import Manifest, identify
from gradprobe.records.older import read_grid
from gradprobe.records.record import Key, Result, load_record, read_record, write_record
from gradprobe.records.study import read_manifest
from gradprobe.records.writing import remove_unfinished

M = TypeVar("M", bound=Manifest)
R = TypeVar("R", bound=Result)
# Files and folders that a study or its report writes, whatever its kind.
_WRITTEN = (
    "results.csv",
    "report.html",
    "verdict.json",
    "decision.json",
    "recipe.toml",
    "skipped.csv",
    "audit.json",
    "figures",
    "grid.json",
)
# What stamps name as the run of cells that version 0.1.0 left without one.
_OLDER_RUN = "0.1.0"


@dataclass(frozen=True)
class Compatible:
    """What makes an identity that an older version wrote the same as today's.

    `defaults` are values of options that it may not have had; `aliases` values by which it called the same
    thing, such as a digest of the data that is computed otherwise now.
    """

    defaults: Mapping[str, Any] = field(default_factory=dict)
    aliases: Mapping[str, Any] = field(default_factory=dict)

    def changed(self, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
        """The names in which two identities differ."""
        return [name for name in dict.fromkeys([*wanted, *found]) if not self._alike(name, found, wanted)]

    def _alike(self, name: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
        absent = object()
        earlier, now = found.get(name, absent), _plain(wanted.get(name))
        if earlier is absent:
            return name in self.defaults and _plain(self.defaults[name]) == now
        return _plain(earlier) in (now, _plain(self.aliases.get(name, absent)))


def open_folder(
    folder: StudyFolder, kind: Kind[M, R], wanted: M, compatible: Compatible | None = None
) -> tuple[M, tuple[str, ...]]:
    """Make a folder that of the study wanted, and say what was met there; its lock must be held.

    Finished cells of the same study are kept, whoever asked for them, and those of version 0.1.0 are given
    checksums. Where the manifest is lost or damaged, cells say themselves to which study they belong; those
    of another are moved to set-aside/.

    Raises:
        InputError: the folder holds another study.
    """
    _check_links(folder)
    remove_unfinished(folder.path)
    notes: list[str] = []
    manifest = wanted
    earlier = _earlier(folder, kind, wanted, notes, compatible or Compatible())
    if earlier is None:
        _check_not_of_others(folder)
    else:
        # What an older version wrote keeps the identity that its cells carry.
        same = {"identity": earlier.identity, "digest": earlier.digest}
        manifest = wanted.joined(earlier).model_copy(update=same)
    write_record(folder.manifest, manifest.sealed(), within=folder.path)
    (folder.path / "grid.json").unlink(missing_ok=True)
    return manifest, tuple(notes)


def _check_not_of_others(folder: StudyFolder) -> None:
    """Refuse a folder without a study that holds files of the names that a study writes."""
    if folder.cells.exists() or (folder.path / "set-aside").exists():
        return
    there = [name for name in _WRITTEN if (folder.path / name).exists()]
    if there:
        raise InputError(
            f"out: expected a new folder or that of a study, got {folder.path}, which holds {there[0]} but "
            "no study; name another folder with --out"
        )


def set_aside(folder: StudyFolder, name: str) -> Path:
    """Move a cell out of the study, so that nothing of it is lost; returns where it lies then."""
    shelf = folder.path / "set-aside"
    shelf.mkdir(exist_ok=True)
    number = next(n for n in range(10**6) if not (shelf / f"{name}-{n}").exists())
    return (folder.cells / name).rename(shelf / f"{name}-{number}")


def _earlier(
    folder: StudyFolder, kind: Kind[M, R], wanted: M, notes: list[str], compatible: Compatible
) -> M | None:
    """The manifest of the study that the folder holds, as far as it can still be told."""
    if folder.manifest.exists():
        try:
            found = read_manifest(folder.path)
        except InputError as error:
            notes.append(f"{error}")
            return _from_cells(folder, kind, wanted, notes)
        if found.kind != kind.name:
            raise InputError(
                f"out: expected a new folder or the same study, got {folder.path}, which holds a study of "
                f"the kind {found.kind}; name another folder with --out"
            )
        assert isinstance(found, kind.manifest)
        _check_same(found.identity, wanted, folder, compatible)
        if found.schema_version == 1:
            _adopt(folder, kind, found.cells, found.digest, found.versions)
        return found
    grid = read_grid(folder)
    if grid is None:
        return _from_cells(folder, kind, wanted, notes)
    _check_same(grid.identity if grid.kind == kind.name else {}, wanted, folder, compatible)
    cells = tuple(_keys(folder, kind))
    digest = identify(kind.name, grid.identity)
    _adopt(folder, kind, cells, digest, grid.versions)
    # The older manifest named no cells and kept nothing else: what is wanted stands in for the rest, and its
    # cells come first.
    kept = {"identity": grid.identity, "digest": digest, "calls": (), "cells": (*wanted.cells, *cells)}
    return wanted.model_copy(update=kept)


def _from_cells(folder: StudyFolder, kind: Kind[M, R], wanted: M, notes: list[str]) -> M | None:
    """Without a manifest: the cells of this study are kept, all others set aside."""
    kept, aside = [], []
    for place in _places(folder):
        stamp = read_record(place / "cell.json", CellStamp)
        if stamp is not None and stamp.study == wanted.digest and stamp.cell == place.name:
            kept.append(place)
        else:
            set_aside(folder, place.name)
            aside.append(place.name)
    if aside:
        notes.append(
            f"{len(aside)} cells in {folder.path} belong to another study, or do not say to which, and were "
            f"moved to {folder.path / 'set-aside'}: {', '.join(aside[:3])}{', ...' if len(aside) > 3 else ''}"
        )
    keys = [result.key for place in kept if (result := read_record(place / kind.file, kind.result))]
    return wanted.model_copy(update={"cells": (*wanted.cells, *keys), "calls": ()}) if keys else None


def _adopt(
    folder: StudyFolder, kind: Kind[M, R], cells: tuple[Key, ...], digest: str, made_with: dict[str, str]
) -> None:
    """Give the finished cells of version 0.1.0 their stamps."""
    for key in cells:
        place = folder.cell(key)
        result = read_record(place / kind.file, kind.result)
        if result is not None and result.key == key:
            files = stamp_files(place)
            stamp = CellStamp(study=digest, cell=key.id, run=_OLDER_RUN, versions=made_with, files=files)
            write_record(place / "cell.json", stamp, within=folder.path)


def _keys(folder: StudyFolder, kind: Kind[M, R]) -> Iterator[Key]:
    for place in _places(folder):
        try:
            result = load_record(place / kind.file, kind.result, what="the result of a cell")
        except InputError:
            continue  # it runs again
        if result.key.id == place.name:
            yield result.key


def _places(folder: StudyFolder) -> list[Path]:
    if not folder.cells.is_dir():
        return []
    return [path for path in sorted(folder.cells.iterdir()) if path.is_dir() or path.is_symlink()]


def _check_links(folder: StudyFolder) -> None:
    """Refuse a folder in which a link would have us move or write files elsewhere."""
    for name in ("cells", "cache", "set-aside"):
        path = folder.path / name
        if path.is_symlink() and not is_inside(path, folder.path):
            raise InputError(
                f"{path}: expected a folder inside {folder.path}, got a link that leads out of it; delete it"
            )


def _check_same(
    found: Mapping[str, Any], wanted: Manifest, folder: StudyFolder, compatible: Compatible
) -> None:
    changed = compatible.changed(found, wanted.identity)
    if not changed:
        return
    words = ["the data" if name in ("table", "data") else name for name in changed]
    raise InputError(
        f"out: expected a new folder or the same study, got {folder.path}, whose study differs in "
        f"{', '.join(words)}; name another folder with --out"
    )


def _plain(value: Any) -> str:
    """A value as JSON, in which tuples are lists; other objects are like nothing but themselves."""
    return json.dumps(value, sort_keys=True, default=lambda other: f"object {id(other)}")
