from __future__ import annotations

import numpy as np
import pytest

from gradprobe.errors import InputError
from gradprobe.geometry.diagnosis import ALIKE, EXPANDED, VANISHED, diagnose

DECAY = 0.5 ** np.arange(20)


def test_rows_that_become_alike_at_a_steady_norm_are_oversmoothed():
    found = diagnose(np.full(20, 3.0), DECAY, travels="forward")
    assert (found.finding, found.layer) == ("oversmoothing", 19)
    assert "relative mu is 1.9e-06 at layer 20" in found.reason
    assert "changes 1 times" in found.reason


def test_a_norm_that_falls_while_rows_differ_is_vanishing_and_not_oversmoothing():
    found = diagnose(DECAY, np.full(20, 0.8), travels="forward")
    assert (found.finding, found.layer) == ("vanishing", 19)
    assert "relative mu 0.8" in found.reason


def test_both_at_once_is_oversmoothing_and_says_that_the_norm_vanishes():
    found = diagnose(DECAY, DECAY, travels="forward")
    assert found.finding == "oversmoothing"
    assert "vanishes as well" in found.reason


def test_gradients_travel_from_the_last_layer_to_the_first():
    """Read the wrong way round, a gradient that expands would be one that vanishes."""
    norms = 3.0 ** np.arange(20)[::-1]
    found = diagnose(norms, np.full(20, 0.9), travels="backward")
    assert (found.finding, found.layer) == ("expansion", 0)
    assert "from layer 20 to layer 1" in found.reason
    assert diagnose(norms, np.full(20, 0.9), travels="forward").finding == "vanishing"


def test_growth_along_the_smooth_direction_alone_is_no_expansion():
    norms = 1.0 / DECAY
    assert diagnose(norms, DECAY, travels="forward").finding == "oversmoothing"
    assert diagnose(norms, np.full(20, 0.9), travels="forward").finding == "expansion"


def test_values_that_are_no_longer_finite_are_expansion():
    norms, relative = np.array([np.inf, np.inf, 5.0, 1.0]), np.array([np.nan, np.nan, 0.9, 0.9])
    found = diagnose(norms, relative, travels="backward", names=["a", "b", "c", "d"])
    assert (found.finding, found.layer) == ("expansion", 1)
    assert found.reason == "values are no longer finite from layer b on"


def test_gradients_that_underflow_to_zero_have_vanished():
    norms, relative = np.array([0.0, 0.0, 1e-2, 1.0]), np.array([np.nan, np.nan, 0.9, 0.9])
    found = diagnose(norms, relative, travels="backward")
    assert (found.finding, found.layer) == ("vanishing", 1)
    nothing = diagnose(np.zeros(3), np.full(3, np.nan), travels="backward")
    assert (nothing.finding, nothing.reason) == ("vanishing", "the signal is zero from layer 3 on")


def test_nothing_is_said_of_a_sound_profile():
    found = diagnose(np.array([1.0, 2.0, 1.5]), np.array([0.9, 0.6, 0.7]), travels="forward")
    assert (found.finding, found.layer) == ("none", None)
    assert "lowest 0.6" in found.reason


@pytest.mark.parametrize(
    ("norm", "relative", "finding"),
    [
        (1.0, ALIKE, "oversmoothing"),
        (1.0, ALIKE * 1.01, "none"),
        (VANISHED, 0.9, "vanishing"),
        (VANISHED * 1.01, 0.9, "none"),
        (EXPANDED, 0.9, "expansion"),
        (EXPANDED * 0.99, 0.9, "none"),
    ],
)
def test_thresholds_are_where_they_are_stated(norm, relative, finding):
    assert diagnose(np.array([1.0, norm]), np.array([0.9, relative]), travels="forward").finding == finding


def test_one_layer_is_a_profile_and_none_is_not():
    assert diagnose(np.ones(1), np.ones(1), travels="forward").finding == "none"
    assert diagnose(np.ones(1), np.zeros(1), travels="forward").finding == "oversmoothing"
    with pytest.raises(InputError, match="two profiles over the same layers"):
        diagnose(np.ones(0), np.ones(0), travels="forward")
    with pytest.raises(InputError, match="two profiles over the same layers"):
        diagnose(np.ones(2), np.ones(3), travels="forward")
