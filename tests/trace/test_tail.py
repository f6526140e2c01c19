"""A trace read while it grows: every record once, whatever is merged meanwhile."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from gradprobe.trace import Trace, TraceTail
from gradprobe.trace import writer as writer_module
from tests.trace._records import HEADER, gramian_record


def new(tail: TraceTail) -> list[int]:
    return [record.step for record in tail.read()]


def test_every_record_is_handed_out_once_while_parts_are_merged(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "_PART_SECONDS", 0.0)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    tail = TraceTail(tmp_path / "trace")
    assert new(tail) == []
    trace = Trace(tmp_path / "trace", HEADER)
    seen: list[int] = []
    for step in range(60):
        trace.append(gramian_record(step))
        if step % 7 == 0:
            seen += new(tail)
    seen += new(tail)
    assert seen == list(range(60))
    assert (new(tail), tail.unreadable, tail.header) == ([], (), HEADER)


def test_a_damaged_part_is_named_and_handed_out_once_it_is_whole(tmp_path):
    trace = Trace(tmp_path, HEADER)
    for step in range(3):
        trace.append(gramian_record(step))
        trace.flush()
    part = tmp_path / "gramians-000001.parquet"
    whole = part.read_bytes()
    part.write_bytes(b"PAR1" + whole[4:-4] + b"PAR2")
    tail = TraceTail(tmp_path)
    assert (new(tail), tail.unreadable) == ([0, 2], (part.name,))
    part.write_bytes(whole)
    assert (new(tail), tail.unreadable) == ([1], ())


def test_a_trace_without_a_list_of_parts_is_read_by_name(tmp_path):
    shutil.copytree(Path(__file__).parent / "schema_1", tmp_path / "trace")
    tail = TraceTail(tmp_path / "trace")
    assert (new(tail), new(tail)) == ([-1, 4], [])
    shutil.copy(
        tmp_path / "trace" / "gramians-000000.parquet", tmp_path / "trace" / "gramians-000001.parquet"
    )
    assert (new(tail), new(tail)) == ([-1, 4], [])


def test_another_run_in_the_same_folder_starts_anew(tmp_path):
    with Trace(tmp_path / "trace", HEADER) as trace:
        trace.append(gramian_record(0))
    tail = TraceTail(tmp_path / "trace")
    assert (new(tail), tail.started) == ([0], 1)
    shutil.rmtree(tmp_path / "trace")
    with Trace(tmp_path / "trace", HEADER) as trace:
        trace.append(gramian_record(0))
    assert (new(tail), tail.started) == ([0], 2)
