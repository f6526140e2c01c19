"""Rows that cancel: what one pass for all tasks cannot hold is formed in float64, or left to the loop."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from gradprobe.gradients import LoopEngine, RowwiseEngine, select_parameters
from gradprobe.probes import GradientProbe
from tests import _oracles
from tests._zoo import zoo


def network():
    torch.manual_seed(2)
    trunk = nn.Sequential(nn.Linear(6, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU())
    return nn.ModuleDict({"trunk": trunk, "a": nn.Linear(512, 1), "b": nn.Linear(512, 1)})


def opposed(model, left, *, dtype=torch.float32):
    """Mean losses of two tasks whose molecules come twice, with opposite slopes but for a share `left`."""
    draw = np.random.default_rng(4)
    x = torch.tensor(draw.normal(size=(16, 6)), dtype=torch.float32).repeat(4, 1).to(dtype)
    slopes = draw.choice([-1.0, 1.0], size=16)
    rest = left * draw.normal(size=(2, 16))
    coefficients = [
        torch.tensor(np.concatenate([slopes + own, -slopes]), dtype=torch.float32) for own in rest
    ]
    h = model["trunk"](x)
    return [
        (model["a"](h[:32])[:, 0] * coefficients[0].to(dtype)).mean(),
        (model["b"](h[32:])[:, 0] * coefficients[1].to(dtype)).mean(),
    ]


@pytest.mark.parametrize("left", [1.0, 1e-2, 1e-3, 1e-4, 1e-5])
def test_gradients_whose_rows_cancel_are_as_exact_as_those_of_the_loop(left):
    model = network()
    shared = select_parameters(model, model["trunk"])
    capture = RowwiseEngine().capture(opposed(model, left), shared)
    wide = copy.deepcopy(model).double()
    truth = LoopEngine().capture(
        opposed(wide, left, dtype=torch.float64), select_parameters(wide, wide["trunk"])
    )
    loop = LoopEngine().capture(opposed(model, left), shared)
    own_error = np.abs(loop.gramian() - truth.gramian()).max()
    scale = np.diagonal(truth.gramian(), axis1=1, axis2=2).min()
    error = np.abs(capture.gramian() - truth.gramian()).max()
    assert error <= max(1e-4 * scale, 2 * own_error)


def test_what_was_done_about_cancelling_rows_is_in_the_note():
    def measured(left):
        model = network()
        probe = GradientProbe(model, focal="a", shared=model["trunk"])
        return probe.measure(dict(zip("ab", opposed(model, left), strict=True)))

    assert (measured(1.0).engine, measured(1.0).note) == ("rowwise", "")
    some = measured(1e-2)
    assert some.engine == "rowwise"
    assert "products in float64 for trunk.2.weight, since the rows of a task nearly cancel" in some.note
    most = measured(1e-5)
    assert most.engine == "loop"
    assert "loop, since the rows of a task cancel in" in most.note


def test_rows_that_cancel_in_full_leave_a_gradient_of_zero_to_the_loop():
    model = network()
    capture = RowwiseEngine().capture(opposed(model, 0.0), select_parameters(model, model["trunk"]))
    assert capture.engine == "loop"


@pytest.mark.parametrize("size", [1e-14, 1e-19])
def test_products_of_gradients_too_small_to_square_in_float32_do_not_vanish(size):
    model = network()
    shared = select_parameters(model, model["trunk"])
    expected = RowwiseEngine().capture(opposed(model, 1.0), shared).gramian()
    small = RowwiseEngine().capture([loss * size for loss in opposed(model, 1.0)], shared).gramian()
    _oracles.assert_gramians_agree(small / size**2, expected, 1e-4)


@pytest.mark.parametrize("case", zoo(), ids=lambda case: case.name)
def test_ordinary_steps_are_not_taken_for_cancelling_ones(case):
    setup = case.build()
    everything = select_parameters(setup.model, setup.model)
    for batch in setup.loader:
        losses = [loss.mean() for loss in setup.losses(setup.model, batch).values() if loss.numel()]
        if len(losses) > 1:
            assert "cancel" not in RowwiseEngine().capture(losses, everything).note
