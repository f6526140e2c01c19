"""Published graphs, loaded by PyG's own classes from its downloads or from copies of their raw files."""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradprobe.data.graphs.building import build_node_dataset
from gradprobe.data.graphs.dataset import IntArray, NodeDataset, NodeSplit
from gradprobe.data.graphs.pickles import check_pickle
from gradprobe.data.graphs.splits import class_splits
from gradprobe.errors import InputError, missing_extra, reason_for

# Geom-GCN's files of Cornell hold the features and labels of Texas, known by its class sizes.
_TEXAS_CLASSES = [33, 1, 18, 101, 30]
_CURATED = {
    "chameleon": ("chameleon_filtered.npz", "without the nodes whose neighbourhoods repeat"),
    "squirrel": ("squirrel_filtered.npz", "without the nodes whose neighbourhoods repeat"),
    "cornell": ("cornell_corrected.npz", "with Cornell's own features and labels"),
}


def karate() -> NodeDataset:
    """Zachary's karate club: 34 nodes in four communities, their identity as features.

    Training nodes are PyG's, one of each community; the other 30 are dealt out to validation (10) and
    test (20) in ten seeded ways, since the data set has no validation nodes.

    Raises:
        MissingExtraError: PyG is not installed.
    """
    data = _datasets().KarateClub()[0]
    train = np.flatnonzero(data.train_mask.numpy())
    others = np.setdiff1d(np.arange(data.num_nodes), train)
    splits = []
    for place in range(10):
        dealt = np.random.default_rng([0, place]).permutation(others)
        splits.append(NodeSplit(train, np.sort(dealt[:10]), np.sort(dealt[10:])))
    return build_node_dataset(
        "karate",
        features=data.x.numpy(),
        edge_index=data.edge_index.numpy(),
        labels=data.y.numpy(),
        splits=splits,
        notes=("PyG's four training nodes; validation and test drawn with seeds 0 to 9 from the others",),
    )


def planetoid(name: str, root: Path | None) -> NodeDataset:
    """Cora, CiteSeer or PubMed with the public split."""
    data = _pyg(name, root, "Planetoid", _PLANETOID[name])
    return _dataset(name, data, _masked(data), ())


def webkb(name: str, root: Path | None) -> NodeDataset:
    """Cornell, Texas or Wisconsin with the ten splits of Geom-GCN; see `curated` for Cornell."""
    if (curated := _curated(name, root)) is not None:
        return curated
    data = _pyg(name, root, "WebKB", name)
    notes: tuple[str, ...] = ()
    if name == "cornell" and np.bincount(data.y.numpy()).tolist() == _TEXAS_CLASSES:
        notes = (
            "these files of Cornell carry the features and labels of Texas, an error of their source; "
            f"put {_CURATED[name][0]} into the root for the corrected graph",
        )
    return _dataset(name, data, _masked(data), notes)


def wikipedia(name: str, root: Path | None) -> NodeDataset:
    """Chameleon or squirrel with ten splits: filtered where that file is found, else Geom-GCN's."""
    if (curated := _curated(name, root)) is not None:
        return curated
    data = _pyg(name, root, "WikipediaNetwork", name, geom_gcn_preprocess=True)
    note = (
        "the graph of Geom-GCN, whose repeated neighbourhoods leak across splits; "
        f"put {_CURATED[name][0]} into the root for the filtered graph"
    )
    return _dataset(name, data, _masked(data), (note,))


def amazon(name: str, root: Path | None) -> NodeDataset:
    """Photo or Computers; ten seeded splits of 20 training and 30 validation nodes per class."""
    data = _pyg(name, root, "Amazon", name)
    splits = class_splits(data.y.numpy())
    note = "no published split: drawn with 20 training and 30 validation nodes per class, seeds 0 to 9"
    return _dataset(name, data, splits, (note,))


_PLANETOID = {"cora": "Cora", "citeseer": "CiteSeer", "pubmed": "PubMed"}


def _pyg(name: str, root: Path | None, family: str, *options: str, **switches: bool) -> Any:
    """The one graph of a PyG data set, downloaded into its folder under the root if it is not there."""
    kind = getattr(_datasets(), family)
    folder = _root(root) / family
    try:
        with _quiet(), tempfile.TemporaryDirectory() as scratch:
            return _from_raw_files(kind, scratch)(str(folder), *options, **switches)[0]
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"root: expected the files of {name!r} in {folder}, or a network to download them; got "
            f"{reason_for(error)}; copy them there in PyG's layout, or delete what broke off and try again"
        ) from error


def _from_raw_files(kind: Any, scratch: str) -> Any:
    """A PyG data set that reads its raw files anew, having checked those that are pickles.

    What PyG keeps in `processed/` is a pickle too, and loading one runs whatever it holds: it is neither
    read nor written.
    """

    def process(self: Any) -> None:
        for path in map(Path, self.raw_paths):
            if path.name.startswith("ind.") and path.suffix != ".index":
                check_pickle(path)
        kind.process(self)

    return type(kind.__name__, (kind,), {"process": process, "processed_dir": scratch})


def _curated(name: str, root: Path | None) -> NodeDataset | None:
    """The corrected version of a graph (Platonov et al. 2023), where its file is under the root."""
    if name not in _CURATED or root is None:
        return None
    file, kind = _CURATED[name]
    places = (root / file, root / "graphs_npz" / file, root.parent / "graphs_npz" / file)
    stored = next((place for place in places if place.is_file()), None)
    if stored is None:
        return None
    try:
        with np.load(stored) as arrays:
            masks = [arrays[f"{part}_masks"] for part in ("train", "val", "test")]
            parts = {key: arrays[key] for key in ("node_features", "node_labels", "edges")}
    except Exception as error:
        raise InputError(
            f"root: expected a graph of Platonov et al. in {stored}, got {reason_for(error)}; fetch it again"
        ) from error
    return build_node_dataset(
        name,
        features=parts["node_features"],
        edge_index=parts["edges"].T,
        labels=parts["node_labels"],
        splits=[_split(*masked) for masked in zip(*masks, strict=True)],
        notes=(f"{file} of Platonov et al. 2023, {kind}",),
    )


def _dataset(name: str, data: Any, splits: tuple[NodeSplit, ...], notes: tuple[str, ...]) -> NodeDataset:
    return build_node_dataset(
        name,
        features=data.x.numpy(),
        edge_index=data.edge_index.numpy(),
        labels=data.y.numpy(),
        splits=splits,
        notes=notes,
    )


def _masked(data: Any) -> tuple[NodeSplit, ...]:
    """The splits of boolean masks [n] or [n, splits]."""
    masks = [
        mask.numpy().reshape(len(mask), -1).T for mask in (data.train_mask, data.val_mask, data.test_mask)
    ]
    return tuple(_split(*masked) for masked in zip(*masks, strict=True))


def _split(*masks: npt.NDArray[np.bool_]) -> NodeSplit:
    train, validation, test = (_ids(mask) for mask in masks)
    return NodeSplit(train, validation, test)


def _ids(mask: npt.NDArray[np.bool_]) -> IntArray:
    return np.flatnonzero(mask).astype(np.int64)


def _root(root: Path | None) -> Path:
    if root is None:
        from torch_geometric import get_home_dir

        return Path(get_home_dir()) / "datasets"
    return root / "pyg" if (root / "pyg").is_dir() else root


def _datasets() -> Any:
    try:
        from torch_geometric import datasets
    except ImportError as error:
        raise missing_extra("torch_geometric", "graphs") from error
    return datasets


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """PyG reports downloads on stderr, and old pickles and `torch.load` warn of themselves."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
