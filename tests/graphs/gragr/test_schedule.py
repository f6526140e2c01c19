import math

import pytest

from gradprobe.errors import InputError, TrainingError
from gradprobe.graphs.gragr import PlateauGate, select_start


def openings(losses, **options):
    gate = PlateauGate(**{"threshold": 0.1, **options})
    return [gate.update(epoch, loss) for epoch, loss in enumerate(losses, start=1)]


def test_the_gate_is_the_formula_letter_by_letter():
    # No predecessor, fast fall, plateau, rise, fast fall again.
    assert openings([5.0, 4.0, 3.95, 4.5, 3.0]) == [False, False, True, True, False]


def test_an_improvement_of_exactly_the_threshold_opens_it():
    assert openings([1.0, 0.5], threshold=0.5) == [False, True]


def test_nothing_opens_before_the_warm_up_ends():
    assert openings([1.0] * 5, warmup=4) == [False, False, False, True, True]


def test_patience_waits_for_plateaus_in_a_row():
    losses = [1.0, 1.0, 0.5, 0.5, 0.5, 0.5]
    assert openings(losses, patience=3) == [False, False, False, False, False, True]


def test_a_latched_gate_stays_open():
    assert openings([1.0, 1.0, 0.2], latch=True) == [False, True, True]
    assert openings([1.0, 1.0, 0.2]) == [False, True, False]


def test_a_loss_that_is_no_number_opens_nothing():
    assert openings([1.0, math.nan, 1.0, 1.0]) == [False, False, False, True]


@pytest.mark.parametrize("options", [{"warmup": -1}, {"patience": 0}])
def test_impossible_options_are_told(options):
    with pytest.raises(InputError, match="warmup >= 0 and patience >= 1"):
        PlateauGate(**options)


def test_the_lowest_final_loss_goes_on_and_the_first_of_equals():
    assert select_start([0.9, 0.4, 0.4, math.nan]) == 1
    assert select_start([math.nan, math.inf, 3.0]) == 2


def test_without_any_finite_loss_there_is_nothing_to_select():
    with pytest.raises(TrainingError, match="candidates"):
        select_start([math.nan, math.nan])
