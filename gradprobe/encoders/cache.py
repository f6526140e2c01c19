"""Feature arrays on disk, found again by the content they were computed from."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradprobe.errors import missing_extra
from gradprobe.records.writing import replacing

Arrays = Mapping[str, npt.NDArray[Any]]
# What reading an absent, truncated, overwritten or foreign file raises.
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)


def load_or_compute(
    compute: Callable[[], Arrays],
    *,
    smiles: Sequence[str],
    recipe: Mapping[str, object],
    names: Collection[str],
    cache: Path | None,
) -> Arrays:
    """The arrays `names`, from the cache directory or computed and stored there.

    The file's name is the SHA-256 of the SMILES in their order and of `recipe`, which holds
    everything else that the arrays depend on: featuriser, versions, options. A file that cannot be
    read is written anew. Several processes may share the directory: each writes a file of its own
    and moves it into place.
    """
    if cache is None:
        return compute()
    path = cache / f"{content_key(smiles, recipe)}.npz"
    stored = _read(path, names)
    if stored is not None:
        return stored
    arrays = compute()
    _write(path, arrays)
    return arrays


def content_key(smiles: Sequence[str], recipe: Mapping[str, object]) -> str:
    """SHA-256 of a list of SMILES and of how they are featurised, in hexadecimal."""
    content = json.dumps({"recipe": dict(recipe), "smiles": list(smiles)}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def version_of(package: str) -> str:
    """The installed version of a package, for a recipe.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return version(package)
    except PackageNotFoundError as error:
        raise missing_extra(package, "molecules") from error


def _read(path: Path, names: Collection[str]) -> Arrays | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in names}
    except _UNREADABLE:
        return None


def _write(path: Path, arrays: Arrays) -> None:
    # What a power cut takes is computed again.
    with replacing(path, durable=False) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
