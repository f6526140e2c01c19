from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gradprobe.encoders.cache import content_key, load_or_compute, version_of
from gradprobe.errors import MissingExtraError

ARRAYS = {"values": np.arange(6.0).reshape(2, 3), "names": np.array(["a", "b"])}


class Counter:
    def __init__(self, arrays=ARRAYS):
        self.arrays, self.calls = arrays, 0

    def __call__(self):
        self.calls += 1
        return self.arrays


def fetch(compute, cache, smiles=("C", "O"), version="1"):
    return load_or_compute(
        compute,
        smiles=smiles,
        recipe={"features": "toy", "version": version},
        names=tuple(ARRAYS),
        cache=cache,
    )


def test_arrays_are_computed_once_and_read_back_equal(tmp_path):
    compute = Counter()
    fetch(compute, tmp_path / "new" / "folder")
    again = fetch(compute, tmp_path / "new" / "folder")
    assert compute.calls == 1
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(again[name], array)


def test_without_a_directory_nothing_is_written(tmp_path):
    compute = Counter()
    fetch(compute, None)
    fetch(compute, None)
    assert compute.calls == 2
    assert not list(tmp_path.iterdir())


def test_other_molecules_another_order_or_another_version_are_another_file(tmp_path):
    compute = Counter()
    fetch(compute, tmp_path)
    fetch(compute, tmp_path, smiles=("O", "C"))
    fetch(compute, tmp_path, smiles=("C", "O", "N"))
    fetch(compute, tmp_path, version="2")
    assert compute.calls == 4
    assert len(list(tmp_path.iterdir())) == 4


def test_the_key_tells_where_one_smiles_ends():
    assert content_key(["CC", "O"], {}) != content_key(["C", "CO"], {})


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "foreign"])
def test_a_damaged_file_is_written_anew(tmp_path, damage):
    compute = Counter()
    fetch(compute, tmp_path)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    # The end of the compressed arrays, before the directory: elsewhere a byte may stand for nothing.
    middle = content.index(b"PK\x01\x02") - 4
    path.write_bytes(
        {
            "truncated": content[: len(content) // 2],
            "flipped": content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :],
            "empty": b"",
            "foreign": b"SMILES,label\nC,1\n",
        }[damage]
    )
    for _ in range(2):
        np.testing.assert_array_equal(fetch(compute, tmp_path)["values"], ARRAYS["values"])
    assert compute.calls == 2


def test_a_pickle_in_the_cache_is_never_loaded(tmp_path):
    compute = Counter()
    fetch(compute, tmp_path)
    (path,) = tmp_path.iterdir()
    with path.open("wb") as file:
        np.savez(file, values=np.array([{"not": "an array"}], dtype=object), names=ARRAYS["names"])
    np.testing.assert_array_equal(fetch(compute, tmp_path)["values"], ARRAYS["values"])
    assert compute.calls == 2


def test_a_failure_half_way_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="disk full"):
        fetch(Counter(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_writers_side_by_side_do_not_disturb_each_other(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: fetch(Counter(), tmp_path), range(32)))
    assert all((arrays["values"] == ARRAYS["values"]).all() for arrays in found)
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


def test_an_absent_package_names_the_extra():
    with pytest.raises(MissingExtraError, match=r"gradprobe\[molecules\]"):
        version_of("a-package-that-nobody-has")
