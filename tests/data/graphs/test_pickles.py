"""PyG's citation graphs come as pickles, and a folder of data sets may come from anyone."""

from __future__ import annotations

import os
import pickle
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from gradprobe.data.graphs import load_graph
from gradprobe.errors import InputError


class Runs:
    """Unpickled, it makes a folder: a stand-in for any program."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def write_cora(folder: Path, protocol: int = 2) -> Path:
    """A graph in Planetoid's layout: 700 nodes on a ring, the last 60 for the test."""
    raw = folder / "Planetoid" / "Cora" / "raw"
    raw.mkdir(parents=True)
    nodes, rest, train = 700, 640, 14
    features = csr_matrix(np.eye(nodes, 8, dtype=np.float32) + 1.0)
    labels = np.eye(7)[np.arange(nodes) % 7]
    ring = defaultdict(list, {node: [(node + 1) % nodes, (node - 1) % nodes] for node in range(nodes)})
    content = {
        "x": features[:train], "tx": features[rest:], "allx": features[:rest],
        "y": labels[:train], "ty": labels[rest:], "ally": labels[:rest], "graph": ring,
    }  # fmt: skip
    for name, value in content.items():
        (raw / f"ind.cora.{name}").write_bytes(pickle.dumps(value, protocol=protocol))
    (raw / "ind.cora.test.index").write_text("".join(f"{node}\n" for node in range(rest, nodes)))
    return raw


@pytest.mark.parametrize("protocol", [2, 4])
def test_pickles_of_arrays_are_loaded_whatever_python_wrote_them(tmp_path: Path, protocol: int) -> None:
    write_cora(tmp_path, protocol)
    dataset = load_graph("cora", root=tmp_path)
    assert (dataset.nodes, dataset.edges, dataset.classes) == (700, 700, 7)


@pytest.mark.parametrize("name", ["x", "ally", "graph"])
def test_a_raw_file_that_would_run_a_program_is_refused_and_runs_nothing(tmp_path: Path, name: str) -> None:
    mark = tmp_path / "it ran"
    (write_cora(tmp_path) / f"ind.cora.{name}").write_bytes(pickle.dumps(Runs(mark)))
    with pytest.raises(InputError, match=rf"ind\.cora\.{name}, .* it asks for posix\.mkdir; .* not loaded"):
        load_graph("cora", root=tmp_path)
    assert not mark.exists()


def test_an_allowed_name_is_no_way_to_others(tmp_path: Path) -> None:
    raw = write_cora(tmp_path)
    dotted = b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__base__\x93."
    (raw / "ind.cora.x").write_bytes(dotted)
    with pytest.raises(InputError, match=r"it asks for numpy\.ndarray\.__base__"):
        load_graph("cora", root=tmp_path)


def test_what_pyg_processed_before_is_neither_loaded_nor_written(tmp_path: Path) -> None:
    processed = write_cora(tmp_path).parent / "processed"
    processed.mkdir()
    marks = [tmp_path / "one", tmp_path / "two"]
    torch.save(Runs(marks[0]), processed / "data.pt")
    torch.save(Runs(marks[1]), processed / "pre_transform.pt")
    assert load_graph("cora", root=tmp_path).nodes == 700
    assert not any(mark.exists() for mark in marks)
    assert sorted(path.name for path in processed.iterdir()) == ["data.pt", "pre_transform.pt"]


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: content[:300], lambda content: b"x"])
def test_a_damaged_pickle_is_one_sentence(tmp_path: Path, damage: Any) -> None:
    path = write_cora(tmp_path) / "ind.cora.allx"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"root: expected arrays in .*ind\.cora\.allx"):
        load_graph("cora", root=tmp_path)
