from pathlib import Path

import numpy as np
import pytest

from gradprobe.data import TableOptions, join, join_tables
from gradprobe.errors import InputError
from tests.data._tables import write_csv

NAN = np.nan


def two_files(folder: Path) -> list[Path]:
    return [
        write_csv(
            folder / "caco2.csv", {"Drug": ["OCC", "CC", "CCO", "bad"], "Y": [1, 2, 3, 9], "Z": [1, 1, 0, 1]}
        ),
        write_csv(folder / "vdss.human.csv", {"Drug": ["CCC", "C(O)C"], "Y": [100, 10], "Z": ["", 7]}),
    ]


def test_files_join_on_molecules_however_they_are_written(tmp_path: Path) -> None:
    table = join_tables(two_files(tmp_path), smiles="Drug", values=["Y"])
    assert table.tasks == ("caco2", "vdss.human")
    assert table.smiles == ("CCO", "CC", "CCC")
    np.testing.assert_array_equal(table.labels, [[2.0, 10.0], [2.0, NAN], [NAN, 100.0]])
    assert table.merged == 1
    assert [(row.file, row.row, row.smiles) for row in table.skipped] == [("caco2.csv", 4, "bad")]


def test_several_value_columns_give_several_tasks_a_file(tmp_path: Path) -> None:
    table = join_tables(two_files(tmp_path), smiles="Drug", values=["Y", "Z"], log10=["vdss.human.Y"])
    assert table.tasks == ("caco2.Y", "caco2.Z", "vdss.human.Y", "vdss.human.Z")
    np.testing.assert_array_equal(table.column("vdss.human.Y"), [1.0, NAN, 2.0])
    assert table.kinds["caco2.Z"] == "classification"
    assert dict(table.conflicts) == {"caco2.Z": 1}


def test_what_cannot_be_joined_is_refused(tmp_path: Path) -> None:
    files = two_files(tmp_path)
    (tmp_path / "b").mkdir()
    twin = write_csv(tmp_path / "b" / "caco2.csv", {"Drug": ["C"], "Y": [1]})
    with pytest.raises(InputError, match="got 'caco2' twice"):
        join_tables([*files, twin], smiles="Drug", values=["Y"])
    with pytest.raises(InputError, match=r"expected 'W' in .*caco2\.csv"):
        join_tables(files, smiles="Drug", values=["W"])
    with pytest.raises(
        InputError, match=r"log10: expected some of the tasks 'caco2', 'vdss\.human', got 'Y'"
    ):
        join_tables(files, smiles="Drug", values=["Y"], log10=["Y"])
    with pytest.raises(InputError, match="expected files"):
        join_tables([], smiles="Drug", values=["Y"])
    with pytest.raises(InputError, match="ends in"):
        join_tables([tmp_path / "t.docx"], smiles="Drug", values=["Y"])


def test_each_file_may_name_a_column_of_its_own(tmp_path: Path) -> None:
    one = write_csv(tmp_path / "one.csv", {"SMILES": ["C", "CC"], "pIC50": [5, 6], "note": [1, 2]})
    two = write_csv(tmp_path / "two.csv", {"Drug SMILES": ["CC", "CCC"], "logD": [1, 2], "pIC50": [7, 8]})
    table = join_tables([f"{one}:pIC50", f"{two}:logD"], log10=["logD:1"])
    assert table.tasks == ("pIC50", "logD")
    np.testing.assert_allclose(table.labels, [[5.0, np.nan], [6.0, np.log10(2.0)], [np.nan, np.log10(3.0)]])
    assert join_tables([f"{one}:pIC50", f"{two}:pIC50"]).tasks == ("one.pIC50", "two.pIC50")


def test_a_joined_table_says_what_was_made_of_the_columns_of_each_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("smiles,y\nCC,<5\nCCO,6.5\n")
    (tmp_path / "b.csv").write_text("A report\nsmiles,z\nCC,1.5\n")
    joined = join_tables([f"{tmp_path / 'a.csv'}:y", f"{tmp_path / 'b.csv'}:z"])
    assert joined.notes == (
        "a.csv: y: task: 1 bounds such as <5 left out",
        "b.csv: 1 line above the header was not read, first 'A report'",
    )


def test_a_file_named_with_several_columns_is_read_once_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = two_files(tmp_path)
    reads = []
    real = join.read_table
    monkeypatch.setattr(join, "read_table", lambda path, **known: reads.append(path) or real(path, **known))
    table = join_tables([f"{one}:Z", f"{two}:Y", f"{one}:Y"], smiles="Drug")
    assert reads == [one, two]
    assert table.tasks == ("Z", "caco2.Y", "vdss.human.Y")
    alone = join_tables([f"{one}:Y", f"{two}:Y"], smiles="Drug")
    for task in alone.tasks:
        known = dict(zip(alone.smiles, alone.column(task).tolist(), strict=True))
        found = dict(zip(table.smiles, table.column(task).tolist(), strict=True))
        labels = [
            {text: label for text, label in own.items() if not np.isnan(label)} for own in (found, known)
        ]
        assert labels[0] == labels[1]


def test_salts_of_one_molecule_become_one_where_parents_count(tmp_path: Path) -> None:
    one = write_csv(tmp_path / "one.csv", {"smiles": ["CCN.Cl", "CCO"], "a": [1, 2]})
    two = write_csv(tmp_path / "two.csv", {"smiles": ["CCN", "CCC"], "b": [3, 4]})
    files = [f"{one}:a", f"{two}:b"]
    parents = join_tables(files, options=TableOptions(standardize="parent"))
    assert len(join_tables(files).smiles) == 4
    assert sorted(parents.smiles) == ["CCC", "CCN", "CCO"]
    row = parents.smiles.index("CCN")
    assert (parents.column("a")[row], parents.column("b")[row]) == (1.0, 3.0)
