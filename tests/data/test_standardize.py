import numpy as np

from gradprobe.data import TableOptions, read_table
from gradprobe.data.standardize import parents
from tests.data._tables import write_csv

FORMS = ["CC(=O)O", "CC(=O)[O-].[Na+]", "CC(=O)O.CC(=O)O.Cl", "OC(C)=O"]


def test_none_keeps_salts_apart_and_parent_merges_them(tmp_path) -> None:
    path = write_csv(tmp_path / "t.csv", {"smiles": FORMS, "y": [1.0, 2.0, 3.0, 4.0]})
    assert len(read_table(path).smiles) == 3
    merged = read_table(path, options=TableOptions(standardize="parent"))
    assert merged.smiles == ("CC(=O)O",)
    np.testing.assert_allclose(merged.labels, [[2.5]])


def test_stereochemistry_and_permanent_charges_stay() -> None:
    assert list(parents(["C[C@H](N)C(=O)O.Cl", "C[N+](C)(C)C.[Cl-]"], "parent")) == [
        "C[C@H](N)C(=O)O",
        "C[N+](C)(C)C",
    ]


def test_tautomers_become_one_on_request_only() -> None:
    keto, enol = "CC(=O)CC(C)=O", "CC(=O)C=C(C)O"
    assert len(set(parents([keto, enol], "parent"))) == 2
    assert len(set(parents([keto, enol], "tautomer"))) == 1
