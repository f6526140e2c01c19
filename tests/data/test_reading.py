import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradprobe.data import MoleculeTable, SkippedRow, read_table, write_skipped, write_table
from gradprobe.data.formats.open import _READERS
from gradprobe.errors import InputError
from tests.data._tables import chains, table_of, write_csv

NAN = np.nan


def test_a_plain_file_becomes_a_table(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "t.csv", {"name": ["x", "y"], "mol": ["OCC", "CC"], "bp": [351, ""], "active": [1, 0]}
    )
    table = read_table(path, smiles="mol")
    assert table.smiles == ("CCO", "CC")
    assert table.tasks == ("bp", "active")
    np.testing.assert_array_equal(table.labels, [[351.0, 1.0], [NAN, 0.0]])
    assert dict(table.kinds) == {"bp": "regression", "active": "classification"}


def test_what_spreadsheets_do_to_a_file_does_no_harm(tmp_path: Path) -> None:
    text = (
        "\ufeffSMILES, bp ,toxic,ID\r\n"
        "CCO,351.5,TRUE,1\r\n"
        "\r\n"
        "CC,NA,False,2\r\n"
        ",,,\r\n"
        '"C1CC1", n/a ,,3\r\n'
        "CCC,-4.2e1,true,4\r\n"
    )
    path = tmp_path / "sheet.CSV"
    path.write_bytes(text.encode())
    table = read_table(path, smiles="SMILES")
    assert table.smiles == ("CCO", "CC", "CCC")
    assert table.tasks == ("bp", "toxic")
    np.testing.assert_array_equal(table.labels, [[351.5, 1.0], [NAN, 0.0], [-42.0, 1.0]])
    assert dict(table.kinds) == {"bp": "regression", "toxic": "classification"}
    assert table.skipped == ()


def test_identifiers_and_text_are_no_tasks_unless_named(tmp_path: Path) -> None:
    columns = {
        "Unnamed: 0": [0, 1],
        "Vendor ID": [11, 12],
        "index": [5, 6],
        "smiles": ["C", "CC"],
        "acid": [1.5, 2.5],
        "note": ["good", "bad"],
        "empty": ["", ""],
    }
    path = write_csv(tmp_path / "t.csv", columns)
    assert read_table(path, smiles="smiles").tasks == ("acid",)
    assert read_table(path, smiles="smiles", tasks=["Vendor ID", "acid"]).tasks == ("Vendor ID", "acid")


def test_naming_tasks_gives_what_selecting_them_gives(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "t.csv", {"smiles": ["C", "CC", "C", "CCC"], "a": [1.5, "", 2.5, ""], "b": [3, 1, "", 2]}
    )
    named = read_table(path, smiles="smiles", tasks=["a"])
    assert named.digest == read_table(path, smiles="smiles").select(["a"]).digest
    assert named.smiles == ("C",)
    np.testing.assert_array_equal(named.labels, [[2.0]])


def test_unreadable_rows_are_set_aside_with_their_place_and_reason(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", {"smiles": ["C", "xyz", "", "CC"], "y": [1, 2, 3, 4]})
    table = read_table(path, smiles="smiles")
    assert table.smiles == ("C", "CC")
    assert table.skipped == (
        SkippedRow(2, "xyz", "not valid SMILES", "t.csv"),
        SkippedRow(3, "", "an empty cell", "t.csv"),
    )
    write_skipped(table, tmp_path / "skipped.csv")
    assert (tmp_path / "skipped.csv").read_text().splitlines() == [
        "file,row,smiles,reason",
        "t.csv,2,xyz,not valid SMILES",
        "t.csv,3,,an empty cell",
    ]


def test_log10_is_taken_before_the_mean_and_does_not_turn_numbers_into_classes(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "t.csv", {"smiles": ["C", "C", "CC", "N"], "v": [1, 100, 10, ""], "w": [1, 10, 1, 10]}
    )
    table = read_table(path, smiles="smiles", log10=["v", "w"])
    np.testing.assert_allclose(table.labels, [[1.0, 0.5], [1.0, 0.0], [NAN, 1.0]])
    assert set(table.kinds.values()) == {"regression"}


def test_parquet_reads_like_csv_whatever_the_types_of_its_columns(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "smiles": pd.Categorical(["CCO", "CC", None]),
            "whole": pd.array([1, None, 3], dtype="Int64"),
            "flag": pd.array([True, False, None], dtype="boolean"),
            "real": np.array([0.25, np.nan, 0.5], dtype=np.float32),
            "texts": ["1.5", "na", None],
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.parquet", smiles="smiles")
    assert table.digest == read_table(tmp_path / "t.csv", smiles="smiles").digest
    np.testing.assert_array_equal(table.labels, [[1.0, 1.0, 0.25, 1.5], [NAN, 0.0, NAN, NAN]])
    assert table.kinds["flag"] == "classification"
    frame.set_index("smiles").to_parquet(tmp_path / "indexed.parquet")
    assert read_table(tmp_path / "indexed.parquet", smiles="smiles").digest == table.digest


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_a_written_table_reads_back_to_the_same_digest(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(60) < 0.2, NAN, rng.normal(size=60) * 10.0 ** rng.integers(-9, 9, 60))
    table = table_of(chains(60), y=labels, c=np.tile([0.0, 1.0, NAN], 20), z=rng.random(60))
    write_table(table, tmp_path / name)
    assert read_table(tmp_path / name, smiles="smiles").digest == table.digest


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(InputError) as error:
        read_table(path, **{"smiles": "smiles", **options})  # type: ignore[arg-type]
    message = str(error.value)
    assert "\n" not in message
    return message


def test_a_file_that_is_not_there_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.csv")
    assert "does not exist" in refusal(tmp_path)
    (tmp_path / "t.docx").touch()
    assert "ends in .csv, .tsv" in refusal(tmp_path / "t.docx")


def test_a_file_that_cannot_be_parsed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    assert "No columns" in refusal(tmp_path / "empty.csv")
    (tmp_path / "gbk.csv").write_bytes("smiles,活性\nC,1\n".encode("gbk"))
    assert "save it as UTF-8" in refusal(tmp_path / "gbk.csv")
    (tmp_path / "ragged.csv").write_text("smiles,y\nC,1\nCC,2,3\n")
    assert "got 3 in row 2" in refusal(tmp_path / "ragged.csv")
    (tmp_path / "long.csv").write_text("smiles,y\nC,1,2\nCC,2,3\n")
    assert "decimal commas split a number in two" in refusal(tmp_path / "long.csv")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"smiles,y\n" + b"CC,2\n" * 1000)[:-20])
    assert "can be read" in refusal(tmp_path / "cut.csv.gz")
    (tmp_path / "not.parquet").write_text("smiles,y\nC,1\n")
    assert "can be read" in refusal(tmp_path / "not.parquet")


def test_a_missing_column_lists_those_there_and_the_nearest(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", {"SMILES": ["C", "CC"], "pEC50": [5, 6]})
    assert "got the columns 'SMILES', 'pEC50'; did you mean 'SMILES'?" in refusal(path)
    assert "did you mean 'pEC50'?" in refusal(path, smiles="SMILES", tasks=["pec_50"])


def test_a_column_named_as_a_task_that_holds_text_is_refused_with_a_cell_of_it(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "t.csv",
        {"smiles": ["C", "CC", "CCC", "N"], "y": [1, "low", ">5", "high"], "z": [1, 2, 3, 4]},
    )
    message = refusal(path, tasks=["y"])
    assert "column 'y'" in message
    assert "2 of 4 cells are no numbers, such as 'low' in row 2" in message
    assert read_table(path, smiles="smiles").tasks == ("z",)
    assert "got its SMILES" in refusal(path, tasks=["smiles"])


@pytest.mark.parametrize("infinite", ["inf", "-Infinity", "1e999"])
def test_infinite_labels_are_never_labels(tmp_path: Path, infinite: str) -> None:
    path = write_csv(tmp_path / "t.csv", {"smiles": ["C", "CC"], "y": [1, infinite]})
    assert "1 of 2 cells are no numbers" in refusal(path)
    path = write_csv(tmp_path / "t.csv", {"smiles": chains(10), "y": [*range(9), infinite]})
    table = read_table(path, smiles="smiles")
    assert table.count("y") == 9
    assert "1 cells that are no numbers count as missing" in table.decisions[1].sentence()


def test_labels_without_a_logarithm_are_counted(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", {"smiles": ["C", "CC", "N"], "y": [0, -2, 3], "z": [1, 2, 3]})
    assert "got 2 that are zero or negative, the least -2" in refusal(path, log10=["y"])
    with_offset = read_table(path, smiles="smiles", log10=["y:3"])
    np.testing.assert_allclose(with_offset.column("y"), np.log10([3.0, 1.0, 6.0]))
    assert "log10: expected some of the tasks 'z', got 'y'" in refusal(path, tasks=["z"], log10=["y"])


def test_a_column_that_holds_no_smiles_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", {"smiles": ["aspirin", "caffeine"], "y": [1, 2]})
    assert "got 2 rows and no readable SMILES, first 'aspirin' (not valid SMILES)" in refusal(path)
    (tmp_path / "header.csv").write_text("smiles,y\n")
    assert "got 0 rows" in refusal(tmp_path / "header.csv", tasks=["y"])


def test_a_file_without_numbers_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", {"smiles": ["C", "CC"], "note": ["a", "b"]})
    assert "at least one column of numbers" in refusal(path)


def test_writing_refuses_what_would_not_read_back(tmp_path: Path) -> None:
    table: MoleculeTable = table_of(["C", "CC"], y=[1.0, 2.0])
    with pytest.raises(InputError, match=r"ends in \.csv"):
        write_table(table, tmp_path / "t.txt")
    with pytest.raises(InputError, match="no task"):
        write_table(table, tmp_path / "t.csv", smiles="y")
    with pytest.raises(InputError, match="place to write"):
        write_table(table, tmp_path / "absent" / "t.csv")


def test_what_a_library_quotes_of_a_damaged_file_is_printable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("don't know what type: \x0e \x1b[2J")

    monkeypatch.setitem(_READERS, ".csv", refuse)
    (tmp_path / "t.csv").write_text("smiles,y\nC,1\n")
    with pytest.raises(InputError, match=r"what type: \? \?\[2J") as caught:
        read_table(tmp_path / "t.csv")
    assert str(caught.value).isprintable()
