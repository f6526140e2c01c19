"""Thousands of damaged tables: one sentence or a right reading, never a traceback, never a wrong number."""

import contextlib
import random
from pathlib import Path

import numpy as np
import pytest

from gradprobe.data import MoleculeTable, TableOptions, read_table
from gradprobe.errors import InputError

CASES = 5_000
SMILES = ("CCO", "CC", "CCN", "c1ccccc1", "CC(=O)O", "CCCl")
VALUES = (1.25, -0.5, 3.0, 120.0, 0.75, 17.5)
# How a cell can be written so that it still has a value: text and what must come out, NaN for missing.
RIGHT = (
    lambda v: (f"{v}", v),
    lambda v: (f" {v} ", v),
    lambda v: (f"{v:e}", v),
    lambda v: (f"={v}", v),
    lambda v: (f"~{v}", v),
    lambda v: (f"{v} ± 0.1", v),
    lambda v: ("ND", np.nan),
    lambda v: ("", np.nan),
    lambda v: ("#N/A", np.nan),
    lambda v: (f"<{v}", np.nan),
    lambda v: (f"> {v}", np.nan),
)
ODD = (
    "5-10",
    "see note",
    "1,2,3",
    "2021-05-03",
    "inf",
    "1e999",
    "5 uM",
    "95%",
    "'",
    '"',
    "\x00",
    "٣",
    "1_0",
    "+-1",
    "..",
    "1e",
    "=",
    "<",
    "<>5",
    "é" * 300,
)
HEADERS = ("y", " y", "y ", "", "smiles", "Y", "y;z", "id", "\ufeffy", "y\ny")


def make(rng: random.Random) -> tuple[bytes, list[float], bool]:
    """A small table, its labels as they should be read, and whether nothing was damaged."""
    separator = rng.choice([",", ",", ";", "\t"])
    cells, expected = [], []
    for value in VALUES:
        text, label = rng.choice(RIGHT)(value)
        cells.append(text)
        expected.append(label)
    head, smiles, whole = ["smiles", "y"], list(SMILES), True
    rows = [[one, cell] for one, cell in zip(smiles, cells, strict=True)]
    for _ in range(rng.choice([0, 0, 1, 2, 3])):
        whole = False
        damage = rng.randrange(9)
        place = rng.randrange(len(rows)) if rows else 0
        if damage == 0 and rows:
            rows[place][-1:] = [rng.choice(ODD)]
        elif damage == 1:
            head[rng.randrange(len(head))] = rng.choice(HEADERS)
        elif damage == 2 and rows:
            rows[place].append(rng.choice(("", "7", "x")))
        elif damage == 3 and rows:
            del rows[place][rng.randrange(len(rows[place]) + 1) :]
        elif damage == 4 and rows:
            rows[place][:1] = [rng.choice(("C C", "CC\nC", "xyz", "C |o1:0|", "C" * 1200, "", "CCO ethanol"))]
        elif damage == 5:
            rows.append(list(rng.choice(rows)) if rows else ["C"])
        elif damage == 6:
            head.append(rng.choice(HEADERS))
        elif damage == 7 and rows:
            del rows[place]
        else:
            rows.insert(0, ["", ""])
    text = "\n".join(separator.join(row) for row in [head, *rows])
    content = text.encode(rng.choice(["utf-8", "utf-8-sig", "utf-16"]), "surrogatepass")
    if rng.random() < 0.15:
        whole = False
        at = rng.randrange(len(content) + 1)
        content = content[:at] + rng.choice((b"", b"\xff", b"\x00", b'"', content[:at])) + content[at + 1 :]
    return content, expected, whole


def outcome(path: Path, options: TableOptions | None) -> tuple[MoleculeTable | None, str]:
    """The table, or the sentence why there is none."""
    try:
        return read_table(path, options=options), ""
    except InputError as error:
        return None, str(error)


@pytest.mark.parametrize("part", range(5))
def test_a_damaged_table_is_one_sentence_or_a_right_reading(tmp_path: Path, part: int) -> None:
    path = tmp_path / "t.csv"
    right = refused = 0
    for case in range(part * CASES // 5, (part + 1) * CASES // 5):
        rng = random.Random(case)
        content, expected, whole = make(rng)
        path.write_bytes(content)
        options = rng.choice(
            (None, TableOptions(censored="loss"), TableOptions(duplicates="drop", missing=("7",)))
        )
        table, sentence = outcome(path, options)
        if table is None:
            refused += 1
            assert ":" in sentence, case
            assert "\n" not in sentence, case
            assert not whole or np.isnan(expected).all(), (case, sentence)
            continue
        right += 1
        assert len(table.decisions) >= 2 or not whole, case
        if whole and (options is None or options.censored == "drop") and "y" in table.tasks:
            found = dict(zip(table.smiles, table.column("y").tolist(), strict=True))
            for one, value in zip(SMILES, expected, strict=True):
                np.testing.assert_allclose(found.get(one, np.nan), value, err_msg=str(case))
        for name in table.tasks:
            # Missing labels are absent, never infinite or NaN among the values.
            assert np.isfinite(table.of(name).values).all(), case
    assert right > 300
    assert refused > 100


@pytest.mark.parametrize(
    "name", ["t.parquet", "t.feather", "t.xlsx", "t.sdf", "t.jsonl", "t.csv.gz", "t.csv.zip", "t.sdf.gz"]
)
def test_bytes_that_are_no_such_file_are_one_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    starts = (b"", b"PAR1", b"ARROW1\0\0", b"PK\x03\x04", b"\x1f\x8b\x08\x00", b"{", b"M  END\n$$$$\n")
    for case in range(40):
        rng = random.Random(case)
        path.write_bytes(rng.choice(starts) + rng.randbytes(rng.randrange(200)))
        with contextlib.suppress(InputError):
            read_table(path)
