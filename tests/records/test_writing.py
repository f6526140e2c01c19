"""The one atomic write: whole files, no shared names, nothing written through links."""

from __future__ import annotations

import multiprocessing
import os

import pytest

from gradprobe.errors import InputError
from gradprobe.records.checksums import checksum, checksum_of, digest_of
from gradprobe.records.writing import remove_unfinished, replacing, write_atomically


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    write_atomically(path, b"old")
    with pytest.raises(TypeError), replacing(path) as file:
        file.writelines([b"half of the n", None])
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "deep" / "a.json"
    write_atomically(path, b"old")
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_a_link_in_place_of_the_file_is_replaced_and_its_target_untouched(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    for name in ("a.json", "a.json.unfinished", ".a.json.unfinished"):
        (tmp_path / name).symlink_to(victim)
    write_atomically(tmp_path / "a.json", b"new")
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "a.json").is_symlink()


@pytest.mark.parametrize("deeper", ["", "figures"])
def test_a_folder_that_links_elsewhere_is_refused(tmp_path, deeper):
    outside, study = tmp_path / "outside", tmp_path / "study"
    outside.mkdir()
    study.mkdir()
    (study / "link").symlink_to(outside)
    with pytest.raises(InputError, match=r"expected a folder inside .*, got a link to"):
        write_atomically(study / "link" / deeper / "a.png", b"x", within=study)
    assert not list(outside.iterdir())
    write_atomically(study / "figures" / "a.png", b"x", within=study)


def test_a_folder_named_with_dots_is_refused(tmp_path):
    (tmp_path / "study").mkdir()
    with pytest.raises(InputError, match="expected a folder inside"):
        write_atomically(tmp_path / "study" / ".." / "other" / "a.png", b"x", within=tmp_path / "study")


def test_permissions_are_those_of_any_new_file(tmp_path):
    write_atomically(tmp_path / "a", b"")
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path):
    write_atomically(tmp_path / "a", b"")
    (tmp_path / ".0123.unfinished").write_bytes(b"half")
    (tmp_path / "mine.unfinished").write_bytes(b"mine")
    remove_unfinished(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "mine.unfinished"}


def _write_often(path, content):
    for _ in range(150):
        write_atomically(path, content, durable=False)


def test_two_writers_of_one_file_never_fail_and_no_reader_sees_a_torn_file(tmp_path):
    path, contents = tmp_path / "a", (b"0" * 5000, b"1" * 5000)
    write_atomically(path, contents[0])
    context = multiprocessing.get_context("fork" if os.name == "posix" else "spawn")
    writers = [context.Process(target=_write_often, args=(path, content)) for content in contents]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in contents
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert list(tmp_path.iterdir()) == [path]


def test_checksums_are_those_of_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert checksum(tmp_path / "a") == checksum_of(b"abc") == known
    assert digest_of({"a": 1, "b": 2}) != digest_of({"a": 1, "b": 3})
