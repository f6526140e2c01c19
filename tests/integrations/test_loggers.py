import math

import pytest

from gradprobe.integrations.loggers import scalars
from gradprobe.trace import Trace
from tests.reports import _studies as make


def test_what_is_logged_has_the_names_and_the_numbers_of_the_trace_s_table():
    trace = Trace(header=make.header())
    make.fill(trace, steps=1, shared=0.0)
    record = next(record for record in trace.gramians if record.split == "minibatch")
    frame = trace.frame()
    whole = frame[(frame.split == "minibatch") & (frame.step == record.step) & (frame.layer == "")]
    logged = {name.split("/", 2)[2]: value for name, value in scalars(record, focal=make.TASKS[0]).items()}
    for name in ("overlap", "conflict_energy", "conflict_energy_per_pair", "negative_fraction"):
        (value,) = whole[whole.quantity == name].value
        assert logged[name] == pytest.approx(value)
        assert not math.isnan(value)
    pairs = len(make.TASKS) * (len(make.TASKS) - 1) / 2
    assert logged["conflict_energy"] == pytest.approx(pairs * logged["conflict_energy_per_pair"])
    assert logged["conflict_energy"] > 0.0
