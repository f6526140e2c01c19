import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from gradprobe.data import MoleculeTable, read_table
from gradprobe.data.formats import compressed, raw
from gradprobe.errors import InputError

FRAME = pd.DataFrame({"smiles": ["CCO", "CC", "CCN"], "y": [1.5, np.nan, -2.25], "c": [1.0, 0.0, 1.0]})
PLAIN = FRAME.to_csv(index=False)


def same(found: MoleculeTable) -> None:
    assert found.smiles == ("CCO", "CC", "CCN")
    np.testing.assert_array_equal(found.labels, FRAME[["y", "c"]].to_numpy())
    assert dict(found.kinds) == {"y": "regression", "c": "classification"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_text_in_any_encoding_and_with_any_separator_reads_alike(
    tmp_path: Path, encoding: str, separator: str
) -> None:
    text = FRAME.to_csv(index=False, sep=separator)
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(encoding))
    same(read_table(path))
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    same(read_table(path))


def test_semicolons_and_decimal_commas_read_as_decimals(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("sep=;\n" + FRAME.to_csv(index=False, sep=";", decimal=","))
    found = read_table(path)
    same(found)
    assert found.notes == ("read as separated by semicolons",)


def test_packed_text_reads_like_plain_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(PLAIN.encode()))
    same(read_table(tmp_path / "t.csv.gz"))
    with zipfile.ZipFile(tmp_path / "t.csv.zip", "w") as archive:
        archive.writestr("inside.csv", PLAIN)
    same(read_table(tmp_path / "t.csv.zip"))
    with zipfile.ZipFile(tmp_path / "t.csv.zip", "a") as archive:
        archive.writestr("second.csv", PLAIN)
    with pytest.raises(InputError, match=r"expected one file in .*, got 2"):
        read_table(tmp_path / "t.csv.zip")


def test_a_workbook_is_read_from_its_first_sheet_with_cells(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame().to_excel(book, sheet_name="Cover", index=False)
        FRAME.to_excel(book, sheet_name="Data", index=False)
        FRAME.to_excel(book, sheet_name="Old", index=False)
    found = read_table(path)
    same(found)
    assert found.notes == ("sheet 'Data' was read, not 'Cover', 'Old'",)
    path.write_bytes(b"not a workbook")
    with pytest.raises(InputError, match="Excel workbook that can be read"):
        read_table(path)


def test_an_sdf_file_gives_structures_and_properties(tmp_path: Path) -> None:
    from rdkit import Chem

    path = tmp_path / "t.sdf"
    with Chem.SDWriter(str(path)) as writer:
        for row in FRAME.itertuples():
            molecule = Chem.MolFromSmiles(row.smiles)
            molecule.SetProp("y", "" if np.isnan(row.y) else str(row.y))
            molecule.SetProp("c", str(row.c))
            writer.write(molecule)
    same(read_table(path))
    path.write_text("no\nmolecule\n\nM  END\n$$$$\n" + path.read_text())
    found = read_table(path)
    assert (len(found.skipped), found.skipped[0].row) == (1, 1)
    assert len(found.smiles) == 3
    (tmp_path / "t.sdf.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read_table(tmp_path / "t.sdf.gz").digest == found.digest


def test_columnar_files_and_json_lines_read_alike(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "t.parquet")
    same(read_table(tmp_path / "t.parquet"))
    feather.write_feather(pa.Table.from_pandas(FRAME), str(tmp_path / "t.feather"))
    same(read_table(tmp_path / "t.feather"))
    lines = [json.dumps({k: v for k, v in row.items() if v == v}) for row in FRAME.to_dict("records")]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    same(read_table(tmp_path / "t.jsonl"))


@pytest.mark.parametrize(
    "metadata",
    [
        b"{}",
        b"[1]",
        b"\xff",
        json.dumps({"index_columns": ["y"], "columns": [], "column_indexes": []}).encode(),
        json.dumps(
            {"index_columns": [{"kind": "range", "start": 0, "stop": 10**9, "step": 1}], "columns": []}
        ).encode(),
    ],
)
def test_what_pandas_noted_in_a_parquet_file_does_not_matter(tmp_path: Path, metadata: bytes) -> None:
    table = pa.Table.from_pandas(FRAME, preserve_index=False).replace_schema_metadata({b"pandas": metadata})
    pq.write_table(table, tmp_path / "t.parquet")
    same(read_table(tmp_path / "t.parquet"))


def test_text_that_is_not_utf8_in_a_parquet_file_is_refused(tmp_path: Path) -> None:
    offsets = pa.py_buffer(np.array([0, 1, 2], dtype=np.int32).tobytes())
    broken = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"\xff\xfe")])
    pq.write_table(pa.table({"smiles": broken, "y": [1.0, 2.0]}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="UTF-8"):
        read_table(tmp_path / "t.parquet")


def test_names_that_are_one_after_stripping_are_one_name(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"smiles": ["C", "CC"], "y": [1.0, 2.0], "y ": [1.0, 2.0], "z": [2.0, 1.0]}),
        tmp_path / "t.parquet",
    )
    assert read_table(tmp_path / "t.parquet").tasks == ("y", "z")
    (tmp_path / "t.csv").write_text("smiles,foc, foc\nCC,1,2\nCCC,2,3\n")
    with pytest.raises(InputError, match="2 columns have this name"):
        read_table(tmp_path / "t.csv")


def test_an_archive_that_would_fill_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = gzip.compress(b"smiles,y\n" + b"C,1\n" * 20_000_000)
    path = tmp_path / "t.csv.gz"
    path.write_bytes(bomb)
    assert len(bomb) < 1_000_000
    with pytest.raises(InputError, match="300 times the packed size"):
        read_table(path)
    monkeypatch.setattr(compressed, "MAX_BYTES", 20)
    (tmp_path / "t.csv").write_text(PLAIN)
    with pytest.raises(InputError, match="MB of table"):
        read_table(tmp_path / "t.csv")


def test_a_table_of_too_many_cells_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "MAX_CELLS", 8)
    for name in ("t.csv", "t.parquet", "t.xlsx", "t.jsonl"):
        writer = {"csv": FRAME.to_csv, "parquet": FRAME.to_parquet, "xlsx": FRAME.to_excel}.get(name[2:])
        if writer is None:
            (tmp_path / name).write_text(FRAME.fillna(0).to_json(orient="records", lines=True))
        else:
            writer(tmp_path / name, index=False)
        with pytest.raises(InputError, match="at most 8 cells"):
            read_table(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('smiles,y\n"CC,1\nCCC,2\n', "a quote that does not close"),
        ('smiles,y,z\n"CC,1,2\nCCC,2,3\nC,1,2\nCCCC,3,4\nN,1,1",5,6\n', "whole rows"),
        ("smiles,y\nCC,1\nCCC,2,3\n", "got 3 in row 2"),
        ("", "empty"),
        ("\n\n", "empty"),
    ],
)
def test_text_that_is_no_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "line", ["[1]", "5", "{", '{"a": 1, "a": 2}', "[" * 100_000, '{"a": ' + "9" * 5000 + "}"]
)
def test_a_line_that_is_no_json_object_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "t.jsonl").write_text('{"smiles": "C", "y": 1}\n' + line)
    with pytest.raises(InputError, match="line 2"):
        read_table(tmp_path / "t.jsonl")


def test_rows_shorter_than_the_header_are_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("smiles,y,z\nCC,1,2\nCCC,2\nC,3,1\n")
    found = read_table(tmp_path / "t.csv")
    assert found.notes == ("1 rows are shorter than the header, first row 2: their ends are missing",)
    np.testing.assert_array_equal(found.labels, [[1, 2], [2, np.nan], [3, 1]])


@pytest.mark.parametrize(
    "name", ["IC50 (µM)", "±", "Löslichkeit", "Température °C", "“quoted” – note", "Größe"]
)
def test_windows_1252_text_is_read_and_said(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(FRAME.assign(**{name: [1.5, 2.5, 4.0]}).to_csv(index=False).encode("cp1252"))
    found = read_table(path)
    assert found.tasks == ("y", "c", name)
    assert found.notes == ("read as Windows-1252: it is not UTF-8",)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("溶解度", "shift_jis"),
        ("活性", "gbk"),
        ("IC50 (µM)", "cp437"),
        ("активность", "cp1251"),
        ("활성", "euc-kr"),
    ],
)
def test_text_in_an_encoding_that_is_not_western_is_refused(tmp_path: Path, name: str, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(FRAME.assign(**{name: [1.5, 2.5, 4.0]}).to_csv(index=False).encode(encoding))
    with pytest.raises(InputError, match=r"another encoding; save it as UTF-8"):
        read_table(path)


def test_utf_32_is_read_and_packed_files_under_a_plain_name_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(PLAIN.encode("utf-32"))
    same(read_table(path))
    path.write_bytes(gzip.compress(PLAIN.encode()))
    with pytest.raises(InputError, match=r"a gzipped file: end its name in \.gz"):
        read_table(path)


@pytest.mark.parametrize(
    "above", ["Report of 2021\n", "# a, b\n\n# c\n", "Title;;;\n;;;\n", "structure,a,b\n"]
)
def test_lines_above_the_header_are_skipped_and_said(tmp_path: Path, above: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(above + PLAIN)
    found = read_table(path)
    same(found)
    assert "above the header" in found.notes[0]
    path.write_text(PLAIN.replace("CCN", "smiles"))
    assert read_table(path).notes == ()


def test_a_workbook_is_read_from_the_sheet_and_the_line_that_name_smiles(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"about": ["this file"]}).to_excel(book, sheet_name="Read me", index=False)
        FRAME.to_excel(book, sheet_name="Data", index=False, startrow=2)
        book.sheets["Data"]["A1"] = "Report of 2021"
    found = read_table(path)
    same(found)
    assert found.notes == (
        "1 line above the header was not read, first 'Report of 2021'",
        "sheet 'Data' was read, not 'Read me'",
    )


def test_formulas_without_stored_values_are_said(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["smiles", "y", "c"], ["CCO", 1.5, 1], ["CC", "=1+1", 0], ["CCN", -2.25, 1]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    found = read_table(tmp_path / "t.xlsx")
    same(found)
    assert found.notes[0].startswith("1 formula has no stored value and read as empty")


def test_a_cell_of_many_characters_is_no_broken_quote(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    FRAME.assign(drawing=["x" * 300_000, "", ""]).to_csv(path, index=False)
    same(read_table(path))
