from __future__ import annotations

import numpy as np
import pytest

from gradprobe.errors import InputError
from gradprobe.geometry import Span, window_of_steps

STEPS = np.array([-1, 0, 10, 20, 30, 40, 50, 60, 70])


def test_spans_end_at_the_best_validation_epoch():
    shown = {span: STEPS[window_of_steps(STEPS, span, best=39)].tolist() for span in Span}
    assert shown == {Span.EARLY: [0], Span.LATE: [20, 30], Span.WHOLE: [0, 10, 20, 30]}


def test_without_a_best_epoch_the_whole_run_counts():
    shown = {span: STEPS[window_of_steps(STEPS, span)].tolist() for span in Span}
    assert shown == {Span.EARLY: [0, 10], Span.LATE: [40, 50, 60, 70], Span.WHOLE: STEPS[1:].tolist()}


def test_a_run_without_a_step_has_no_span():
    with pytest.raises(InputError, match="steps"):
        window_of_steps(np.array([-1]), Span.LATE)
