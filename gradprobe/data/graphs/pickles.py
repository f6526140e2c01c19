"""PyG's raw files of citation graphs are pickles, which can run any program: only arrays are let through."""

from __future__ import annotations

import pickle
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from gradprobe.errors import InputError

# All that the published files ask for, under the names of Python 2 and of today.
_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_SPARSE_MODULES = ("scipy.sparse.csr", "scipy.sparse._csr")


class _ArraysOnly(pickle.Unpickler):
    """Builds arrays, sparse matrices and plain containers, and refuses to look anything else up."""

    def find_class(self, module: str, name: str) -> Any:
        found = _expected().get((module, name))
        if found is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return found


def check_pickle(path: Path) -> None:
    """Refuse a pickle that holds anything but NumPy arrays, SciPy's CSR matrices and plain containers.

    Raises:
        InputError: it asks for anything else, or is damaged. Nothing that it asks for was run.
    """
    try:
        with path.open("rb") as file:
            _ArraysOnly(file, encoding="latin1").load()
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to mean
        raise InputError(
            f"root: expected arrays in {path}, a pickle from PyG's download, but "
            f"{error or type(error).__name__}; a pickle can run any program, so it was not loaded: "
            "delete it and fetch it from PyG again"
        ) from error


def _expected() -> dict[tuple[str, str], Any]:
    from numpy._core.multiarray import _reconstruct
    from scipy.sparse import csr_matrix

    return {
        **{(module, "_reconstruct"): _reconstruct for module in _ARRAY_MODULES},
        **{(module, "csr_matrix"): csr_matrix for module in _SPARSE_MODULES},
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("collections", "defaultdict"): defaultdict,
        ("__builtin__", "list"): list,
        ("builtins", "list"): list,
        ("_codecs", "encode"): _latin1,
    }


def _latin1(text: str, encoding: str) -> bytes:
    """How newer pickles of an old protocol write the bytes of an array."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}")
    return text.encode("latin1")
