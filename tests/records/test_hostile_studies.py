"""Descriptions of studies whose checksums are right and whose content is not: one sentence, no traceback."""

import json
from pathlib import Path

import pytest

from gradprobe.errors import InputError
from gradprobe.records.checksums import digest_of
from gradprobe.records.depth import SignalCourse
from gradprobe.records.manifest import identify
from gradprobe.records.study import read_study

GRAPH = {"name": "g", "nodes": 2, "edges": 1, "features": 1, "classes": 2, "homophily": 0.5, "notes": []}


@pytest.mark.parametrize("kind", ["depth", "edit"])
@pytest.mark.parametrize("identity", [{}, {"width": "\x1b[2J"}, {"width": [[1]], "epochs": None}])
def test_options_that_are_none_are_named_when_the_study_is_read(
    tmp_path: Path, kind: str, identity: dict[str, object]
) -> None:
    content = {
        "format": "gradprobe study",
        "schema_version": 2,
        "kind": kind,
        "digest": identify(kind, identity),
        "identity": identity,
        "graph": GRAPH,
        "cells": [],
    }
    content["checksum"] = digest_of(content)
    (tmp_path / "study.json").write_text(json.dumps(content))
    with pytest.raises(
        InputError, match=r"study\.json: expected the description of a gradprobe study, got a dam"
    ):
        read_study(tmp_path)


def test_rows_of_different_lengths_are_no_grid() -> None:
    fields = SignalCourse.model_fields
    ragged = {name: [[1.0], [1.0, 2.0]] for name in fields}
    with pytest.raises(ValueError, match="rows of different lengths"):
        SignalCourse.model_validate(ragged)
