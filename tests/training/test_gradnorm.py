import numpy as np
import torch
from torch import nn

from gradprobe.combiners import get
from gradprobe.training import CombinedUpdate


class TwoTasks(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.Tanh())
        self.heads = nn.ModuleList([nn.Linear(5, 1), nn.Linear(5, 1)])

    def losses(self, inputs):
        hidden = self.trunk(inputs)
        return {
            "a": (self.heads[0](hidden) ** 2).mean(),
            "b": 3.0 * (self.heads[1](hidden) - 1.0).abs().mean(),
        }


def setting():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TwoTasks(), torch.randn(8, 4)


def test_gradnorm_balances_the_norms_in_the_last_layer_of_the_trunk():
    model, inputs = setting()
    combiner = get("gradnorm", rate=0.1)
    update = CombinedUpdate(model, combiner, tasks=("a", "b"), focal="a", shared=model.trunk)
    losses = model.losses(inputs)
    last = list(model.trunk[2].parameters())
    rows = [torch.autograd.grad(loss, last, retain_graph=True) for loss in losses.values()]
    norms = np.array([float(sum((g.double() ** 2).sum() for g in row).sqrt()) for row in rows])
    update(losses)
    relative = norms / np.linalg.norm(norms)
    moved = 1.0 - 0.1 * relative * np.sign(relative - relative.mean())
    np.testing.assert_allclose(combiner.state_dict()["gamma"], 2 * moved / moved.sum(), rtol=1e-5)


def test_its_state_moves_through_a_loop_and_weighs_the_trunk():
    model, inputs = setting()
    update = CombinedUpdate(model, get("gradnorm"), tasks=("a", "b"), focal="a", shared=model.trunk)
    optimizer = torch.optim.Adam(model.parameters())
    weights = []
    for _ in range(4):
        optimizer.zero_grad()
        losses = model.losses(inputs)
        weights.append(update(losses))
        parameter = next(model.trunk.parameters())
        again = model.losses(inputs).values()
        rows = [torch.autograd.grad(loss, parameter, retain_graph=True)[0] for loss in again]
        expected = sum(float(weight) * row for weight, row in zip(weights[-1], rows, strict=True))
        torch.testing.assert_close(parameter.grad, expected)
        optimizer.step()
    np.testing.assert_allclose(weights[0], [0.5, 0.5])
    assert len({tuple(each) for each in weights}) == 4
