import numpy as np
import pytest

from gradprobe import combiners
from gradprobe.geometry import Gramian, Group
from gradprobe.reports import summarise
from gradprobe.reports.compare.candidates import AVERAGE
from gradprobe.reports.compare.measured import FOCAL_MISSING
from gradprobe.reports.statistics.seeds import band, over_seeds
from gradprobe.trace import GramianRecord, Trace
from tests.reports import _studies as make


def cosine(gramian: np.ndarray, i: int, j: int) -> float:
    return float(gramian[i, j] / np.sqrt(gramian[i, i] * gramian[j, j]))


def minibatches(trace: Trace) -> list[GramianRecord]:
    return [record for record in trace.gramians if record.split == "minibatch"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make.study(tmp_path_factory.mktemp("study") / "s")


def test_the_minibatch_cosine_is_the_mean_over_auxiliaries_then_steps_then_seeds(study):
    means = []
    for seed in range(3):
        trace = Trace.load(study / "cells" / f"mlp-average-seed{seed}" / "trace")
        steps = [record.gramian.values.sum(axis=0) for record in minibatches(trace)]
        means.append(np.mean([np.mean([cosine(g, 0, k) for k in (1, 2, 3)]) for g in steps]))
    found = summarise(study).encoders[0].gradients.splits["minibatch"].mean["cosine"]
    assert found.mean == pytest.approx(np.mean(means), rel=1e-12)
    assert (found.low, found.high) == (pytest.approx(min(means)), pytest.approx(max(means)))
    assert found.seeds == 3


def test_held_out_cosines_before_the_first_update_stay_out_of_the_mean():
    trace = make.trace_in_memory()
    summary = summarise(trace).encoders[0].gradients.splits["heldout"]
    values = {
        record.step: np.mean([cosine(record.gramian.total, 0, k) for k in (1, 2, 3)])
        for record in trace.gramians
        if record.split == "heldout"
    }
    assert summary.before["cosine"].mean == pytest.approx(values.pop(-1))
    assert summary.mean["cosine"].mean == pytest.approx(np.mean(list(values.values())))
    assert summary.end["cosine"].mean == pytest.approx(values[max(values)])


def test_layer_and_pair_averages_keep_the_order_of_the_tasks():
    trace = make.trace_in_memory()
    detail = summarise(trace).encoders[0].gradients.details["minibatch"]
    values = np.stack([record.gramian.values for record in minibatches(trace)])
    assert detail.by_layer[1, 2] == pytest.approx(np.mean([cosine(v[1], 0, 3) for v in values]))
    assert detail.pairs[1, 3] == pytest.approx(np.mean([cosine(v.sum(axis=0), 1, 3) for v in values]))
    ratios = [np.sqrt(v.sum(axis=0)[0, 0] / v.sum(axis=0)[2, 2]) for v in values]
    assert detail.ratios[1] == pytest.approx(np.exp(np.mean(np.log(ratios))))


def test_the_focal_task_comes_first_wherever_the_trace_has_it():
    tasks = ("density", "logP", "flash point")
    trace = make.fill(Trace(header=make.header(tasks, focal="flash point")), tasks=tasks)
    summary = summarise(trace)
    assert summary.tasks == ("flash point", "density", "logP")
    wanted = np.mean([cosine(record.gramian.total, 2, 1) for record in minibatches(trace)])
    assert summary.encoders[0].gradients.details["minibatch"].pairs[0, 2] == pytest.approx(wanted)


def test_folds_are_merged_by_their_rows():
    generator = np.random.default_rng(3)
    jacobian = generator.normal(size=(4, 50))
    groups = (Group("a", "A"), Group("a", "B"), Group("b", "A"), Group("b", "B"))
    folded = Gramian(groups, ("l",), (jacobian @ jacobian.T)[None], (3, 1, 2, 2), (50,))
    header = make.header(("a", "b"), layers=("l",), parameters=(50,))
    trace = Trace(header=header)
    trace.append(GramianRecord(0, "minibatch", "loop", folded, np.ones(4)))
    a, b = (3 * jacobian[0] + jacobian[1]) / 4, (jacobian[2] + jacobian[3]) / 2
    found = summarise(trace).encoders[0].gradients.splits["minibatch"].mean["cosine"].mean
    assert found == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_leverage_is_the_one_of_the_updates_themselves():
    generator = np.random.default_rng(5)
    trace = Trace(header=make.header(("a", "b", "c"), layers=("l",), parameters=(30,)))
    wanted = []
    for step in range(12):
        jacobian = generator.normal(size=(3, 30))
        gramian = Gramian(tuple(map(Group, "abc")), ("l",), (jacobian @ jacobian.T)[None], (8, 8, 8), (30,))
        trace.append(GramianRecord(step, "minibatch", "loop", gramian, np.ones(3)))
        update = combiners.get("rcgrad").weights(jacobian @ jacobian.T) @ jacobian
        average = jacobian.mean(axis=0)
        wanted.append(1 - update @ average / np.linalg.norm(update) / np.linalg.norm(average))
    found = {entry.combiner: entry for entry in summarise(trace).encoders[0].leverages}
    assert found["rcgrad"].mean == pytest.approx(np.mean(wanted))
    assert found["rcgrad"].largest == pytest.approx(max(wanted))
    assert (found["rcgrad"].steps, found["rcgrad"].measured) == (12, 12)
    assert set(found) == set(combiners.names()) - {AVERAGE}
    assert found["weighted"].reason == "it needs options, and none were set"


def test_random_orders_are_drawn_alike_in_every_report():
    trace = make.trace_in_memory(tasks=tuple("abcdefg"), shared=-0.2)
    first, second = (summarise(trace).encoders[0].leverages for _ in range(2))
    assert first == second


def test_leverage_uses_the_options_of_the_study(tmp_path):
    options = {"combiner_options": {"weighted": {"focal_share": 0.9}}}
    path = make.study(tmp_path / "s", combiners=("average", "weighted"), seeds=1, options=options)
    found = {entry.combiner: entry for entry in summarise(path).encoders[0].leverages}
    assert found["weighted"].largest > 0.01


def test_leverage_rests_on_the_cells_with_averaging_alone(tmp_path):
    path = make.study(tmp_path / "s", encoders=("mlp",), combiners=("pcgrad", "rcgrad"), seeds=1)
    encoder = summarise(path).encoders[0]
    assert encoder.combiner == "pcgrad"
    assert all(entry.steps == 0 for entry in encoder.leverages)


def test_a_missing_focal_task_leaves_its_cosines_undefined_and_counted():
    trace = Trace(header=make.header())
    generator = np.random.default_rng(0)
    for step in range(4):
        tasks = make.TASKS[1:] if step % 2 else make.TASKS
        made = make.gramian(tasks, generator)
        trace.append(GramianRecord(step, "minibatch", "loop", made, np.ones(len(tasks))))
    found = summarise(trace).encoders[0]
    split = found.gradients.splits["minibatch"]
    assert split.undefined["cosine", FOCAL_MISSING] == 2
    assert ("overlap", FOCAL_MISSING) not in split.undefined
    wanted = [np.mean([cosine(trace.gramians[i].gramian.total, 0, k) for k in (1, 2, 3)]) for i in (0, 2)]
    assert split.mean["cosine"].mean == pytest.approx(np.mean(wanted))
    assert {entry.combiner: entry for entry in found.leverages}["rcgrad"].steps == 4


def test_a_zero_focal_gradient_is_undefined_not_zero():
    trace = make.trace_in_memory(zero=("flash point",))
    split = summarise(trace).encoders[0].gradients.splits["minibatch"]
    assert np.isnan(split.mean["cosine"].mean)
    assert split.undefined["cosine", "a zero gradient has no direction"] == 12


def test_bands_skip_what_is_undefined_and_average_beyond_sixty_points():
    found = band([{0: 1.0, 10: float("nan"), 20: 3.0}, {0: 3.0, 10: 5.0, 20: 1.0}, {}])
    # The first seed is at 2 halfway between 1 and 3.
    assert (found.steps, found.mean) == ((0.0, 10.0, 20.0), (2.0, 3.5, 2.0))
    assert (found.low, found.high) == ((1.0, 2.0, 1.0), (3.0, 5.0, 3.0))
    long = band([{step: float(step) for step in range(120)}])
    assert (len(long.steps), long.width) == (60, 2)
    assert long.mean == long.steps
    assert band([{}]).steps == ()
    assert band([]).steps == ()


def test_a_mean_does_not_jump_where_a_seed_ends():
    short, long = dict.fromkeys(range(5), 1.0), dict.fromkeys(range(9), 3.0)
    found = band([short, long])
    assert found.steps == (0.0, 1.0, 2.0, 3.0, 4.0)
    assert set(found.mean) == {2.0}


def test_nothing_defined_is_nan_over_no_seed():
    assert over_seeds([float("nan")]).seeds == 0


def test_failed_cells_are_kept_out_of_every_average(tmp_path):
    path = make.study(tmp_path / "s", encoders=("mlp",), failed=("mlp-average-seed1",))
    summary = summarise(path)
    assert summary.encoders[0].seeds == (0, 2)
    assert (summary.finished, summary.failed, summary.cells) == (11, 1, 12)
    assert not summary.provisional


def test_the_effective_rank_is_the_last_one_with_its_bound(study):
    rank = summarise(study).encoders[0].rank
    assert rank.raw.mean == pytest.approx(np.mean([20 - 120 / 150 + seed for seed in range(3)]))
    assert rank.most == 64


def test_summarising_imports_no_torch_and_no_plotting():
    import subprocess
    import sys

    code = "import sys, gradprobe.reports; print({'torch', 'matplotlib', 'jinja2'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
