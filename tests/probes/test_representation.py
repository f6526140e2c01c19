from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gradprobe.errors import InputError, MeasurementError
from gradprobe.geometry import effective_rank
from gradprobe.probes import GradientProbe, RepresentationProbe
from gradprobe.trace import Trace


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 2))


@pytest.fixture
def batches() -> list[Tensor]:
    return [torch.randn(size, 3, generator=torch.Generator().manual_seed(size)) for size in (4, 7, 2)]


def _forward(model: nn.Module, batch: Tensor) -> Tensor:
    return model(batch)


def test_the_rank_is_that_of_all_rows_in_eval_mode(model, batches):
    probe = RepresentationProbe(model, layer=model[3])
    rank = probe.measure_loader(batches, _forward, split="train", step=5, epoch=1)
    with torch.no_grad():
        expected = effective_rank(model.eval()[:4](torch.cat(batches)).double().numpy())
    assert rank.raw == pytest.approx(expected.raw, rel=1e-6)
    assert rank.centred == pytest.approx(expected.centred, rel=1e-6)
    assert (rank.rows, rank.width) == (13, 6)


def test_four_numbers_a_measurement_are_recorded_under_the_layers_name(model, batches):
    probe = RepresentationProbe(model, layer=model[3])
    rank = probe.measure_loader(batches, _forward, split="heldout", step=5, epoch=1)
    found = {record.name: record for record in probe.trace.quantities}
    values = {name: record.value for name, record in found.items()}
    assert values == {
        "effective_rank": rank.raw, "effective_rank_centred": rank.centred,
        "representation_rows": 13.0, "representation_width": 6.0,
    }  # fmt: skip
    places = {(record.step, record.epoch, record.split, record.layer) for record in found.values()}
    assert places == {(5, 1, "heldout", "3")}


def test_it_stops_after_the_rows_asked_for(model, batches):
    seen = []

    def forward(model: nn.Module, batch: Tensor) -> Tensor:
        seen.append(len(batch))
        return model(batch)

    probe = RepresentationProbe(model, layer=model[0], max_rows=9)
    rank = probe.measure_loader(batches, forward, split="train", step=0)
    assert (rank.rows, seen) == (9, [4, 7])
    with torch.no_grad():
        expected = effective_rank(model[0](torch.cat(batches)[:9]).double().numpy())
    assert rank.raw == pytest.approx(expected.raw, rel=1e-6)


def test_an_undefined_rank_says_why(model):
    probe = RepresentationProbe(model, layer=model[0])
    same_rows = [torch.ones(3, 3), torch.ones(2, 3)]
    rank = probe.measure_loader(same_rows, _forward, split="train", step=0)
    assert math.isnan(rank.centred)
    reasons = {record.name: record.reason for record in probe.trace.quantities}
    assert reasons["effective_rank_centred"] == "all rows of the representation are equal"
    assert reasons["effective_rank"] == ""


def test_it_appends_to_a_gradient_probes_trace(model, batches, tmp_path):
    gradients = GradientProbe(model, focal="a", out=tmp_path / "trace")
    RepresentationProbe(model, layer=model[3], trace=gradients.trace).measure_loader(
        batches, _forward, split="train", step=0
    )
    gradients.close()
    assert len(Trace.load(tmp_path / "trace").quantities) == 4


def test_no_hook_stays_on_the_layer(model, batches):
    probe = RepresentationProbe(model, layer=model[3])

    def fail(model: nn.Module, batch: Tensor) -> None:
        model(batch)
        raise KeyError

    with pytest.raises(KeyError):
        probe.measure_loader(batches, fail, split="train", step=0)
    assert not model[3]._forward_hooks
    assert probe.trace.quantities == []


def test_outputs_are_kept_without_their_graph(model, batches):
    held = []
    probe = RepresentationProbe(model, layer=model[3])
    probe.measure_loader(batches, lambda own, batch: held.append(own(batch)), split="train", step=0)
    assert not any(output.requires_grad for output in held)


def test_what_a_caller_passed_wrongly_is_named(model, batches, tmp_path):
    with pytest.raises(InputError, match="layer: expected a module of the model"):
        RepresentationProbe(model, layer=nn.Linear(1, 1))
    with pytest.raises(InputError, match="out: expected either a trace to append to or a folder"):
        RepresentationProbe(model, layer=model[0], trace=Trace(), out=tmp_path)
    probe = RepresentationProbe(model, layer=model[3])
    with pytest.raises(
        InputError, match="forward: expected a call of layer '3', got none in the whole loader"
    ):
        probe.measure_loader(batches, lambda own, batch: own[0](batch), split="train", step=0)


def test_a_layer_whose_output_is_no_row_a_molecule_is_named():
    model = nn.Sequential(nn.Linear(3, 4), nn.Flatten())
    probe = RepresentationProbe(model, layer=model[0])
    with pytest.raises(MeasurementError, match=r"layer: expected outputs \[rows, width\] from '0', .*choose"):
        probe.measure_loader([torch.ones(2, 5, 3)], _forward, split="train", step=0)


def test_a_layer_whose_output_is_no_tensor_is_named():
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.states = nn.LSTM(3, 4, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.states(x)[0]

    model = Recurrent()
    with pytest.raises(MeasurementError, match=r"expected outputs \[rows, width\] from 'states', got tuple"):
        RepresentationProbe(model, layer=model.states).measure_loader(
            [torch.ones(2, 5, 3)], _forward, split="train", step=0
        )


def test_outputs_of_different_widths_are_named():
    model = nn.Sequential(nn.Identity(), nn.Linear(3, 1))
    with pytest.raises(MeasurementError, match=r"expected outputs of one width from '0', got \[3, 4\]"):
        RepresentationProbe(model, layer=model[0]).measure_loader(
            [torch.ones(2, 3), torch.ones(2, 4)], lambda own, batch: own[0](batch), split="train", step=0
        )


def test_what_follows_in_place_does_not_reach_the_rows(batches):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 6), nn.ReLU(inplace=True))
    rank = RepresentationProbe(model, layer=model[0]).measure_loader(batches, _forward, split="train", step=0)
    with torch.no_grad():
        rows = torch.cat([model[0](batch) for batch in batches])
    assert rank.raw == pytest.approx(effective_rank(rows.double().numpy()).raw, rel=1e-6)


def test_outputs_that_are_not_finite_are_an_error_of_the_measurement():
    model = nn.Linear(3, 2)
    probe = RepresentationProbe(model, layer=model)
    with pytest.raises(MeasurementError, match="layer: expected finite outputs from '', got NaN"):
        probe.measure_loader([torch.full((2, 3), np.nan)], _forward, split="train", step=0)
