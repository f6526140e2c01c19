"""Disks that fail, folders that vanish, runs that are forgotten, and traces too long for the memory."""

from __future__ import annotations

import errno
import gc
import json
import os
import shutil
import threading
import tracemalloc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from gradprobe.errors import InputError, TraceError
from gradprobe.geometry import Gramian, Group
from gradprobe.trace import GramianRecord, Trace, TraceHeader
from gradprobe.trace import stored as stored_module
from gradprobe.trace import writer as writer_module
from gradprobe.trace.compaction import FAN_IN, LARGE_BYTES, next_merge
from gradprobe.trace.manifest import Part
from tests.trace._records import HEADER, assert_same_gramians, gramian_record, quantity_record


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A disk that is full while the list says so."""
    full, sync = [False], os.fsync

    def refuse(descriptor: int) -> None:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    monkeypatch.setattr(writer_module, "_PART_SECONDS", 0.0)
    return full


def steps(folder: Path) -> list[int]:
    return [record.step for record in Trace.load(folder).gramians]


@contextmanager
def one_warning(words: str) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    (text,) = [str(each.message) for each in caught if each.category is RuntimeWarning]
    assert words in text
    assert "trace.save(folder)" in text


def test_a_full_disk_stops_nothing_and_everything_is_written_once_there_is_room(tmp_path, full_disk):
    trace = Trace(tmp_path, HEADER)
    trace.append(gramian_record(0))
    full_disk[0] = True
    with one_warning("cannot be written (No space left on device)"):
        for step in range(1, 40):
            trace.append(gramian_record(step))
    assert steps(tmp_path) == [0]
    assert not [path for path in tmp_path.iterdir() if "unfinished" in path.name]
    assert_same_gramians(list(trace.gramians), [gramian_record(step) for step in range(40)])
    full_disk[0] = False
    trace.append(gramian_record(40))
    assert steps(tmp_path) == list(range(41))
    trace.close()


def test_close_says_what_could_not_be_written_and_save_puts_it_elsewhere(tmp_path, full_disk):
    trace = Trace(tmp_path / "full", HEADER)
    trace.append(gramian_record(0))
    full_disk[0] = True
    with one_warning("No space"):
        trace.append(gramian_record(1))
        trace.append(quantity_record(1))
    with pytest.raises(
        TraceError, match=r"expected to write 2 records to .*full.* \(No space left on device\)"
    ):
        trace.close()
    full_disk[0] = False
    trace.save(tmp_path / "elsewhere")
    copy = Trace.load(tmp_path / "elsewhere")
    assert_same_gramians(list(copy.gramians), [gramian_record(0), gramian_record(1)])
    assert copy.quantities == [quantity_record(1)]
    assert copy.header == HEADER
    trace.close()
    assert steps(tmp_path / "full") == [0, 1]


def test_an_error_of_the_run_is_not_hidden_by_one_of_the_disk(tmp_path, full_disk):
    def run() -> None:
        with Trace(tmp_path, HEADER) as trace:
            full_disk[0] = True
            trace.append(gramian_record(0))
            raise KeyError("the run's own")

    with (
        warnings.catch_warnings(record=True, action="always") as caught,
        pytest.raises(KeyError, match="own"),
    ):
        run()
    assert "expected to write 1 records" in str(caught[-1].message)


def test_what_waits_is_limited_and_what_was_lost_is_counted(tmp_path, full_disk, monkeypatch):
    monkeypatch.setattr(writer_module, "WAITING_BYTES", 5000)
    trace = Trace(tmp_path, HEADER)
    full_disk[0] = True
    with one_warning("No space"):
        for step in range(30):
            trace.append(gramian_record(step))
    kept = len(trace.gramians)
    assert 5 <= kept < 10
    with pytest.raises(TraceError, match=f"expected to write {kept} records .* {30 - kept} more were lost"):
        trace.close()
    full_disk[0] = False
    trace.append(gramian_record(30))
    trace.close()
    found = Trace.load(tmp_path)
    assert [record.step for record in found.gramians] == [*range(kept), 30]
    assert found.damaged == (f"{30 - kept} records are missing: the folder could not be written for a while",)


def test_a_folder_that_is_deleted_stops_nothing_and_is_not_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "_PART_SECONDS", 0.0)
    folder = tmp_path / "trace"
    trace = Trace(folder, HEADER)
    trace.append(gramian_record(0))
    shutil.rmtree(folder)
    with one_warning("the folder or its header.json was deleted or changed"):
        for step in range(1, 5):
            trace.append(gramian_record(step))
    assert not folder.exists()
    with pytest.raises(TraceError, match="expected to write 4 records"):
        trace.close()
    with pytest.warns(RuntimeWarning, match=r"gramians-000000\.parquet: expected the part of 1 records"):
        trace.save(tmp_path / "rest")
    assert steps(tmp_path / "rest") == [1, 2, 3, 4]


@pytest.mark.parametrize("layers", [HEADER.layers, ("one",)])
def test_a_forgotten_run_writes_nothing_into_the_folder_of_the_next(tmp_path, layers):
    folder = tmp_path / "trace"
    old = Trace(folder, HEADER)
    for step in range(3):
        old.append(gramian_record(step))
    shutil.rmtree(folder)
    new = Trace(folder, TraceHeader(focal="b", layers=layers, parameters=(1,) * len(layers)))
    before = sorted(path.name for path in folder.iterdir())
    del old
    gc.collect()
    assert sorted(path.name for path in folder.iterdir()) == before
    new.close()
    found = Trace.load(folder)
    assert (len(found.gramians), found.damaged, found.header.layers) == (0, (), layers)


def test_of_many_who_claim_a_folder_at_once_one_gets_it(tmp_path):
    barrier, outcomes = threading.Barrier(8), []

    def claim() -> None:
        barrier.wait()
        try:
            outcomes.append(Trace(tmp_path / "trace", HEADER))
        except InputError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [each for each in outcomes if isinstance(each, Trace)]
    assert all("holds one already" in each for each in outcomes if each is not winner)
    winner.append(gramian_record(0))
    winner.close()
    assert steps(tmp_path / "trace") == [0]


def test_a_header_that_is_a_link_is_not_written_through(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = tmp_path / "trace"
    trace = Trace(folder, HEADER)
    (folder / "gramians-000000.parquet").symlink_to(victim)
    trace.append(gramian_record(0))
    trace.close()
    assert victim.read_text() == "precious"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "header.json").symlink_to(tmp_path / "absent")
    with pytest.raises(InputError, match="out: expected"):
        Trace(tmp_path / "other")
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("path", ["a\0b", "x" * 300, "x/" * 3000, ""])
def test_a_path_that_no_disk_takes_is_refused_by_name(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    if path == "":
        (tmp_path / "header.json").touch()
    with pytest.raises(InputError, match="out: expected") as raised:
        Trace(path)
    assert len(str(raised.value)) < 500


def test_a_long_slow_run_leaves_tens_of_files_and_every_record_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "_PART_SECONDS", 0.0)
    monkeypatch.setattr("gradprobe.trace.compaction.FAN_IN", 4)
    trace = Trace(tmp_path, HEADER)
    for step in range(70):
        trace.append(gramian_record(step))
        if step % 3 == 0:
            trace.append(quantity_record(step))
    trace.close()
    names = [path.name for path in tmp_path.iterdir()]
    assert len([name for name in names if name.startswith("gramians")]) <= 3 * 4
    found = Trace.load(tmp_path)
    assert found.damaged == ()
    assert_same_gramians(list(found.gramians), [gramian_record(step) for step in range(70)])
    assert found.quantities == [quantity_record(step) for step in range(0, 70, 3)]
    listed = {part["name"] for part in json.loads((tmp_path / "header.json").read_text())["parts"]}
    assert {name for name in names if name.endswith("parquet")} == listed


def test_the_number_of_parts_grows_with_the_logarithm_and_no_record_is_rewritten_often():
    for size in (500, 50_000, 5_000_000, 40_000_000):
        parts: list[Part] = []
        moved = 0
        for step in range(5000):
            parts.append(Part(f"gramians-{step:06d}.parquet", step, 1, size, ""))
            while (found := next_merge(parts)) is not None:
                merged = parts[found.start : found.stop]
                records = sum(part.records for part in merged)
                moved += records
                first = merged[0]
                whole = Part(first.name, first.first, records, records * size, "", level=found.level)
                assert whole.size <= 2 * LARGE_BYTES
                parts[found.start : found.stop] = [whole]
        assert [part.first for part in parts] == np.cumsum(
            [0, *(part.records for part in parts[:-1])]
        ).tolist()
        assert len(parts) <= 5 * FAN_IN + 2 * 5000 * size / LARGE_BYTES
        assert moved <= 4 * 5000


def test_a_merge_that_is_interrupted_loses_and_repeats_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "_PART_SECONDS", 0.0)
    trace = Trace(tmp_path, HEADER)
    for step in range(15):
        trace.append(gramian_record(step))

    def killed(self: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            trace.append(gramian_record(15))
    assert len(list(tmp_path.glob("*.parquet"))) == 17
    found = Trace.load(tmp_path)
    assert ([record.step for record in found.gramians], found.damaged) == (list(range(16)), ())


def test_a_damaged_part_is_not_merged_away(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "_PART_SECONDS", 0.0)
    trace = Trace(tmp_path, HEADER)
    for step in range(10):
        trace.append(gramian_record(step))
    (tmp_path / "gramians-000004.parquet").write_bytes(b"PAR1")
    with warnings.catch_warnings(action="ignore"):
        for step in range(10, 40):
            trace.append(gramian_record(step))
        trace.close()
    found = Trace.load(tmp_path)
    assert [record.step for record in found.gramians] == [step for step in range(40) if step != 4]
    assert [text.split(":")[0] for text in found.damaged] == ["gramians-000004.parquet"]


def test_memory_stays_flat_while_a_trace_is_written_and_while_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(stored_module, "KEPT_BYTES", 1_000_000)
    monkeypatch.setattr(writer_module, "_PART_BYTES", 1_000_000)
    monkeypatch.setattr("gradprobe.trace.compaction.LARGE_BYTES", 1_000_000)
    groups = tuple(Group(f"t{k}") for k in range(40))
    header = TraceHeader(focal="t0", layers=("a", "b"), parameters=(9, 9))
    values = np.random.default_rng(0).normal(size=(2, 40, 40))
    Trace(tmp_path / "first", header).close()  # what is imported once
    tracemalloc.start()
    try:
        with Trace(tmp_path / "trace", header) as trace:
            for step in range(320):  # 8 MB in all, parts of 1 MB
                gramian = Gramian(groups, header.layers, values + step, (1,) * 40, (9, 9))
                trace.append(GramianRecord(step, "minibatch", "loop", gramian, np.ones(40)))
        found = Trace.load(tmp_path / "trace")
        for step, record in enumerate(found.gramians):
            assert record.gramian.values[1, 2, 3] == values[1, 2, 3] + step
        assert found.gramians[-1].step == 319
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def test_a_child_process_writes_nothing_for_its_parent(tmp_path, monkeypatch):
    trace = Trace(tmp_path, HEADER)
    trace.append(gramian_record(0))
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        trace.append(gramian_record(1))
        trace.flush()
    assert steps(tmp_path) == []


def test_records_behave_as_the_list_that_they_were(tmp_path):
    trace = Trace(tmp_path, HEADER)
    assert trace.gramians == []
    for step in range(6):
        trace.append(gramian_record(step))
        if step % 2:
            trace.flush()
    for records in (trace.gramians, Trace.load(tmp_path).gramians):
        assert len(records) == 6
        assert records[-1].step == 5
        assert [record.step for record in records[1:5:2]] == [1, 3]
        assert [record.step for record in reversed(records)] == [5, 4, 3, 2, 1, 0]
        with pytest.raises(IndexError):
            records[6]
        assert records == list(records)
        assert records != list(records)[1:]
