"""Graphs by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gradprobe.data.catalog import Dataset
from gradprobe.data.graphs.blocks import stochastic_block_model
from gradprobe.data.graphs.dataset import NodeDataset
from gradprobe.data.graphs.published import amazon, karate, planetoid, webkb, wikipedia
from gradprobe.data.suggest import did_you_mean, listed
from gradprobe.errors import InputError

_BLOCKS = "sbm:"
_LOADERS: dict[str, Callable[[str, Path | None], NodeDataset]] = {
    "karate": lambda _name, _root: karate(),
    "cora": planetoid,
    "citeseer": planetoid,
    "pubmed": planetoid,
    "cornell": webkb,
    "texas": webkb,
    "wisconsin": webkb,
    "photo": amazon,
    "computers": amazon,
    "chameleon": wikipedia,
    "squirrel": wikipedia,
}
_DESCRIPTIONS = {
    "karate": "Zachary's karate club, 34 nodes; needs no download",
    "cora": "citations, 2,708 nodes, public split",
    "citeseer": "citations, 3,327 nodes, public split",
    "pubmed": "citations, 19,717 nodes, public split",
    "cornell": "web pages, 183 nodes, 10 splits",
    "texas": "web pages, 183 nodes, 10 splits",
    "wisconsin": "web pages, 251 nodes, 10 splits",
    "photo": "products bought together, 7,650 nodes, drawn splits",
    "computers": "products bought together, 13,752 nodes, drawn splits",
    "chameleon": "Wikipedia pages, 890 nodes filtered, 2,277 as first published, 10 splits",
    "squirrel": "Wikipedia pages, 2,223 nodes filtered, 5,201 as first published, 10 splits",
    "sbm:H": "stochastic block model of edge homophily H from 0 to 1, 500 nodes; needs no download",
}


def list_graphs() -> tuple[Dataset, ...]:
    """The graphs that `load_graph` knows."""
    return tuple(Dataset(name, description) for name, description in _DESCRIPTIONS.items())


def load_graph(name: str, *, root: str | Path | None = None) -> NodeDataset:
    """A graph by its name in `list_graphs`, in any case; features are as published, not normalised.

    Args:
        name: such as `"karate"`, `"Cora"` or `"sbm:0.3"`.
        root: the folder whose subfolders are PyG's (`Planetoid/Cora/raw`, ...), or one that holds it as
            `pyg`. What is missing is downloaded into it, and PyG writes what it processed beside the raw
            files. None: PyG's cache in the user's home. Corrected versions of chameleon, squirrel
            and Cornell (Platonov et al. 2023) are taken where their files are in the root, or in
            `graphs_npz` in or beside it; the notes say which version it is.

    Raises:
        InputError: an unknown name, or files that are neither there nor downloadable, or broken.
        MissingExtraError: PyG is not installed.
    """
    key = name.strip().lower()
    if key.startswith(_BLOCKS):
        return stochastic_block_model(homophily=_homophily(name, key.removeprefix(_BLOCKS)))
    if key not in _LOADERS:
        known = list(_DESCRIPTIONS)
        raise InputError(f"name: expected one of {listed(known)}, got {name!r}{did_you_mean(key, known)}")
    return _LOADERS[key](key, None if root is None else Path(root))


def _homophily(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"name: expected a share after {_BLOCKS!r}, as in 'sbm:0.3', got {name!r}") from None
