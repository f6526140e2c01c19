import math

import numpy as np
import pytest

from gradprobe.data import Splits, TargetScaling
from gradprobe.errors import InputError
from tests.data._tables import chains, table_of

NAN = math.nan
Y = [1.0, 3.0, 8.0, NAN, 100.0, -7.0]
C = [0.0, 1.0, 1.0, NAN, 0.0, 1.0]
TABLE = table_of(chains(6), y=Y, c=C)
SPLIT = Splits(train=np.array([0, 1, 2, 3]), validation=np.array([4]), test=np.array([5]))


def test_each_task_is_standardised_on_its_own_train_labels() -> None:
    known = [Y[row] for row in (0, 1, 2)]
    mean = sum(known) / 3
    std = math.sqrt(sum((value - mean) ** 2 for value in known) / 3)
    scaled = TargetScaling.fit(TABLE, SPLIT).scale(TABLE.column("y"), "y")
    np.testing.assert_allclose(scaled, [(value - mean) / std for value in Y], rtol=1e-14)


def test_classes_stay_as_they_are() -> None:
    scaling = TargetScaling.fit(TABLE, SPLIT)
    np.testing.assert_array_equal(scaling.scale(TABLE.column("c"), "c"), C)
    np.testing.assert_array_equal(scaling.unscale(np.array([0.25, 0.75]), "c"), [0.25, 0.75])


def test_predictions_return_to_the_unit_of_the_labels() -> None:
    scaling = TargetScaling.fit(TABLE, SPLIT)
    np.testing.assert_allclose(scaling.unscale(scaling.scale(TABLE.column("y"), "y"), "y"), Y, rtol=1e-14)
    with pytest.raises(InputError, match="expected one of 'y', 'c', got 'x'"):
        scaling.unscale(np.zeros(1), "x")


def test_held_out_labels_do_not_leak_into_the_scale() -> None:
    shifted = table_of(chains(6), y=[*Y[:4], 1e6, -1e6], c=C)
    ours, theirs = TargetScaling.fit(TABLE, SPLIT), TargetScaling.fit(shifted, SPLIT)
    np.testing.assert_array_equal(ours.centre, theirs.centre)
    np.testing.assert_array_equal(ours.spread, theirs.spread)


@pytest.mark.parametrize("train", [[2.0, 2.0, 2.0], [0.3, 0.1 + 0.2, NAN], [5.0, NAN, NAN], [NAN, NAN, NAN]])
def test_a_train_split_without_a_difference_is_refused(train: list[float]) -> None:
    table = table_of(chains(6), y=Y, flat=[*train, NAN, 7.0, 8.0])
    with pytest.raises(InputError, match="different labels of 'flat' in the train split"):
        TargetScaling.fit(table, SPLIT)


def test_a_train_split_of_one_class_is_refused() -> None:
    table = table_of(chains(6), y=Y, c=[1.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    with pytest.raises(InputError, match="different labels of 'c'"):
        TargetScaling.fit(table, SPLIT)
