"""float16 without a loss scale loses small gradients; the probe scales each loss and undoes it exactly."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from gradprobe import CombinedUpdate, combiners
from gradprobe.errors import MeasurementError
from gradprobe.gradients import LoopEngine, select_parameters
from gradprobe.probes import GradientProbe


def network():
    torch.manual_seed(7)
    trunk = nn.Sequential(nn.Linear(5, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh())
    return nn.ModuleDict({"trunk": trunk, "a": nn.Linear(24, 1), "b": nn.Linear(24, 1)})


def losses_of(model, size, dtype=torch.float16):
    """Mean losses over many rows, the second a millionth of the first: its float16 gradients underflow."""
    kind = next(model.parameters()).dtype
    x = torch.randn(2048, 5, generator=torch.Generator().manual_seed(0)).to(kind)
    with torch.autocast("cpu", dtype=torch.float16, enabled=dtype == torch.float16):
        h = model["trunk"](x)
        a, b = model["a"](h)[:, 0], model["b"](h)[:, 0]
    a, b = (a, b) if kind == torch.float64 else (a.float(), b.float())
    return {"a": (a - 1).square().mean(), "b": (b + 1).abs().mean() * size}


def cosine(values):
    return values[0, 1] / np.sqrt(values[0, 0] * values[1, 1])


@pytest.mark.parametrize("engine", ["loop", "auto"])
@pytest.mark.parametrize("size", [1e6, 1.0, 1e-6])
def test_float16_gradients_have_the_cosine_and_the_norms_of_float64(engine, size):
    model = network()
    probe = GradientProbe(model, focal="a", shared=model["trunk"], engine=engine)
    record = probe.measure(losses_of(model, size))
    wide = copy.deepcopy(model).double()
    shared = select_parameters(wide, wide["trunk"])
    truth = LoopEngine().capture(list(losses_of(wide, size, torch.float64).values()), shared).gramian().sum(0)
    own = record.gramian.total
    np.testing.assert_allclose(np.diagonal(own), np.diagonal(truth), rtol=0.02)
    assert cosine(own) == pytest.approx(cosine(truth), abs=0.01)
    assert "float16: losses scaled by 2^" in record.note
    assert record.engine == "loop"


def test_other_dtypes_are_not_scaled():
    model = network()
    probe = GradientProbe(model, focal="a", shared=model["trunk"])
    assert "float16" not in probe.measure(losses_of(model, 1.0, torch.float32)).note


def test_a_gradient_that_no_scale_makes_finite_is_an_error():
    model = network()
    probe = GradientProbe(model, focal="a", shared=model["trunk"])
    losses = losses_of(model, 1.0)
    with pytest.raises(MeasurementError, match="expected a finite gradient"):
        probe.measure({"a": losses["a"], "b": (losses["b"] - losses["b"].detach()).sqrt()})


def test_a_combined_update_of_a_float16_model_has_gradients_of_the_parameters_dtype():
    model = network().half()
    x = torch.randn(16, 5).half()
    h = model["trunk"](x)
    losses = {task: model[task](h)[:, 0].float().square().mean() for task in "ab"}
    CombinedUpdate(model, combiners.get("pcgrad"), tasks=["a", "b"], focal="a", shared=model["trunk"])(losses)
    assert all(parameter.grad.dtype == torch.float16 for parameter in model.parameters())
