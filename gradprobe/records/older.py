"""Folders of version 0.1.0: study.json without checksums in a comparison, grid.json in every other study."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradprobe.errors import InputError
from gradprobe.records.checksums import checksum_of
from gradprobe.records.folder import StudyFolder
from gradprobe.records.manifest import identify
from gradprobe.records.reading import read_object

# These say which cells a comparison has and what it keeps, not what a cell does: a study may be asked for
# others of them.
EXTENSIBLE = frozenset(
    {"encoders", "combiners", "seeds", "single_task", "vary", "one_at_a_time", "preset", "predictions"}
)
# What was fixed then and is an option now, by kind: the identity of an older study has these.
_FIXED: dict[str, dict[str, Any]] = {
    "edit": {
        "training_rate": 0.01,
        "weight_decay": 5e-4,
        "dropout": 0.5,
        "look_every": 5,
        "freshness_every": 10,
    },
}


@dataclass(frozen=True)
class OlderGrid:
    """What an older grid.json says: its kind, what identified it, and how it was asked for."""

    kind: str
    identity: dict[str, Any]
    command: str
    versions: dict[str, str] = field(default_factory=dict)


def compare_identity(options: dict[str, Any], data_digest: str) -> dict[str, Any]:
    """What identifies a comparison: the data, and its options but for those that say which cells it has."""
    return {name: value for name, value in options.items() if name not in EXTENSIBLE} | {"table": data_digest}


def upgraded(content: dict[str, Any], source: Path) -> dict[str, Any]:
    """The content of an older study.json as `StudyManifest` has it; its schema version stays.

    Raises:
        InputError: its options are not those of its digest.
    """
    identity = compare_identity(dict(content.get("options", {})), str(content.get("data_digest", "")))
    text = json.dumps({"options": identity}, sort_keys=True)
    if checksum_of(text.encode()) != content.get("digest"):
        raise InputError(
            f"{source}: expected the options that the study was run with, got others: the file was changed; "
            "run the same command again in this folder, finished cells are kept"
        )
    return content | {"kind": "compare", "identity": identity, "digest": identify("compare", identity)}


def read_grid(folder: StudyFolder) -> OlderGrid | None:
    """What an older grid.json in a folder says; None where there is none.

    Raises:
        InputError: it is damaged or foreign.
    """
    source = folder.path / "grid.json"
    if not source.exists():
        return None
    what = "the description of an older study"
    content = read_object(source, what=what)
    identity = content.get("identity")
    if content.get("format") != "gradprobe grid" or not isinstance(identity, dict):
        raise InputError(f"{source}: expected {what}, got some other JSON file")
    digest = checksum_of(json.dumps(identity, sort_keys=True).encode())
    if digest != content.get("digest"):
        raise InputError(
            f"{source}: expected {what}, got one that was changed after it was written, so nothing says to "
            "what its cells belong; name another folder with --out"
        )
    kind = str(identity.pop("study", "")).replace(" ", "_")
    versions = content.get("versions")
    return OlderGrid(
        kind=kind,
        identity=_FIXED.get(kind, {}) | identity,
        command=str(content.get("command", "")),
        versions=versions if isinstance(versions, dict) else {},
    )
