"""Devices and precision of training, on whatever this machine has; the processor always."""

import pytest
import torch

from gradprobe import combiners
from gradprobe.errors import InputError
from gradprobe.training import ProbeObserver, TrainingOptions, train
from tests.training._toys import toy_data, toy_model

DEVICES = ["cpu", *(["gpu"] if torch.cuda.is_available() else [])]


def trained(*, observed=False, **where):
    data, model = toy_data(), toy_model(dropout=0.2)
    observer = ProbeObserver(model, data, probe_every=1, heldout_every=1, seed=0) if observed else None
    result = train(
        model,
        data,
        combiners.get("average"),
        options=TrainingOptions(epochs=2, batch_size=10, learning_rate=1e-2),
        seed=0,
        observer=observer,
        **where,
    )
    return model, result, observer


@pytest.mark.parametrize("accelerator", DEVICES)
def test_a_run_in_bf16_is_near_the_one_in_float32_and_not_the_same(accelerator):
    _, exact, _ = trained(accelerator=accelerator)
    _, rounded, _ = trained(accelerator=accelerator, precision="bf16-mixed")
    for one, two in zip(exact.history, rounded.history, strict=True):
        assert one.losses["focal"] != two.losses["focal"]
        # Eight bits of a number are kept, a relative error of 2^-8 a rounding.
        assert two.losses["focal"] == pytest.approx(one.losses["focal"], rel=0.05)


@pytest.mark.parametrize("accelerator", DEVICES)
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_measuring_changes_nothing_on_any_device_and_in_any_precision(accelerator, precision):
    plain, _, _ = trained(accelerator=accelerator, precision=precision)
    probed, _, observer = trained(accelerator=accelerator, precision=precision, observed=True)
    assert any(record.split == "minibatch" for record in observer.trace.gramians)
    for one, two in zip(plain.parameters(), probed.parameters(), strict=True):
        assert torch.equal(one, two)
        assert one.dtype == torch.float32


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_an_accelerator_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r"accelerator: expected one that this machine has, got 'gpu'"):
        trained(accelerator="gpu")
