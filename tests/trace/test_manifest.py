"""What header.json promises about the parts of a trace, and what is said when it does not hold."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from gradprobe.errors import TraceError
from gradprobe.records.checksums import digest_of
from gradprobe.trace import Trace
from tests.trace._records import HEADER, assert_same_gramians, gramian_record, quantity_record


def written(folder: Path, parts: int = 4) -> Path:
    """A finished trace of parts of two records."""
    with Trace(folder, HEADER) as trace:
        for part in range(parts):
            trace.append(gramian_record(2 * part))
            trace.append(gramian_record(2 * part + 1))
            trace.append(quantity_record(part))
            trace.flush()
    return folder


def part(folder: Path, number: int) -> Path:
    return folder / f"gramians-{number:06d}.parquet"


def steps(trace: Trace) -> list[int]:
    return [record.step for record in trace.gramians]


def forged(folder: Path, **changes: object) -> None:
    """Change header.json as someone would who knows of its checksum."""
    content = json.loads((folder / "header.json").read_text()) | changes
    del content["checksum"]
    (folder / "header.json").write_text(json.dumps(content | {"checksum": digest_of(content)}))


@pytest.mark.parametrize("number", [0, 2, 3])
def test_a_missing_part_is_named_wherever_it_stood(tmp_path, number):
    part(written(tmp_path), number).unlink()
    found = Trace.load(tmp_path)
    assert steps(found) == [step for step in range(8) if step // 2 != number]
    said = "expected the part of 2 records in header.json, got no such file; put it back"
    assert found.damaged == (f"gramians-{number:06d}.parquet: {said}",)


def test_a_copied_part_is_named_and_counted_once(tmp_path):
    shutil.copy(part(written(tmp_path), 1), part(tmp_path, 9))
    found = Trace.load(tmp_path)
    assert steps(found) == list(range(8))
    assert [text.split(";")[0] for text in found.damaged] == [
        "gramians-000009.parquet: expected every part once, got a copy of 'gramians-000001.parquet'"
    ]


def test_parts_that_changed_places_are_both_named(tmp_path):
    one, two, spare = part(written(tmp_path), 1), part(tmp_path, 2), tmp_path / "spare"
    one.rename(spare)
    two.rename(one)
    spare.rename(two)
    found = Trace.load(tmp_path)
    assert steps(found) == [0, 1, 6, 7]
    assert len(found.damaged) == 2
    assert all("got a damaged or another file" in text for text in found.damaged)


def test_a_part_of_another_run_is_named(tmp_path):
    written(tmp_path / "other", parts=6)
    shutil.copy(part(tmp_path / "other", 4), part(written(tmp_path / "own"), 4))
    found = Trace.load(tmp_path / "own")
    assert steps(found) == list(range(8))
    assert "gramians-000004.parquet: expected parts of one run" in found.damaged[0]


def test_every_changed_byte_of_a_part_or_of_the_header_is_noticed(tmp_path):
    written(tmp_path)
    for path in (part(tmp_path, 1), tmp_path / "quantities-000002.parquet"):
        intact = path.read_bytes()
        for position in range(0, len(intact), 211):
            changed = bytearray(intact)
            changed[position] ^= 1 << position % 8
            path.write_bytes(changed)
            assert any(path.name in text for text in Trace.load(tmp_path).damaged), position
        path.write_bytes(intact)
    header = tmp_path / "header.json"
    intact = header.read_bytes()
    for position in range(0, len(intact), 37):
        changed = bytearray(intact)
        changed[position] ^= 1 << position % 7
        header.write_bytes(changed)
        if json_of(changed) == json_of(intact):
            continue  # white space
        with pytest.raises(TraceError, match=r"header\.json"):
            Trace.load(tmp_path)


def json_of(content: bytes) -> object:
    try:
        return json.loads(content)
    except ValueError:
        return None


def test_a_writer_killed_between_a_part_and_its_listing_loses_nothing(tmp_path):
    header = tmp_path / "header.json"
    with Trace(tmp_path, HEADER) as trace:
        for step in range(4):
            before = header.read_bytes()
            trace.append(gramian_record(step))
            trace.flush()
    header.write_bytes(before)
    found = Trace.load(tmp_path)
    assert (steps(found), found.damaged) == ([0, 1, 2, 3], ())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tasks": None}, "a wrong value of tasks"),
        ({"every": "often"}, "a wrong value of every"),
        ({"every": True}, "a wrong value of every"),
        ({"every": 10**40}, "a wrong value of every"),
        ({"parameters": [1.5, 2]}, r"a wrong value of parameters\.0"),
        ({"parameters": [-1, 2]}, r"a wrong value of parameters\.0"),
        ({"layers": ["a", ["b"]]}, r"a wrong value of layers\.1"),
        ({"layers": ["a"]}, "as many counts of parameters"),
        ({"layers": ["a", "a"]}, "expected distinct layers"),
        ({"versions": {"torch": 2}}, "a wrong value of versions"),
        ({"focal": "\ud800"}, "a wrong value of"),
        ({"seed": {}}, "a wrong value of seed"),
        ({"parts": None}, "a list of parts"),
        ({"parts": [{"name": "x"}]}, "a list of parts"),
        ({"run": None, "lost": "many"}, "a list of parts"),
        ({"schema_version": 10**400}, "upgrade to read it"),
        ({"schema_version": 2.0}, "from 1 on, got 2.0"),
    ],
)
def test_a_header_of_other_types_is_one_sentence_even_with_a_right_checksum(tmp_path, changes, words):
    written(tmp_path)
    forged(tmp_path, **changes)
    with pytest.raises(TraceError, match=words) as raised:
        Trace.load(tmp_path)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    "name", ["../gramians-000000.parquet", "/etc/gramians-000000.parquet", "other.parquet"]
)
def test_a_list_of_parts_leads_nowhere_else(tmp_path, name):
    written(tmp_path)
    parts = json.loads((tmp_path / "header.json").read_text())["parts"]
    parts[0]["name"] = name
    forged(tmp_path, parts=parts)
    with pytest.raises(TraceError, match="expected parts named like"):
        Trace.load(tmp_path)


def test_a_list_of_parts_with_gaps_or_repeats_is_refused(tmp_path):
    written(tmp_path)
    parts = json.loads((tmp_path / "header.json").read_text())["parts"]
    for other in (parts[1:], [parts[0], *parts], [{**parts[0], "records": 3}, *parts[1:]]):
        forged(tmp_path, parts=other)
        with pytest.raises(TraceError, match="in order"):
            Trace.load(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        b'{"format": "gradprobe trace", "schema_version": 1, "x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"format": "gradprobe trace", "schema_version": 1, "every": ' + b"9" * 6000 + b"}",
        b'{"format": "gradprobe trace", "schema_version": 1, "every": 1e999}',
        b"\xff\xfe{\x00}\x00",
        b"\x00" * 1000,
        b"null",
    ],
    ids=["nested", "digits", "infinite", "UTF-16", "zeros", "null"],
)
def test_a_header_made_to_break_readers_is_one_sentence(tmp_path, text):
    written(tmp_path)
    (tmp_path / "header.json").write_bytes(text)
    with pytest.raises(TraceError, match=r"header\.json: expected"):
        Trace.load(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_devices_are_not_waited_for(tmp_path):
    path = part(written(tmp_path), 1)
    path.unlink()
    os.mkfifo(path)
    assert "gramians-000001.parquet: expected a part of a trace" in damage(tmp_path)
    assert "no regular file" in damage(tmp_path)
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "got a link that leads out of the folder" in damage(tmp_path)
    path.unlink()
    path.mkdir()
    assert "gramians-000001.parquet" in damage(tmp_path)
    (tmp_path / "header.json").unlink()
    (tmp_path / "header.json").symlink_to("/dev/zero")
    with pytest.raises(TraceError, match="path: expected the folder of a trace"):
        Trace.load(tmp_path)


def damage(folder: Path) -> str:
    found = Trace.load(folder)
    assert steps(found) == [0, 1, 4, 5, 6, 7]
    (text,) = found.damaged
    return text.replace(str(folder) + os.sep, "")


def test_a_link_within_the_folder_is_followed(tmp_path):
    path = part(written(tmp_path), 1)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to("elsewhere")
    assert Trace.load(tmp_path).damaged == ()


def test_a_part_that_changes_after_it_was_checked_is_an_error_when_it_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr("gradprobe.trace.stored.KEPT_BYTES", 1500)
    found = Trace.load(written(tmp_path))
    assert_same_gramians(list(found.gramians), [gramian_record(step) for step in range(8)])
    part(tmp_path, 1).write_bytes(part(tmp_path, 2).read_bytes())
    with pytest.raises(TraceError, match=r"gramians-000001\.parquet: .* another file"):
        list(found.gramians)
