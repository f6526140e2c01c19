import json

import numpy as np
import pytest

from gradprobe.errors import TraceError
from gradprobe.reports.watch.follow import Following
from gradprobe.trace import Trace, tail
from gradprobe.trace.manifest import Manifest
from tests.reports._traces import add, header, record


def steps(following, split="minibatch"):
    return [reading.step for reading in following.readings[split]]


def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path):
    following = Following(tmp_path / "trace", history=8)
    following.poll()
    assert following.header is None
    trace = Trace(tmp_path / "trace", header())
    following.poll()
    assert following.header.focal == "focal"
    assert following.latest is None
    add(trace, record(0))
    following.poll()
    assert steps(following) == [0]


def test_a_header_that_is_being_written_is_waited_for(tmp_path):
    text = Manifest(header()).to_json()
    (tmp_path / "header.json").write_text(text[: len(text) // 2])
    following = Following(tmp_path, history=8)
    following.poll()
    assert following.header is None
    (tmp_path / "header.json").write_text(text)
    following.poll()
    assert following.header == header()


def test_every_part_is_read_once(tmp_path, monkeypatch):
    read, real = [], tail.read_part

    def spy(folder, part, head):
        read.append(part.name)
        return real(folder, part, head)

    monkeypatch.setattr(tail, "read_part", spy)
    trace = Trace(tmp_path, header())
    following = Following(tmp_path, history=8)
    for step in range(4):
        add(trace, record(step))
        following.poll()
        following.poll()
    assert len(read) == len(set(read)) == 4
    assert steps(following) == [0, 1, 2, 3]


def test_only_the_latest_readings_are_kept_but_all_are_counted(tmp_path):
    trace = Trace(tmp_path, header())
    add(trace, *(record(step) for step in range(20)), record(19, split="heldout"))
    following = Following(tmp_path, history=5)
    following.poll()
    assert steps(following) == [15, 16, 17, 18, 19]
    assert following.counts == {"minibatch": 20, "heldout": 1}


def test_readings_are_the_numbers_of_the_tidy_table(tmp_path):
    trace = Trace(tmp_path, header())
    add(trace, record(3))
    following = Following(tmp_path, history=5)
    following.poll()
    table = trace.frame()
    cosines = table[(table.quantity == "cosine") & (table.layer == "") & (table.task == "focal")]
    assert following.latest.cosines == dict(zip(cosines.other, cosines.value, strict=True))
    assert following.latest.negative_fraction == table[table.quantity == "negative_fraction"].value.item()


def test_what_is_undefined_is_nan_and_a_batch_without_the_focal_task_shows_nothing(tmp_path):
    trace = Trace(tmp_path, header())
    add(trace, record(0, zero=("x",)), record(1, tasks=("x", "y")))
    following = Following(tmp_path, history=5)
    following.poll()
    first, second = following.readings["minibatch"]
    assert np.isnan(first.cosines["x"])
    assert not np.isnan(first.cosines["y"])
    assert second.cosines == {}
    assert np.isnan(second.negative_fraction)


def test_a_damaged_part_is_named_and_read_once_it_is_whole(tmp_path):
    trace = Trace(tmp_path, header())
    add(trace, record(0))
    add(trace, record(1))
    part = tmp_path / "gramians-000001.parquet"
    whole = part.read_bytes()
    part.write_bytes(whole[: len(whole) // 2])
    following = Following(tmp_path, history=5)
    following.poll()
    assert (steps(following), following.unreadable) == ([0], (part.name,))
    part.write_bytes(whole)
    following.poll()
    assert (steps(following), following.unreadable) == ([0, 1], ())


def test_a_new_trace_in_the_same_folder_starts_everything_anew(tmp_path):
    add(Trace(tmp_path, header("yesterday")), record(0), record(1))
    following = Following(tmp_path, history=5)
    following.poll()
    for file in tmp_path.iterdir():
        file.unlink()
    following.poll()
    assert steps(following) == [0, 1]  # the last view stays while there is nothing new
    add(Trace(tmp_path, header("today")), record(7))
    following.poll()
    assert steps(following) == [7]
    assert following.counts == {"minibatch": 1}


def test_tasks_that_appear_later_are_shown(tmp_path):
    trace = Trace(tmp_path, header(tasks=("focal", "x")))
    add(trace, record(0, tasks=("focal", "x")))
    following = Following(tmp_path, history=5)
    following.poll()
    assert following.auxiliaries == ("x",)
    trace.describe(header())
    add(trace, record(1))
    following.poll()
    assert following.auxiliaries == ("x", "y")
    assert steps(following) == [0, 1]


@pytest.mark.parametrize("change", [{"schema_version": 99}, {"format": "something else"}])
def test_a_foreign_or_later_trace_is_refused(tmp_path, change):
    content = json.loads(Manifest(header()).to_json()) | change
    (tmp_path / "header.json").write_text(json.dumps(content))
    with pytest.raises(TraceError):
        Following(tmp_path, history=5).poll()
