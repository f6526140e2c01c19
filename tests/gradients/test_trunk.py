from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gradprobe.errors import MeasurementError
from gradprobe.gradients import JacobianCapture, all_parameters, find_trunk

MODEL = nn.Sequential(nn.Linear(1, 2, bias=False), nn.Linear(2, 2, bias=False))
SHARED = all_parameters(MODEL)


def _row(first: list[float], second: list[float] | None) -> list[Tensor | None]:
    """The gradient of one group on the two layers, one number for each row of weights."""
    late = None if second is None else torch.tensor(second)[:, None].expand(2, 2)
    return [torch.tensor(first)[:, None], late]


def _trunk(tasks: str, *rows: list[Tensor | None]):
    return find_trunk(JacobianCapture(rows, SHARED), list(tasks), MODEL)


def test_rows_of_weights_that_two_tasks_use_make_a_trunk():
    trunk = _trunk("ab", _row([1, 1], [1, 0]), _row([1, 0], [0, 1]))
    assert (trunk.layers, trunk.excluded) == (("0",), ("1",))


def test_folds_of_a_task_are_taken_together():
    """Each fold by itself touches one row, so that the first folds alone look like a fused head."""
    rows = [_row([1, 0], [1, 0]), _row([0, 1], [1, 0]), _row([0, 1], [0, 1]), _row([1, 0], [0, 1])]
    trunk = _trunk("aabb", *rows)
    assert (trunk.layers, trunk.excluded) == (("0",), ("1",))


def test_opposite_folds_do_not_cancel():
    rows = [_row([1, 0], [1, 0]), _row([-1, 0], [1, 0]), _row([1, 0], [0, 1])]
    assert _trunk("aab", *rows).layers == ("0",)


def test_folds_of_one_task_are_not_two_tasks():
    rows = [_row([1, 1], [1, 1]), _row([1, 1], [1, 1]), _row([1, 1], None)]
    assert _trunk("aab", *rows).layers == ("0",)


def test_a_layer_is_shared_though_a_third_task_uses_other_rows():
    rows = [_row([1, 1], [1, 0]), _row([1, 1], [1, 0]), _row([1, 1], [0, 1])]
    assert _trunk("abc", *rows).layers == ("0", "1")


def test_a_gradient_of_zero_is_no_use_of_a_layer():
    trunk = _trunk("ab", _row([1, 1], [1, 1]), _row([1, 1], [0, 0]))
    assert (trunk.layers, trunk.excluded) == (("0",), ("1",))


def test_heads_alone_are_no_trunk():
    with pytest.raises(MeasurementError, match="shared: expected parameters"):
        _trunk("ab", _row([1, 0], [1, 0]), _row([0, 1], [0, 1]))
