from __future__ import annotations

import dataclasses
import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from gradprobe.geometry import Gramian, Group
from gradprobe.trace import GramianRecord, Trace
from gradprobe.trace.columns import TEXTS
from tests.trace._records import FOLDS, HEADER, gramian_record, quantity_record

COLUMNS = [
    *("step", "epoch", "split", "engine", "quantity", "layer", "task", "other", "value", "reason"),
    "geometry",
]


def _trace(*records: object) -> Trace:
    trace = Trace(header=HEADER)
    for record in records:
        trace.append(record)
    return trace


def _numbers(frame: pd.DataFrame) -> dict[tuple[object, ...], float]:
    keys = frame[["step", "quantity", "layer", "task", "other"]].itertuples(index=False, name=None)
    numbers = dict(zip(keys, frame["value"], strict=True))
    assert len(numbers) == len(frame), "every number has a row of its own"
    return numbers


def _by_loops(record: GramianRecord, focal: str) -> dict[tuple[object, ...], float]:
    """Every number of a record of whole tasks, from its values by plain arithmetic."""
    tasks, step, found = record.gramian.tasks, record.step, {}
    order = [focal, *(task for task in tasks if task != focal)]
    for i, task in enumerate(tasks):
        found[step, "loss", "", task, ""] = record.losses[i]
        found[step, "rows", "", task, ""] = record.gramian.rows[i]
    overall = sum(record.gramian.values)
    for layer, G in [("", overall), *zip(HEADER.layers, record.gramian.values, strict=True)]:
        at = {(a, b): G[i][j] for i, a in enumerate(tasks) for j, b in enumerate(tasks)}

        def cos(a: str, b: str, at: dict = at) -> float:
            return at[a, b] / math.sqrt(at[a, a] * at[b, b])

        for task in tasks:
            found[step, "norm", layer, task, ""] = math.sqrt(at[task, task])
        for a, b in combinations(order, 2):
            if a == focal or not layer:
                found[step, "cosine", layer, a, b] = cos(a, b)
        for other in order[1:]:
            found[step, "norm_ratio", layer, focal, other] = math.sqrt(at[focal, focal] / at[other, other])
        if not layer:
            pairs = [cos(a, b) for a, b in combinations(tasks, 2)]
            mine = [cos(focal, other) for other in order[1:]]
            found[step, "overlap", "", "", ""] = sum(map(abs, pairs)) / len(pairs)
            found[step, "conflict_energy", "", "", ""] = sum(max(0.0, -c) for c in pairs)
            found[step, "conflict_energy_per_pair", "", "", ""] = sum(max(0.0, -c) for c in pairs) / len(
                pairs
            )
            found[step, "negative_fraction", "", focal, ""] = sum(c < 0 for c in mine) / len(mine)
            found[step, "negative_mass", "", focal, ""] = sum(max(0.0, -c) for c in mine) / len(mine)
    return found


def test_every_number_of_every_record_has_one_row():
    records = [gramian_record(step) for step in (-1, 0, 10)]
    found = _numbers(_trace(*records).frame())
    expected: dict[tuple[object, ...], float] = {}
    for record in records:
        expected |= _by_loops(record, "b")
    assert set(found) == set(expected)
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-12), key


def test_columns_and_their_types_are_fixed_also_where_nothing_was_measured():
    for trace in (_trace(), _trace(gramian_record(0, epoch=4)), _trace(quantity_record(0))):
        frame = trace.frame()
        assert list(frame.columns) == COLUMNS
        assert [str(frame[name].dtype) for name in ("step", "epoch", "value")] == [
            "int64",
            "Int64",
            "float64",
        ]


def test_place_and_time_of_a_measurement_stand_in_every_row():
    frame = _trace(gramian_record(3, epoch=1, split="train"), gramian_record(4)).frame()
    first, second = frame[frame["step"] == 3], frame[frame["step"] == 4]
    assert set(first["epoch"]) == {1}
    assert set(first["split"]) == {"train"}
    assert set(first["engine"]) == {"loop"}
    assert second["epoch"].isna().all()


def test_folds_keep_their_losses_and_counts_and_are_merged_in_all_else():
    record = gramian_record(0, FOLDS)
    frame = _trace(record).frame()
    losses = frame[frame["quantity"] == "loss"]
    assert list(zip(losses["task"], losses["other"], losses["value"], strict=True)) == [
        (group.task, group.fold, loss) for group, loss in zip(FOLDS, record.losses, strict=True)
    ]
    merged = dataclasses.replace(record, gramian=record.gramian.by_task(), losses=np.zeros(2))
    found, expected = _numbers(frame), _by_loops(merged, "b")
    for key in expected:
        if key[1] not in ("loss", "rows"):
            assert found[key] == pytest.approx(expected[key], rel=1e-12), key


def test_a_missing_focal_task_leaves_out_what_is_about_it():
    groups = (Group("a"), Group("c"))
    frame = _trace(gramian_record(0, groups)).frame()
    assert set(frame["quantity"]) == {
        "loss", "rows", "norm", "cosine", "overlap", "conflict_energy", "conflict_energy_per_pair"
    }  # fmt: skip
    assert len(frame[frame["quantity"] == "cosine"]) == 1


def test_undefined_numbers_are_nan_with_a_reason_and_only_those():
    J = np.array([[1.0, 2.0], [0.0, 0.0], [2.0, 1.0]])
    values = np.stack([J @ J.T, np.zeros((3, 3))])
    gramian = Gramian((Group("a"), Group("b"), Group("c")), HEADER.layers, values, (1, 1, 1), (20, 30))
    record = GramianRecord(0, "minibatch", "loop", gramian, np.array([1.0, np.nan, 2.0]))
    frame = _trace(record, quantity_record(0, math.nan, reason="the representation is zero")).frame()
    undefined = frame["value"].isna()
    assert (frame["reason"] != "")[undefined].all()
    assert (frame["reason"] == "")[~undefined].all()
    reasons = frame[undefined].groupby("quantity")["reason"].unique().map(list).to_dict()
    zero = "a zero gradient has no direction"
    assert reasons == {
        "cosine": [zero],
        "effective_rank": ["the representation is zero"],
        "loss": ["no loss given"],
        "negative_fraction": [zero],
        "negative_mass": [zero],
        "norm_ratio": ["the auxiliary gradient is zero"],
    }
    assert frame[frame["quantity"] == "overlap"]["value"].item() == pytest.approx(0.8)


def test_quantities_that_are_read_off_no_gramian_have_rows_too():
    frame = _trace(quantity_record(2, 3.5, epoch=1, task="a")).frame()
    assert frame.iloc[0].to_dict() == {
        "step": 2, "epoch": 1, "split": "heldout", "engine": "", "quantity": "effective_rank",
        "layer": "enc.2", "task": "a", "other": "", "value": 3.5, "reason": "", "geometry": "",
    }  # fmt: skip


def test_a_stored_trace_gives_the_same_table_as_the_one_in_memory(tmp_path):
    records = [
        gramian_record(0, FOLDS, epoch=1),
        gramian_record(1),
        quantity_record(1, math.nan, reason="zero"),
    ]
    with Trace(tmp_path, HEADER) as trace:
        for record in records:
            trace.append(record)
    pd.testing.assert_frame_equal(Trace.load(tmp_path).frame(), trace.frame())


def test_a_selection_is_that_part_of_the_whole_table(tmp_path):
    trace = _trace(gramian_record(0, FOLDS), gramian_record(1), quantity_record(1), quantity_record(2, 4.0))
    whole = trace.frame()
    for quantities in (
        None,
        ["cosine"],
        ["loss", "effective_rank"],
        ["conflict_energy_per_pair", "norm"],
        [],
    ):
        for layers in (None, [""], ["enc.2"], ["", "enc.0"]):
            chosen = np.ones(len(whole), dtype=bool)
            if quantities is not None:
                chosen &= whole["quantity"].isin(quantities)
            if layers is not None:
                chosen &= whole["layer"].isin(layers)
            found = trace.frame(quantities=quantities, layers=layers)
            pd.testing.assert_frame_equal(
                found.astype(dict.fromkeys(TEXTS, object)),
                whole[chosen].reset_index(drop=True).astype(dict.fromkeys(TEXTS, object)),
            )


def test_texts_are_categories_that_columns_share_where_asked_for():
    frame = _trace(gramian_record(0)).frame(categories=True)
    assert all(isinstance(frame[name].dtype, pd.CategoricalDtype) for name in TEXTS)
    pairs = frame[frame["quantity"] == "cosine"]
    assert not (pairs["task"] == pairs["other"]).any()
    assert (frame["task"].cat.categories == frame["reason"].cat.categories).all()


def test_texts_are_plain_where_nobody_asks_for_categories():
    trace = _trace(gramian_record(0, FOLDS), quantity_record(1))
    shared = trace.frame(categories=True)
    plain = trace.frame()
    assert all(plain[name].tolist() == shared[name].tolist() for name in TEXTS)
    assert plain.groupby(["layer", "task", "other"]).size().sum() == len(plain)
    assert "whole trunk" in set(plain["layer"].replace("", "whole trunk"))
