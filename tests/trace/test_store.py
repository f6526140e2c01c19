from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gradprobe.errors import InputError, TraceError
from gradprobe.records.checksums import digest_of
from gradprobe.trace import SCHEMA_VERSION, Trace, TraceHeader, manifest
from gradprobe.trace import writer as writer_module
from gradprobe.trace.manifest import Manifest
from gradprobe.trace.parts import Identity, encode
from tests.trace._records import FOLDS, HEADER, assert_same_gramians, gramian_record, quantity_record


def _three_parts(folder: Path) -> Trace:
    trace = Trace(folder, HEADER)
    for step in range(3):
        trace.append(gramian_record(step))
        trace.flush()
    return trace


def test_everything_comes_back_bit_for_bit(tmp_path):
    records = [
        gramian_record(-1, split="train", epoch=-1),
        gramian_record(0, FOLDS, note="loop: attention reuses weights"),
        gramian_record(7, losses=np.array([1.0, np.nan, 2.0]), epoch=2),
    ]
    quantities = [quantity_record(0), quantity_record(1, math.nan, reason="zero", task="a", epoch=3)]
    with Trace(tmp_path / "trace", HEADER) as trace:
        for record in [*records, *quantities]:
            trace.append(record)
    found = Trace.load(tmp_path / "trace")
    assert found.header == HEADER
    assert_same_gramians(found.gramians, records)
    assert found.quantities[0] == quantities[0]
    assert math.isnan(found.quantities[1].value)
    assert found.quantities[1].reason == "zero"
    assert (found.quantities[1].task, found.quantities[1].epoch) == ("a", 3)
    assert found.damaged == ()


def test_a_trace_in_memory_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Trace(header=HEADER) as trace:
        trace.append(gramian_record(0))
        trace.flush()
    assert list(tmp_path.iterdir()) == []
    assert_same_gramians(trace.gramians, [gramian_record(0)])


def test_a_part_is_written_whenever_enough_records_have_gathered(tmp_path):
    trace = Trace(tmp_path, HEADER)
    for step in range(130):
        trace.append(gramian_record(step))
    assert [record.step for record in Trace.load(tmp_path).gramians] == list(range(128))
    trace.close()
    assert [record.step for record in Trace.load(tmp_path).gramians] == list(range(130))
    assert len(list(tmp_path.glob("gramians-*"))) == 3


def test_a_part_is_written_once_it_is_big(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "_PART_BYTES", 1000)
    trace = Trace(tmp_path, HEADER)
    trace.append(gramian_record(0))
    assert Trace.load(tmp_path).gramians == []
    trace.append(gramian_record(1))
    assert len(Trace.load(tmp_path).gramians) == 2


def test_a_part_is_written_after_some_seconds(tmp_path, monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    trace = Trace(tmp_path, HEADER)
    trace.append(gramian_record(0))
    assert Trace.load(tmp_path).gramians == []
    now += 5.0
    trace.append(gramian_record(1))
    assert len(Trace.load(tmp_path).gramians) == 2
    trace.append(gramian_record(2))
    assert len(Trace.load(tmp_path).gramians) == 2


def test_closing_twice_writes_no_record_twice(tmp_path):
    trace = Trace(tmp_path, HEADER)
    trace.append(gramian_record(0))
    trace.close()
    trace.close()
    assert len(Trace.load(tmp_path).gramians) == 1


def test_the_trace_is_written_when_the_block_ends_in_an_exception(tmp_path):
    def run() -> None:
        with Trace(tmp_path, HEADER) as trace:
            trace.append(gramian_record(0))
            raise KeyError

    with pytest.raises(KeyError):
        run()
    assert len(Trace.load(tmp_path).gramians) == 1


def test_a_trace_still_being_written_shows_its_finished_parts(tmp_path):
    trace = _three_parts(tmp_path)
    trace.append(gramian_record(3))
    (tmp_path / "gramians-000003.unfinished").write_bytes(b"half a part")
    found = Trace.load(tmp_path)
    assert [record.step for record in found.gramians] == [0, 1, 2]
    assert found.damaged == ()


def test_a_run_that_starts_measuring_while_its_trace_is_read_is_no_foreign_trace(tmp_path, monkeypatch):
    writer = Trace(tmp_path)
    parse, read = manifest.parse_manifest, []

    def overtaken(content: bytes, **options: str) -> Manifest:
        if not read:
            read.append(content)
            writer.describe(HEADER)
            writer.append(gramian_record(0))
            writer.flush()
        return parse(content, **options)

    monkeypatch.setattr(manifest, "parse_manifest", overtaken)
    found = Trace.load(tmp_path)
    assert (len(found.gramians), found.header, found.damaged) == (1, HEADER, ())


def test_a_write_that_is_cut_short_leaves_no_part_behind(tmp_path, monkeypatch):
    trace = _three_parts(tmp_path)

    def cut_short(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", cut_short)
    trace.append(gramian_record(3))
    with pytest.raises(KeyboardInterrupt):
        trace.close()
    found = Trace.load(tmp_path)
    assert [record.step for record in found.gramians] == [0, 1, 2]
    assert found.damaged == ()
    monkeypatch.undo()
    trace.close()
    assert [record.step for record in Trace.load(tmp_path).gramians] == [0, 1, 2, 3]


_FORGETFUL = """
import sys
from gradprobe.trace import Trace
from tests.trace._records import HEADER, gramian_record
trace = Trace(sys.argv[1], HEADER)
trace.append(gramian_record(0))
"""


@pytest.mark.parametrize(("ending", "code"), [("", 0), ("raise SystemExit(3)", 3), ("1 / 0", 1)])
def test_a_process_that_ends_without_closing_its_trace_loses_nothing(tmp_path, ending, code):
    command = [sys.executable, "-c", _FORGETFUL + ending, str(tmp_path / "trace")]
    found = subprocess.run(command, capture_output=True, cwd=Path(__file__).parents[2], check=False)
    assert found.returncode == code
    assert len(Trace.load(tmp_path / "trace").gramians) == 1


def test_a_trace_that_is_forgotten_is_written(tmp_path):
    trace = Trace(tmp_path, HEADER)
    trace.append(gramian_record(0))
    del trace
    assert len(Trace.load(tmp_path).gramians) == 1


def test_a_forked_process_leaves_the_records_to_its_parent(tmp_path, monkeypatch):
    trace = Trace(tmp_path, HEADER)
    trace.append(gramian_record(0))
    monkeypatch.setattr(os, "getpid", lambda: -1)
    del trace
    assert Trace.load(tmp_path).gramians == []


_WRITER = """
import sys, time
from gradprobe.trace import Trace
from tests.trace._records import HEADER, gramian_record
trace = Trace(sys.argv[1], HEADER)
for step in range(10**9):
    trace.append(gramian_record(step))
    if step == 200:
        print("going", flush=True)
"""


def test_a_process_killed_while_writing_loses_at_most_its_last_part(tmp_path):
    repository = Path(__file__).parents[2]
    command = [sys.executable, "-c", _WRITER, str(tmp_path / "trace")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=repository) as writer:
        assert writer.stdout.readline() == "going\n"
        time.sleep(0.05)
        os.kill(writer.pid, signal.SIGKILL)
    found = Trace.load(tmp_path / "trace")
    assert found.damaged == ()
    assert len(found.gramians) >= 192
    assert len(found.gramians) % 64 == 0
    assert_same_gramians(found.gramians[:5], [gramian_record(step) for step in range(5)])
    assert [record.step for record in found.gramians] == list(range(len(found.gramians)))


@pytest.mark.parametrize(
    "damage", [lambda text: text[: len(text) // 2], lambda text: b"", lambda text: b"PAR1junk"]
)
def test_a_damaged_part_is_named_and_the_others_are_read(tmp_path, damage):
    _three_parts(tmp_path)
    part = tmp_path / "gramians-000001.parquet"
    part.write_bytes(damage(part.read_bytes()))
    found = Trace.load(tmp_path)
    assert [record.step for record in found.gramians] == [0, 2]
    assert len(found.damaged) == 1
    assert "gramians-000001.parquet: expected a finished Parquet part" in found.damaged[0]


def test_no_flipped_byte_goes_unnoticed(tmp_path):
    _three_parts(tmp_path)
    part = tmp_path / "gramians-000001.parquet"
    intact, expected = part.read_bytes(), Trace.load(tmp_path).gramians
    for position in range(0, len(intact), 97):
        flipped = bytearray(intact)
        flipped[position] ^= 0x10
        part.write_bytes(flipped)
        found = Trace.load(tmp_path)
        if not found.damaged:
            assert_same_gramians(found.gramians, expected)


def test_a_part_of_another_schema_is_damaged_not_misread(tmp_path):
    _three_parts(tmp_path)
    foreign = encode([quantity_record(0)], Identity("", "quantities-000001.parquet", 0))
    (tmp_path / "gramians-000001.parquet").write_bytes(foreign)
    found = Trace.load(tmp_path)
    assert [record.step for record in found.gramians] == [0, 2]
    assert "gramians-000001.parquet" in found.damaged[0]


def test_a_trace_with_no_readable_part_is_an_error(tmp_path):
    _three_parts(tmp_path)
    for part in tmp_path.glob("*.parquet"):
        part.write_bytes(b"junk")
    with pytest.raises(TraceError, match=r"gramians-000000\.parquet: expected a finished Parquet part"):
        Trace.load(tmp_path)


def test_header_and_parts_of_different_traces_are_told_apart(tmp_path):
    _three_parts(tmp_path)
    other = TraceHeader(focal="b", layers=("one",), parameters=(20,))
    (tmp_path / "header.json").write_text(Manifest(other, run="another").to_json())
    with pytest.raises(TraceError, match=r"gramians-000000\.parquet: .* got one of another run"):
        Trace.load(tmp_path)
    header = {"format": "gradprobe trace", "schema_version": 1, "layers": ["one"], "parameters": [20]}
    (tmp_path / "header.json").write_text(json.dumps(header))
    with pytest.raises(TraceError, match=r"as header\.json says, got 18 numbers; .*different traces"):
        Trace.load(tmp_path)


def test_an_empty_trace_loads_empty(tmp_path):
    Trace(tmp_path, HEADER)
    found = Trace.load(tmp_path)
    assert (found.header, found.gramians, found.quantities) == (HEADER, [], [])


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir, Path.touch])
def test_a_path_without_a_trace_is_named(tmp_path, make):
    folder = tmp_path / "nothing"
    make(folder)
    with pytest.raises(
        TraceError, match=r"path: expected the folder of a trace with a header\.json, got .*nothing"
    ):
        Trace.load(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": "gradprobe tr', "got a damaged or foreign file"),
        ("", "got a damaged or foreign file"),
        ("[1, 2]", "JSON that is no object"),
        ('{"name": "package"}', "some other JSON file"),
        ('{"format": "gradprobe trace"}', "expected a schema version from 1 on, got None"),
        ('{"format": "gradprobe trace", "schema_version": 0}', "from 1 on, got 0"),
        ('{"format": "gradprobe trace", "schema_version": 99}', "earlier, got 99; .*upgrade to read it"),
    ],
)
def test_a_header_that_cannot_be_read_says_why(tmp_path, text, message):
    (tmp_path / "header.json").write_text(text)
    with pytest.raises(TraceError, match=rf"header\.json: .*{message}"):
        Trace.load(tmp_path)


def test_a_header_of_this_version_with_fields_unknown_here_is_read(tmp_path):
    content = json.loads(Manifest(HEADER).to_json()) | {"added_later": 1}
    assert content["schema_version"] == SCHEMA_VERSION
    del content["checksum"]
    (tmp_path / "header.json").write_text(json.dumps(content | {"checksum": digest_of(content)}))
    assert Trace.load(tmp_path).header == HEADER


def test_a_folder_that_holds_a_trace_is_not_written_over(tmp_path):
    _three_parts(tmp_path)
    for _ in range(2):
        with pytest.raises(InputError, match=r"out: expected a new folder .* holds one already"):
            Trace(tmp_path)
        (tmp_path / "header.json").unlink(missing_ok=True)
    assert len(list(tmp_path.glob("*.parquet"))) == 3


def test_a_folder_with_other_things_in_it_can_hold_a_trace(tmp_path):
    (tmp_path / "notes.txt").touch()
    (tmp_path / "results.parquet").write_bytes(b"not ours")
    with Trace(tmp_path / ".", HEADER) as trace:
        trace.append(gramian_record(0))
    assert len(Trace.load(tmp_path).gramians) == 1


def test_a_path_that_can_be_no_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=r"out: expected a folder that can be written, got .*file"):
            Trace(path)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"out: expected a folder that can be written, .*Permission denied"):
        Trace(tmp_path)


def test_layers_are_settled_once_something_was_recorded(tmp_path):
    trace = Trace(tmp_path)
    with pytest.raises(InputError, match=r"record: expected the layers \[\] of the header, got \['enc.0'"):
        trace.append(gramian_record(0))
    trace.describe(HEADER)
    trace.append(gramian_record(0))
    with pytest.raises(InputError, match=r"header: expected the layers .* start another trace"):
        trace.describe(TraceHeader(layers=("other",), parameters=(1,)))
    trace.close()
    assert Trace.load(tmp_path).header == HEADER


_READ_WITHOUT_TORCH = """
import sys
sys.modules.update(dict.fromkeys(("torch", "matplotlib", "rdkit", "chemprop"), None))
from gradprobe.trace import Trace
print(len(Trace.load(sys.argv[1]).frame()))
"""


def test_a_trace_is_read_where_there_is_no_torch(tmp_path):
    expected = _three_parts(tmp_path).frame()
    command = [sys.executable, "-c", _READ_WITHOUT_TORCH, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(found.stdout) == len(expected) > 50


def test_a_trace_of_the_first_release_is_read_as_it_was_written():
    """Written before there were held-out rows, two geometries or folds of whole splits."""
    found = Trace.load(Path(__file__).parent / "schema_1")
    assert found.header == HEADER
    assert_same_gramians(
        found.gramians,
        [gramian_record(-1, split="train", epoch=-1), gramian_record(4, FOLDS, note="loop: a reason")],
    )
    assert [record.geometry for record in found.gramians] == ["plain", "plain"]
    assert found.preconditioned == []
    assert found.quantities == [quantity_record(4)]
    assert len(found.frame()) == len(found.frame(geometry="plain")) > 0


def test_preconditioned_records_have_parts_of_their_own(tmp_path):
    plain, other = gramian_record(0), gramian_record(0, geometry="preconditioned")
    with Trace(tmp_path / "trace", HEADER) as trace:
        trace.append(plain)
        trace.append(other)
    names = sorted(path.name for path in (tmp_path / "trace").glob("*.parquet"))
    assert names == ["gramians-000000.parquet", "preconditioned-000000.parquet"]
    found = Trace.load(tmp_path / "trace")
    assert_same_gramians(found.gramians, [plain])
    assert_same_gramians(found.preconditioned, [other])
    assert found.preconditioned[0].geometry == "preconditioned"
