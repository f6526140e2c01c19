from dataclasses import replace

import numpy as np
import pytest

from gradprobe.data import MoleculeTable, Splits, TaskLabels
from gradprobe.errors import InputError
from gradprobe.training import TrainingData
from tests.training._toys import MatrixFeatures, toy_data

TABLE = MoleculeTable.from_dense(
    smiles=("C", "CC", "CCC", "CCCC", "CCCCC", "CCCCCC"),
    tasks=("length", "even"),
    labels=np.array([[1.0, 0], [2, 1], [3, np.nan], [4, 1], [np.nan, 0], [6, 1]]),
    kinds={"length": "regression", "even": "classification"},
)
SPLITS = Splits(train=np.array([0, 1, 4]), validation=np.array([2]), test=np.array([3, 5]))


def from_table(table=TABLE, splits=SPLITS, focal="length"):
    return TrainingData.from_table(table, splits, features=MatrixFeatures(np.zeros((6, 1))), focal=focal)


def test_targets_are_standardised_on_the_tasks_own_train_labels():
    data = from_table()
    length = data.targets["length"].dense(6)
    np.testing.assert_allclose(length, (np.array([1, 2, 3, 4, np.nan, 6]) - 1.5) / 0.5)
    np.testing.assert_array_equal(data.targets["even"].dense(6), TABLE.labels[:, 1])


def test_bounds_are_learnt_from_and_neither_scaled_by_nor_scored():
    own = TABLE.of("length")
    # The labels of molecules 1 (train), 2 (validation) and 3 (test) are bounds.
    bounds = np.array([0, 1, -1, 1, 0], dtype=np.int8)
    exact = dict(TABLE.labelled) | {"length": TaskLabels(own.rows, own.values, bounds)}
    splits = Splits(train=np.array([0, 1, 4, 5]), validation=np.array([3]), test=np.array([2]))
    data = from_table(replace(TABLE, labelled=exact), splits, focal="even")
    assert {split: list(rows["length"]) for split, rows in data.rows.items()} == {
        "train": [0, 1, 5],
        "validation": [],
        "test": [],
    }
    assert (data.scaling.centre[0], data.scaling.spread[0]) == (3.5, 2.5)
    values, found = data.targets["length"].at(np.array([0, 1, 5]))
    np.testing.assert_allclose(values, [-1.0, -0.6, 1.0])
    assert found.tolist() == [0, 1, 0]


def test_splits_hold_the_molecules_that_carry_the_task():
    rows = from_table().rows
    assert {split: {task: list(r) for task, r in tasks.items()} for split, tasks in rows.items()} == {
        "train": {"length": [0, 1], "even": [0, 1, 4]},
        "validation": {"length": [2], "even": []},
        "test": {"length": [3, 5], "even": [3, 5]},
    }


def test_labels_and_predictions_are_in_the_tasks_own_unit():
    data = from_table()
    np.testing.assert_allclose(data.labels("length", np.array([5, 0])), [6.0, 1.0])
    np.testing.assert_allclose(data.predictions("length", np.array([0.0, 1.0], dtype=np.float32)), [1.5, 2.0])
    np.testing.assert_allclose(data.predictions("even", np.array([0.0, np.log(3)])), [0.5, 0.75])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"focal": "nobody"}, "focal: expected one of"),
        ({"targets": {}}, "targets: expected those of"),
        (
            {"targets": {**toy_data().targets, "focal": TaskLabels.from_dense(np.ones(121))}},
            "rows below the 120 of the features, got row 120 of 'focal'",
        ),
    ],
)
def test_data_that_do_not_fit_together_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        TrainingData(**{**vars(toy_data()), **change})


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_focal_task_without_labels_to_learn_from_or_to_stop_by_is_refused(split):
    data = toy_data()
    rows = {name: dict(tasks) for name, tasks in data.rows.items()}
    rows[split]["focal"] = np.zeros(0, dtype=int)
    with pytest.raises(InputError, match=f"in the {split} split, got none"):
        TrainingData(**{**vars(data), "rows": rows})


def test_the_focal_task_alone_keeps_its_molecules_targets_and_unit():
    data = toy_data()
    alone, rows = data.focal_alone(), data.rows["train"]["focal"]
    assert alone.tasks == ("focal",)
    assert alone.targets == {"focal": data.targets["focal"]}
    np.testing.assert_array_equal(alone.rows["train"]["focal"], rows)
    np.testing.assert_array_equal(alone.labels("focal", rows), data.labels("focal", rows))
