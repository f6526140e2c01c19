import numpy as np
import pytest
import torch
from torch import nn

from gradprobe.gradients import LoopEngine, RowwiseEngine, all_parameters


@pytest.mark.parametrize("engine", [LoopEngine(), RowwiseEngine()])
def test_a_gramian_equals_its_transpose_to_the_last_bit(engine):
    """Products of float32 matrices round (i, j) and (j, i) apart, and combiners refuse what is asymmetric."""
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(200, 300), nn.ReLU(), nn.Linear(300, 1))
    inputs = torch.randn(700, 200, generator=generator)
    outputs = model(inputs).squeeze(1)
    losses = [(outputs[task::7] - task).square().mean() for task in range(7)]
    values = engine.capture(losses, all_parameters(model)).gramian()
    assert np.array_equal(values, values.transpose(0, 2, 1))
