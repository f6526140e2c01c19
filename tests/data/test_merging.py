import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gradprobe.data.merging import kind_of, merge_rows

Rows = list[tuple[str, float | None, float | None]]
rows_of_labels = st.lists(
    st.tuples(
        st.sampled_from(["C", "CC", "CCC", "O", "N"]),
        st.none() | st.floats(-1e3, 1e3, allow_nan=False),
        st.none() | st.sampled_from([0.0, 1.0]),
    ),
    min_size=1,
    max_size=30,
)


def merge_by_hand(rows: Rows) -> dict[str, tuple[float, float]]:
    """Slow and obvious: every molecule's labels in lists, then their means."""
    merged = {}
    for molecule in dict.fromkeys(row[0] for row in rows):
        values = [row[1] for row in rows if row[0] == molecule and row[1] is not None]
        classes = [row[2] for row in rows if row[0] == molecule and row[2] is not None]
        value = sum(values) / len(values) if values else math.nan
        agreed = classes[0] if classes and len(set(classes)) == 1 else math.nan
        if not (math.isnan(value) and math.isnan(agreed)):
            merged[molecule] = (value, agreed)
    return merged


@given(rows_of_labels)
def test_repeats_are_merged_as_by_hand(rows: Rows) -> None:
    labels = np.array([[np.nan if x is None else x for x in row[1:]] for row in rows])
    table = merge_rows([row[0] for row in rows], labels, {"y": "regression", "c": "classification"})
    expected = merge_by_hand(rows)
    assert table.smiles == tuple(expected)
    np.testing.assert_allclose(
        table.labels, np.array(list(expected.values())).reshape(-1, 2), rtol=1e-12, atol=1e-9
    )
    assert table.merged == len(rows) - len({row[0] for row in rows})


def test_disagreeing_classes_are_left_out_and_counted_while_disagreeing_numbers_are_averaged() -> None:
    labels = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 1.0]])
    table = merge_rows(["C", "C", "N", "O", "N"], labels, {"class": "classification", "number": "regression"})
    np.testing.assert_array_equal(table.labels, [[np.nan, 0.5], [1.0, 1.0], [0.0, 0.0]])
    assert table.conflicts == {"class": 1}
    assert table.merged == 2


def test_a_task_of_one_class_only_is_no_classification() -> None:
    assert kind_of(np.array([0.0, 1.0, np.nan])) == "classification"
    assert kind_of(np.array([1.0, 1.0])) == "regression"
    assert kind_of(np.array([0.0, 1.0, 2.0])) == "regression"
    assert kind_of(np.array([np.nan])) == "regression"
