from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gradprobe.errors import InputError
from gradprobe.probes import GradientProbe
from tests._oracles import assert_gramians_agree
from tests.gradients._traps import Plain


def model_and_batches(middle: nn.Module | None = None):
    torch.manual_seed(0)
    model = Plain(middle).double()
    return model, [torch.randn(rows, 4, dtype=torch.float64) for rows in (12, 9, 3)]


def split_losses(model, batch):
    """Rows take turns; the last batch has none of the third task."""
    h = model(batch)
    rows = {task: range(i, len(h) if len(h) > 3 else 2, 3) for i, task in enumerate("abc")}
    return {
        task: model.heads[i](h[list(own)])[:, 0].square() for i, (task, own) in enumerate(rows.items()) if own
    }


def probes(model):
    return (
        GradientProbe(model, focal="a", shared=nn.ModuleList([model.enter, model.leave]), engine=engine)
        for engine in ("auto", "loop")
    )


def test_a_record_names_the_engine_that_measured_it_and_the_reason_for_the_loop():
    model, batches = model_and_batches(nn.BatchNorm1d(6))
    probe = GradientProbe(model, focal="a", shared=model.enter)
    for training, engine, noted in ((False, "rowwise", False), (True, "rowwise", True)):
        model.train(training)
        record = probe.measure(split_losses(model, batches[0]))
        assert record.engine == engine
        assert bool(record.note) == noted
    first = GradientProbe(model.train(), focal="a").measure(split_losses(model, batches[0]))
    assert first.engine == "loop"
    assert "find the trunk" in first.note
    model.enter.weight.register_hook(lambda gradient: gradient)
    inside = probe.measure(split_losses(model, batches[0]))
    assert inside.engine == "rowwise", "hooks are silent while a probe measures"


def test_folds_are_groups_like_any_other():
    model, batches = model_and_batches()
    losses = split_losses(model, batches[0])
    rows = {task: [f"{task}{i}" for i in range(len(loss))] for task, loss in losses.items()}
    records = [probe.measure(losses, rows=rows) for probe in probes(model)]
    assert [record.engine for record in records] == ["rowwise", "loop"]
    assert len(records[0].gramian.groups) == 6
    assert_gramians_agree(records[0].gramian.values, records[1].gramian.values, 1e-10)


def test_a_split_is_measured_in_one_pass_a_batch_and_agrees_with_the_loop():
    model, batches = model_and_batches()
    records = [probe.measure_loader(batches, split_losses, split="heldout") for probe in probes(model)]
    assert [record.engine for record in records] == ["rowwise", "loop"]
    assert not records[0].note
    assert records[0].gramian.rows == records[1].gramian.rows == (8, 8, 7)
    np.testing.assert_allclose(records[0].losses, records[1].losses, rtol=1e-12)
    assert_gramians_agree(records[0].gramian.values, records[1].gramian.values, 1e-10)


def test_an_unknown_engine_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="rowwise"):
        GradientProbe(Plain(), focal="a", engine="fast")
