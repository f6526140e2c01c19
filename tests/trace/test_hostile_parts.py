"""Parquet files that are damaged, foreign or made to fill the memory: each is one sentence about one part."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradprobe.errors import TraceError
from gradprobe.trace.parts import Identity, decode, encode
from tests.trace._records import HEADER, gramian_record

NAME = "gramians-000000.parquet"
INTACT = encode([gramian_record(step) for step in range(3)], Identity("run", NAME, 0))


def table(**columns: object) -> pa.Table:
    """The table of one intact record with other columns in it."""
    found = pq.read_table(pa.BufferReader(INTACT)).slice(0, 1)
    for name, values in columns.items():
        column = values if isinstance(values, pa.Array) else pa.array(values)
        found = found.set_column(found.column_names.index(name), name, column)
    return found


def as_bytes(found: pa.Table, **options: object) -> bytes:
    buffer = pa.BufferOutputStream()
    pq.write_table(found, buffer, **options)
    return bytes(buffer.getvalue())


def refusal(content: bytes) -> str:
    with pytest.raises(TraceError, match=rf"^{NAME}: expected") as raised:
        decode(content, NAME, HEADER)
    text = str(raised.value)
    assert text.isprintable()
    return text


def test_any_flipped_bit_is_noticed_or_changes_nothing():
    expected = [record.gramian.values for record in decode(INTACT, NAME, HEADER)]
    rng = np.random.default_rng(0)
    # The last bytes are the footer: names of columns, sizes, offsets.
    places = [*rng.integers(0, len(INTACT), 150), *range(len(INTACT) - 2600, len(INTACT), 7)]
    for place in places:
        changed = bytearray(INTACT)
        changed[place] ^= 1 << int(rng.integers(8))
        try:
            found = decode(bytes(changed), NAME, HEADER)
        except TraceError:
            continue
        for record, values in zip(found, expected, strict=True):
            np.testing.assert_array_equal(record.gramian.values, values)


@pytest.mark.parametrize("keep", [0, 4, 100, len(INTACT) // 2, len(INTACT) - 1])
def test_a_part_that_breaks_off_is_damaged(keep):
    assert "damaged file" in refusal(INTACT[:keep])


def test_text_that_is_no_utf8_is_damaged():
    raw = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 2], np.int32)), pa.py_buffer(b"\xff\xfe")]
    )
    refusal(as_bytes(table(note=raw)))


@pytest.mark.parametrize(
    "columns",
    [
        {"step": pa.array([None], pa.int64())},
        {"step": ["one"]},
        {"step": [1.5]},
        {"split": ["somewhere"]},
        {"split": ["\x1b[2J"]},
        {"tasks": [["a", "a", "b"]]},
        {"tasks": [["a", None, "b"]]},
        {"tasks": [["a", "b"]]},
        {"folds": [["", "", "Z"]]},
        {"rows": [[1, 2]]},
        {"rows": [[1, 2, -3]]},
        {"losses": [[1.0, 2.0]]},
        {"values": pa.array([None], pa.list_(pa.float64()))},
        {"values": [[1.0] * 17 + [None]]},
        {"values": [{"a": 1}]},
    ],
    ids=lambda columns: next(iter(columns)),
)
def test_a_column_of_another_shape_type_or_meaning_is_damaged(columns):
    refusal(as_bytes(table(**columns)))


def test_a_column_that_is_missing_or_there_twice_is_damaged():
    found = table()
    refusal(as_bytes(found.drop_columns(["losses"])))
    refusal(as_bytes(found.append_column("step", pa.array([1]))))


def test_metadata_for_pandas_is_not_looked_at():
    odd = table().replace_schema_metadata({b"pandas": b'{"index_columns": [{"kind": "range", "stop": 1e9}]}'})
    (record,) = decode(as_bytes(odd), NAME, HEADER)
    assert record.step == 0


@pytest.mark.parametrize("kind", ["numbers", "texts", "dictionary"])
def test_a_small_file_of_a_large_table_does_not_fill_the_memory(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dictionaries and run lengths let a few kilobytes stand for gigabytes."""
    monkeypatch.setattr("gradprobe.trace.parts.MOST_BYTES", 20_000_000)
    rows = 100
    if kind == "numbers":
        size = 5_000_000
        content = as_bytes(
            table(values=pa.ListArray.from_arrays(pa.array([0, size], pa.int32()), pa.array(np.zeros(size))))
        )
    else:
        text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["x" * 2_000_000]))
        many = pa.concat_tables([table()] * rows).set_column(4, "note", text)
        if kind == "texts":  # the same file, without the word that it holds a dictionary
            many = many.set_column(4, "note", many.column("note").cast(pa.string()))
        content = as_bytes(many, compression="zstd")
    assert len(content) < 200_000
    found = refusal(content)
    assert ("another type" if kind == "dictionary" else "1,000,000,000 bytes of records") in found


def test_a_table_without_rows_is_no_damage():
    assert decode(as_bytes(table().slice(0, 0)), NAME, HEADER) == []
