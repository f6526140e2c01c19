import itertools

import numpy as np
import pytest
import torch
from torch import nn

from gradprobe.errors import InputError
from gradprobe.gradients import LoopEngine, all_parameters
from gradprobe.probes import GradientProbe
from gradprobe.probes.partition import NOTE, partition_rows


class Fixed:
    """A generator whose permutation is given."""

    def __init__(self, order):
        self._order = order

    def permutation(self, count):
        assert count == len(self._order)
        return np.array(self._order)


def dense(rows, tasks):
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4)).double()
    heads = nn.Linear(4, tasks).double()
    outputs = heads(trunk(torch.randn(rows, 3, dtype=torch.float64)))
    return trunk, {f"task {k}": (outputs[:, k] - k) ** 2 for k in range(tasks)}


def test_inner_products_average_to_those_of_distinct_rows_over_all_partitions():
    rows = 4
    trunk, losses = dense(rows, tasks=2)
    shared = all_parameters(trunk)

    def gradients(vector):
        flat = [torch.autograd.grad(loss, shared.parameters, retain_graph=True) for loss in vector]
        return [torch.cat([part.flatten() for part in row]) for row in flat]

    first, second = (gradients(vector) for vector in losses.values())
    distinct = [float(first[r] @ second[s]) for r, s in itertools.permutations(range(rows), 2)]
    found = []
    for order in itertools.permutations(range(rows)):
        parts = partition_rows(losses, Fixed(order))
        found.append(LoopEngine().capture([part.loss for part in parts], shared).gramian().sum(0)[0, 1])
    assert np.mean(found) == pytest.approx(np.mean(distinct), rel=1e-10)
    with_shared_rows = float(sum(first) @ sum(second)) / rows**2
    assert abs(with_shared_rows - np.mean(distinct)) > 1e-3 * abs(np.mean(distinct)), (
        "the case tells them apart"
    )


def test_rows_are_dealt_out_evenly_and_each_speaks_once():
    _, losses = dense(rows=11, tasks=3)
    indexed = {task: torch.arange(11.0, requires_grad=True) for task in losses}
    parts = partition_rows(indexed, np.random.default_rng(1))
    assert sorted(part.rows for part in parts) == [3, 4, 4]
    chosen = []
    for part, leaf in zip(parts, indexed.values(), strict=True):
        part.loss.backward()
        chosen += leaf.grad.nonzero().flatten().tolist()
    assert sorted(chosen) == list(range(11))


def test_a_dense_label_matrix_is_measured_in_one_pass_and_marked():
    trunk, losses = dense(rows=24, tasks=6)
    probe = GradientProbe(trunk, focal="task 0", shared=trunk)
    turns = probe.measure(losses)
    assert turns.note.startswith("6 passes")
    record = probe.measure(losses, rows="partition")
    assert (record.engine, record.note) == ("rowwise", NOTE)
    assert record.gramian.rows == (4,) * 6


@pytest.mark.parametrize("spoil", ["lengths", "scalar", "rows"])
def test_a_partition_needs_the_same_rows_for_every_task(spoil):
    trunk, losses = dense(rows=2 if spoil == "rows" else 6, tasks=3)
    if spoil == "lengths":
        losses["task 1"] = losses["task 1"][:4]
    if spoil == "scalar":
        losses["task 1"] = losses["task 1"].mean()
    with pytest.raises(
        InputError, match="rows: expected, for a partition, per-row losses of at least 3 rows"
    ):
        GradientProbe(trunk, focal="task 0", shared=trunk).measure(losses, rows="partition")
