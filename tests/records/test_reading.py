"""JSON of any kind is read, or refused in one sentence."""

from __future__ import annotations

import os

import pytest

from gradprobe.errors import InputError, TraceError
from gradprobe.records.reading import read_object

HOSTILE = {
    "cut short": b'{"a": 1',
    "empty": b"",
    "nested": b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "many digits": b'{"a":' + b"9" * 5000 + b"}",
    "no UTF-8": b'{"a": "\xff"}',
    "a list": b"[1]",
    "null": b"null",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_json_is_one_sentence_that_names_the_file(tmp_path, name):
    path = tmp_path / "study.json"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(InputError, match=r"study\.json: expected the description of a study"):
        read_object(path, what="the description of a study")


def test_the_caller_chooses_the_kind_of_error(tmp_path):
    with pytest.raises(TraceError, match=r"header\.json: expected a header, which cannot be read"):
        read_object(tmp_path / "header.json", what="a header", error=TraceError)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "study.json")
    with pytest.raises(InputError, match="no regular file"):
        read_object(tmp_path / "study.json", what="a study")


def test_a_folder_and_a_name_with_a_null_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "a\0b"):
        with pytest.raises(InputError, match="expected a study"):
            read_object(path, what="a study")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    (tmp_path / "a.json").write_bytes(b'{"a": "' + b"x" * 1000 + b'"}')
    with pytest.raises(InputError, match="got a file of more than 100 bytes"):
        read_object(tmp_path / "a.json", what="a study", most=100)
    assert read_object(tmp_path / "a.json", what="a study") == {"a": "x" * 1000}
