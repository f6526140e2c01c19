"""Actions read off traces, against the effects that geometry gives for hand-made Gramians."""

from __future__ import annotations

import numpy as np
import pytest

from gradprobe.decisions import candidates, ready_actions
from gradprobe.errors import InputError
from gradprobe.geometry import HELDOUT, Gramian, Group
from gradprobe.trace import GramianRecord, Trace, TraceHeader

TASKS = ("focal", "helps", "harms")


def trace(*, helps=0.5, harms=-0.5, steps=40, heldout=True, seed=0, apart=False):
    """A run whose auxiliaries' gradients have these products with the held-out focal gradient, plus noise."""
    rng = np.random.default_rng(seed)
    found = Trace(header=TraceHeader(focal="focal", tasks=TASKS, layers=("trunk",), parameters=(4,)))
    for step in range(steps):
        noise = 0.0 if apart else 0.05
        rows = np.eye(4)[:3] + noise * rng.normal(size=(3, 4))
        judge = np.array([1.0, 0.0 if apart else helps, 0.0 if apart else harms, 0.0])
        judge = judge + np.array([1.0, *([0.0] * 3 if apart else [1.0] * 3)]) * 0.05 * rng.normal(size=4)
        groups = tuple(Group(task) for task in TASKS)
        rows, groups = (
            (np.vstack([rows, judge]), (*groups, Group("focal", HELDOUT))) if heldout else (rows, groups)
        )
        gramian = Gramian(groups, ("trunk",), (rows @ rows.T)[None], rows=(8,) * len(groups), parameters=(4,))
        found.append(GramianRecord(step, "minibatch", "loop", gramian, np.zeros(len(groups))))
    return found


def test_candidates_keep_the_focal_loss_and_scale_the_auxiliaries():
    found = {each.name: each for each in candidates(TASKS, "focal", use=["pcgrad"])}
    assert list(found) == [
        "focal share 0.4",
        "focal share 0.6",
        "focal share 0.8",
        "drop helps",
        "drop harms",
        "focal alone",
        "pcgrad",
    ]
    share = found["focal share 0.6"].weights
    assert share == pytest.approx({"helps": 1 / 3, "harms": 1 / 3})
    assert 1.0 / (1.0 + sum(share.values())) == pytest.approx(0.6)
    assert found["focal alone"].weights == {"helps": 0.0, "harms": 0.0}
    assert found["pcgrad"].combiner == "pcgrad"


def test_one_auxiliary_is_dropped_by_training_the_focal_task_alone():
    names = [each.name for each in candidates(["a", "b"], "a")]
    assert names == ["focal share 0.6", "focal share 0.8", "focal alone"]


def test_actions_come_by_their_predicted_effect_as_a_loop_over_steps_gives_it():
    run = trace()
    found = ready_actions(run, use=[])
    assert found[0].name == "drop harms"
    assert found[-1].name == "drop helps"
    # Leaving a task out takes its products away; relative to the focal task's own, late half of the run.
    late = [record.gramian.total for record in run.gramians if record.step >= 39 / 2]
    own = sum(values[0, 3] for values in late)
    wanted = {"drop harms": -sum(values[2, 3] for values in late) / own}
    wanted["drop helps"] = -sum(values[1, 3] for values in late) / own
    wanted["focal alone"] = sum(wanted.values())
    for each in found:
        if each.name in wanted:
            assert each.predicted.effect == pytest.approx(wanted[each.name])
            assert each.predicted.low < each.predicted.effect < each.predicted.high
    assert not any(each.idle for each in found)


def test_runs_are_pooled_by_their_steps():
    one, two = (ready_actions(trace(seed=seed), use=[]) for seed in range(2))
    both = {each.name: each.predicted for each in ready_actions([trace(seed=0), trace(seed=1)], use=[])}
    for name, found in both.items():
        parts = [next(each for each in run if each.name == name).predicted.effect for run in (one, two)]
        assert found.effect == pytest.approx(np.mean(parts))
        assert found.runs == 2


def test_tasks_that_share_nothing_leave_every_action_idle():
    found = ready_actions(trace(apart=True), use=["pcgrad"])
    assert all(each.idle for each in found)
    assert {each.predicted.effect for each in found} == {0.0}


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: ready_actions([]), "traces: expected one or more"),
        (lambda: ready_actions(trace(heldout=False)), "held-out rows"),
        (lambda: ready_actions(trace(), use=["magic"]), "magic"),
        (lambda: ready_actions([trace()], best=[1, 2]), "one `best` each"),
        (lambda: candidates(["a"], "a"), "at least one auxiliary"),
    ],
)
def test_what_cannot_be_used_is_named(call, named):
    with pytest.raises(InputError, match=named):
        call()
