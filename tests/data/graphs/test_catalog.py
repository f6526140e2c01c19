import sys

import numpy as np
import pytest

from gradprobe.data.graphs import list_graphs, load_graph
from gradprobe.errors import InputError, MissingExtraError


def write_cornell(folder, *, size: int = 12):
    """A graph in the layout of Geom-GCN's files, of nodes on a ring."""
    raw = folder / "WebKB" / "cornell" / "raw"
    raw.mkdir(parents=True)
    lines = [f"{node}\t{node},1\t{node % 2}" for node in range(size)]
    (raw / "out1_node_feature_label.txt").write_text("\n".join(["header", *lines, ""]))
    edges = [f"{node}\t{(node + 1) % size}" for node in range(size)]
    (raw / "out1_graph_edges.txt").write_text("\n".join(["header", *edges, ""]))
    for place in range(10):
        part = (np.arange(size) + place) % 3
        np.savez(
            raw / f"cornell_split_0.6_0.2_{place}.npz",
            train_mask=part == 0,
            val_mask=part == 1,
            test_mask=part == 2,
        )


def write_curated(folder, file: str, *, size: int = 9):
    folder.mkdir(parents=True, exist_ok=True)
    masks = np.stack([(np.arange(size) + place) % 3 for place in range(10)])
    np.savez(
        folder / file,
        node_features=np.eye(size, dtype=np.float32),
        node_labels=np.arange(size) % 2,
        edges=np.stack([np.arange(size - 1), np.arange(1, size)], axis=1),
        train_masks=masks == 0,
        val_masks=masks == 1,
        test_masks=masks == 2,
    )


def test_the_karate_club_is_embedded_and_validates_on_seeded_nodes():
    dataset = load_graph("Karate")
    assert (dataset.nodes, dataset.edges, dataset.classes, len(dataset.splits)) == (34, 78, 4, 10)
    for split in dataset.splits:
        parts = np.concatenate([split.train, split.validation, split.test])
        assert sorted(parts.tolist()) == list(range(34))
        assert [len(split.train), len(split.validation), len(split.test)] == [4, 10, 20]
        assert sorted(dataset.labels[split.train].tolist()) == [0, 1, 2, 3]
    assert not np.array_equal(dataset.splits[0].test, dataset.splits[1].test)


def test_every_listed_name_has_a_loader_and_a_description():
    assert [graph.name for graph in list_graphs()][:2] == ["karate", "cora"]
    assert all(graph.description for graph in list_graphs())
    assert load_graph("SBM:0.25").name == "sbm:0.25"


def test_files_of_pyg_under_the_root_are_read_with_all_their_splits(tmp_path, capfd):
    write_cornell(tmp_path / "pyg")
    dataset = load_graph("cornell", root=tmp_path)
    assert (dataset.nodes, dataset.edges, len(dataset.splits)) == (12, 12, 10)
    assert dataset.splits[1].train.tolist() == [2, 5, 8, 11]
    assert dataset.splits[1].validation.tolist() == [0, 3, 6, 9]
    assert dataset.notes == ("12 edges given in one direction made both",)
    assert load_graph("cornell", root=tmp_path / "pyg").features[:, 0].tolist() == list(range(12))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("place", [".", "graphs_npz", "../graphs_npz"])
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("chameleon", "chameleon_filtered.npz"),
        ("squirrel", "squirrel_filtered.npz"),
        ("cornell", "cornell_corrected.npz"),
    ],
)
def test_a_corrected_version_in_the_root_is_preferred_and_said(tmp_path, place, name, file):
    root = tmp_path / "root"
    root.mkdir()
    write_curated(root / place, file)
    dataset = load_graph(name, root=root)
    assert (dataset.nodes, dataset.edges, len(dataset.splits)) == (9, 8, 10)
    assert dataset.notes[0].startswith(f"{file} of Platonov et al. 2023")
    assert dataset.splits[2].test.tolist() == [0, 3, 6]


def test_broken_files_are_told(tmp_path):
    write_cornell(tmp_path)
    (tmp_path / "WebKB/cornell/raw/out1_graph_edges.txt").write_text("header\n1 2\n")
    with pytest.raises(InputError, match=r"root: expected the files of 'cornell' in .*WebKB"):
        load_graph("cornell", root=tmp_path)
    (tmp_path / "squirrel_filtered.npz").write_bytes(b"no arrays")
    with pytest.raises(InputError, match="root: expected a graph of Platonov"):
        load_graph("squirrel", root=tmp_path)


def test_absent_files_without_a_network_are_told(tmp_path, monkeypatch):
    def no_network(*_args, **_options):
        raise OSError("Name or service not known")

    monkeypatch.setattr("torch_geometric.datasets.planetoid.fs.cp", no_network)
    with pytest.raises(
        InputError, match=r"'cora' in .*Planetoid, or a network to download them; got OSError"
    ):
        load_graph("cora", root=tmp_path)


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(InputError, match="did you mean 'cora'"):
        load_graph("coar")
    with pytest.raises(InputError, match=r"as in 'sbm:0\.3', got 'sbm:high'"):
        load_graph("sbm:high")


def test_absence_of_pyg_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_geometric", None)
    with pytest.raises(MissingExtraError, match=r"gradprobe\[graphs\]"):
        load_graph("karate")
