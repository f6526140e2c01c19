"""Reading the folder of a study of any kind: its manifest, its cells, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from gradprobe.errors import InputError
from gradprobe.records import older
from gradprobe.records.cell import State, StoredCell, read_cell
from gradprobe.records.checksums import digest_of
from gradprobe.records.folder import StudyFolder, check_name, is_inside
from gradprobe.records.kinds import Kind, kind_of
from gradprobe.records.manifest import SCHEMA_VERSION, Manifest, identify
from gradprobe.records.reading import read_object
from gradprobe.records.record import Key, Result

M = TypeVar("M", bound=Manifest)
R = TypeVar("R", bound=Result)
_WHAT = "the description of a gradprobe study"


@dataclass(frozen=True, eq=False)
class StoredStudy(Generic[M, R]):
    """A study as it lies on disk, finished or not.

    `cells` are all that were ever asked for, in the manifest's order. `notes` are sentences that every reader
    should see: cells made with different versions of packages, folders that do not belong to the study.
    """

    folder: StudyFolder
    kind: Kind[M, R]
    manifest: M
    cells: tuple[StoredCell[Any, R], ...]
    notes: tuple[str, ...]

    @property
    def results(self) -> dict[Any, R]:
        """The results of the finished cells by key, in the manifest's order."""
        return {cell.key: cell.result for cell in self.cells if cell.result is not None}

    def problems(self, *states: State) -> dict[Any, str]:
        """What is wrong, by the keys of the cells in some states; by default failed or damaged."""
        wanted = states or ("failed", "damaged")
        return {cell.key: cell.problem for cell in self.cells if cell.state in wanted}


def is_study(path: str | Path) -> bool:
    """Whether the folder of a study, of any version, is there."""
    return any((Path(path) / name).is_file() for name in ("study.json", "grid.json"))


def read_study(path: str | Path) -> StoredStudy[Any, Any]:
    """The study in a folder. A damaged cell is named in it and takes nothing else down.

    Raises:
        InputError: there is no study, its manifest is damaged, foreign, changed or from a later version, or
            an older version wrote it and kept too little for a report.
    """
    folder = StudyFolder.at(path)
    grid = older.read_grid(folder) if not folder.manifest.exists() else None
    if grid is not None:
        raise InputError(
            f"{path}: expected a study with a study.json, got one of gradprobe 0.1.0, which kept too little "
            f"for a report; run its command again ({grid.command}): finished cells are kept"
        )
    manifest = read_manifest(path)
    return read_cells(folder, manifest)


def read_cells(folder: StudyFolder, manifest: Manifest) -> StoredStudy[Any, Any]:
    """The cells of a study whose manifest is known."""
    kind = kind_of(manifest.kind, str(folder.manifest))
    stamped = manifest.digest if manifest.schema_version > 1 else None
    cells = tuple(
        read_cell(folder.cell(key), key, kind.result, file=kind.file, study=stamped) for key in manifest.cells
    )
    notes = (*_strangers(folder, manifest.cells), *_mixed_versions(cells))
    return StoredStudy(folder, kind, manifest, cells, notes)


def read_manifest(path: str | Path) -> Manifest:
    """The manifest of the study in a folder, of its own kind's class.

    Raises:
        InputError: there is none, or it is damaged, foreign, changed or from a later version.
    """
    folder = StudyFolder.at(path)
    source = folder.manifest
    if not source.is_file():
        raise InputError(f"path: expected the folder of a study with a study.json, got {path}")
    if not is_inside(source, folder.path):
        raise InputError(f"{source}: expected a file in the study's folder, got a link that leads out of it")
    content = read_object(source, what=_WHAT)
    version = content.get("schema_version")
    if not isinstance(version, int) or version < 1:
        raise InputError(f"{source}: expected {_WHAT}, got some other JSON file")
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{source}: expected schema version {SCHEMA_VERSION} or earlier, got {version}; "
            "a later gradprobe wrote this study, upgrade to read it"
        )
    manifest = _validated(older.upgraded(content, source) if version == 1 else content, source)
    if version > 1:
        _check_unchanged(manifest, content, source)
    for key in manifest.cells:
        check_name(key.id)
    return manifest


def _validated(content: Mapping[str, Any], source: Path) -> Manifest:
    kind = kind_of(content.get("kind"), str(source))
    try:
        manifest: Manifest = kind.manifest.model_validate(content)
        _ = manifest.shared  # reports read it: what is wrong with it is named here
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{source}: expected {_WHAT}, got a damaged or foreign file ({place}: {first['msg'].lower()})"
        ) from error
    return manifest


def _check_unchanged(manifest: Manifest, content: Mapping[str, Any], source: Path) -> None:
    # Of the file, not of the record: that may have fields since added, which the file lacks.
    found = {name: value for name, value in content.items() if name != "checksum"}
    intact = manifest.checksum == digest_of(found)
    if not intact or manifest.digest != identify(manifest.kind, manifest.identity):
        raise InputError(
            f"{source}: expected the file as gradprobe wrote it, got one that was changed since "
            "(its checksum differs); run the same command again in this folder, finished cells are kept"
        )


def _strangers(folder: StudyFolder, cells: tuple[Key, ...]) -> list[str]:
    """Sentences about folders among the cells that nobody asked for."""
    known = {key.id for key in cells}
    try:
        names = sorted(path.name for path in folder.cells.iterdir() if not path.name.startswith("."))
    except OSError:
        return []
    return [
        f"cells/{name} does not belong to this study and is left out" for name in names if name not in known
    ]


def _mixed_versions(cells: tuple[StoredCell[Any, Any], ...]) -> list[str]:
    """A sentence for each package of which finished cells were made with different versions."""
    made = [cell.versions for cell in cells if cell.state == "finished" and cell.versions]
    notes = []
    for package in dict.fromkeys(name for versions in made for name in versions):
        counts: dict[str, int] = {}
        for versions in made:
            version = versions.get(package, "none")
            counts[version] = counts.get(version, 0) + 1
        if len(counts) > 1:
            parts = ", ".join(f"{count} with {version}" for version, count in counts.items())
            notes.append(
                f"cells were made with different versions of {package}: {parts}; scores may differ by that"
            )
    return notes
