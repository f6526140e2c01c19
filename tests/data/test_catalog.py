from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradprobe.data import MoleculeTable, Origin, catalog, describe, list_datasets, load_table
from gradprobe.errors import InputError
from tests.data._tables import table_of, write_csv


def embedded() -> MoleculeTable:
    plain = table_of(["C", "CC", "CCC"], bp=[1.0, 10.0, 100.0], c=[0.0, 1.0, np.nan])
    return replace(plain, origins={"bp": Origin("K", "a book")})


@pytest.fixture
def _one_small_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "_EMBEDDED", {"physchem": embedded})


def test_every_listed_dataset_can_be_loaded() -> None:
    assert [dataset.name for dataset in list_datasets()] == list(catalog._EMBEDDED)
    assert all(dataset.description for dataset in list_datasets())


@pytest.mark.usefixtures("_one_small_dataset")
def test_a_description_counts_and_measures_labels() -> None:
    bp, c = describe("physchem")
    assert (bp.task, bp.kind, bp.n, bp.unit, bp.source) == ("bp", "regression", 3, "K", "a book")
    assert (bp.mean, bp.min, bp.max) == (37.0, 1.0, 100.0)
    assert bp.std == pytest.approx(((36**2 + 27**2 + 63**2) / 3) ** 0.5)
    assert (c.kind, c.n, c.mean, c.unit, c.source) == ("classification", 2, 0.5, "", "")


@pytest.mark.usefixtures("_one_small_dataset")
def test_a_dataset_loads_by_name_with_tasks_and_log10() -> None:
    table = load_table("physchem", tasks=["bp"], log10=["bp"])
    np.testing.assert_allclose(table.labels, [[0.0], [1.0], [2.0]])
    assert table.origins["bp"].unit == "log10(K)"
    with pytest.raises(InputError, match="expected some of the tasks 'bp', 'c', got 'x'"):
        load_table("physchem", log10=["x"])
    with pytest.raises(InputError, match="log10: expected positive labels"):
        load_table("physchem", log10=["c"])


def test_a_file_loads_by_its_path(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", {"mol": ["C", "CC"], "y": [1, 2.5]})
    assert load_table(path, smiles="mol").tasks == ("y",)
    assert describe(load_table(str(path), smiles="mol"))[0].max == 2.5


def test_a_task_without_labels_has_no_mean() -> None:
    summary = describe(table_of(["C"], y=[np.nan]))[0]
    assert summary.n == 0
    assert np.isnan([summary.mean, summary.std, summary.min, summary.max]).all()


def test_what_is_neither_a_file_nor_a_dataset_is_refused() -> None:
    with pytest.raises(
        InputError, match="a file or one of 'physchem', got 'phys_chem'; did you mean 'physchem'"
    ):
        load_table("phys_chem")
    with pytest.raises(InputError, match="does not exist"):
        load_table("physchem.csv")
