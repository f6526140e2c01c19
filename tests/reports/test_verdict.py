import re

import numpy as np
import pytest

from gradprobe.reports.compare.decision import Decision, decision_of
from gradprobe.reports.compare.evidence import Finding
from gradprobe.reports.compare.leverage import Leverage
from gradprobe.reports.compare.measured import NO_FOCAL
from gradprobe.reports.compare.prospect import FEWEST_STEPS
from gradprobe.reports.compare.scores import AUROC, RAE, CombinerScore
from gradprobe.reports.compare.verdict import Call, decide
from gradprobe.reports.statistics.paired import paired_difference
from gradprobe.reports.statistics.seeds import NAN, over_seeds
from tests.reports import _streams as streams

AVERAGE = {0: 0.60, 1: 0.62, 2: 0.64}
LOWER = {0: 0.50, 1: 0.521, 2: 0.539}
HIGHER = {0: 0.70, 1: 0.721, 2: 0.739}
SAME = {0: 0.61, 1: 0.62, 2: 0.63}


def leverage(name="rcgrad", largest=0.1, *, steps=50, undefined=0, surgery=True, reason=""):
    return Leverage(name, surgery, largest / 2, largest, steps, undefined, steps + undefined, reason)


def score(name, values):
    return CombinerScore(name, values, over_seeds(list(values.values())), paired_difference(values, AVERAGE))


def averaging():
    return CombinerScore("average", AVERAGE, over_seeds(list(AVERAGE.values())), None)


def test_without_leverage_averaging_is_safe_at_the_measured_steps():
    found = decide([leverage(largest=0.0009)], [averaging(), score("rcgrad", SAME)], RAE)
    assert found.call is Call.SAFE
    assert "at the 50 measured minibatch steps" in found.sentence
    assert found.settle == ()


def test_the_threshold_itself_is_still_no_leverage_and_just_above_is():
    assert decide([leverage(largest=1e-3)], [averaging(), score("rcgrad", SAME)], RAE).call is Call.SAFE
    above = decide([leverage(largest=1.001e-3)], [averaging(), score("rcgrad", SAME)], RAE)
    assert above.call is Call.INSUFFICIENT


def test_too_few_measured_steps_are_never_safe():
    found = decide([leverage(largest=0.0, steps=FEWEST_STEPS - 1)], [], None)
    assert found.call is Call.INSUFFICIENT
    assert f"Measure at least {FEWEST_STEPS} minibatch steps" in found.settle[0]


def test_an_update_without_direction_is_not_safe():
    found = decide([leverage("mgda", 0.0, undefined=3)], [], None)
    assert found.call is Call.INSUFFICIENT
    assert "no direction at 3 measured steps" in found.sentence


def test_a_better_score_beyond_its_interval_names_the_combiner():
    found = decide([leverage()], [averaging(), score("rcgrad", LOWER)], RAE)
    assert found.call is Call.HELP
    assert found.helps == ("rcgrad",)
    assert found.sentence.startswith(
        "with rcgrad, RAE −0.100 against averaging (95% interval −0.102 to −0.0975"
    )
    assert "no reweighted averaging" in found.caution


def test_what_is_better_depends_on_the_metric():
    scores = [averaging(), score("rcgrad", LOWER)]
    assert decide([leverage()], scores, AUROC).call is Call.SAFE
    assert decide([leverage()], [averaging(), score("rcgrad", HIGHER)], AUROC).call is Call.HELP


def test_worse_combiners_leave_averaging_safe():
    found = decide([leverage()], [averaging(), score("rcgrad", HIGHER)], RAE)
    assert found.call is Call.SAFE
    assert "RAE was worse" in found.sentence


def test_an_interval_that_holds_zero_is_insufficient_and_says_how_many_seeds():
    own = {0: 0.58, 1: 0.62, 2: 0.61}
    found = decide([leverage()], [averaging(), score("rcgrad", own)], RAE)
    assert found.call is Call.INSUFFICIENT
    assert "run about" in found.settle[0]


def test_one_seed_is_insufficient():
    found = decide([leverage()], [averaging(), score("rcgrad", {0: 0.3})], RAE)
    assert found.call is Call.INSUFFICIENT
    assert found.settle == ("For rcgrad, run at least 3 seeds.",)


def test_no_leverage_and_another_score_contradict_each_other():
    found = decide([leverage(largest=0.0)], [averaging(), score("rcgrad", LOWER)], RAE)
    assert found.call is Call.INSUFFICIENT
    assert "one of the two is chance" in found.sentence


def test_only_surgery_is_judged_and_a_control_that_gains_as_well_is_said():
    leverages = [leverage(), leverage("weighted", 0.3, surgery=False)]
    scores = [averaging(), score("weighted", LOWER), score("rcgrad", LOWER), score("single_task", LOWER)]
    found = decide(leverages, scores, RAE)
    assert [entry.combiner for entry in found.evidence] == ["rcgrad"]
    assert "reweighted averaging, which does no surgery, did better" in found.caution
    assert "trained alone did better" in found.caution


def test_several_gains_are_named_and_the_comparisons_counted():
    leverages = [leverage("pcgrad"), leverage("rcgrad"), leverage("gragr", 0.0)]
    scores = [averaging(), *(score(name, LOWER) for name in ("pcgrad", "rcgrad")), score("gragr", SAME)]
    found = decide(leverages, scores, RAE)
    assert found.helps == ("pcgrad", "rcgrad")
    assert "3 combiners were compared" in found.caution


def test_a_bare_trace_judges_every_registered_combiner_and_says_what_it_assumes():
    leverages = [leverage("pcgrad", 0.0), leverage("rcgrad", 0.0)]
    found = decide(leverages, [], None, assuming="it rests on something")
    assert (found.call, found.caution) == (Call.SAFE, "it rests on something")


def test_without_a_focal_task_the_advice_is_to_name_it():
    unknown = Leverage("rcgrad", True, NAN, NAN, 0, 0, 0, NO_FOCAL)
    found = decide([unknown], [], None)
    assert found.call is Call.INSUFFICIENT
    assert "focal" in found.settle[0]


@pytest.mark.parametrize("scores", [[], [averaging()]])
def test_nothing_to_judge_is_insufficient(scores):
    assert decide([], scores, RAE).call is Call.INSUFFICIENT


def gains(mean, *, spread=0.1, seed=0, runs=2, steps=60, **options):
    noise = np.random.default_rng(seed).normal(size=(runs, steps))
    noise -= noise.mean(axis=1, keepdims=True)
    return Decision(streams.outcome(list(mean + spread * noise), **options), None)


def test_a_predicted_gain_beyond_the_control_is_help_and_says_what_it_rests_on():
    found = decide([leverage()], [averaging(), score("rcgrad", SAME)], RAE, decision=gains(0.5))
    assert (found.call, found.helps) == (Call.HELP, ("rcgrad",))
    assert found.evidence[0].finding is Finding.WOULD_GAIN
    assert "with rcgrad, a predicted gain of +50 %" in found.sentence
    assert "on held-out rows (120 steps of 2 runs with averaging)" in found.sentence
    assert "trained, RAE" in found.sentence
    assert "control" not in found.caution  # that of the prediction is in its numbers
    assert "not trained here" not in found.caution


def test_small_predicted_gains_leave_averaging_safe_with_the_largest_that_is_possible():
    found = decide([leverage()], [averaging(), score("rcgrad", SAME)], RAE, decision=gains(0.01))
    assert found.call is Call.SAFE
    assert found.evidence[0].finding is Finding.WOULD_NOT
    most = re.search(r"at most (\d\.\d) % over averaging's own on held-out rows", found.sentence)
    assert 1.0 < float(most[1]) < 10.0


def test_scores_outrank_predictions():
    better = decide([leverage()], [averaging(), score("rcgrad", LOWER)], RAE, decision=gains(0.0))
    assert (better.call, better.evidence[0].finding) == (Call.HELP, Finding.BETTER)
    assert "no gain was predicted for rcgrad" in better.caution
    worse = decide([leverage()], [averaging(), score("rcgrad", HIGHER)], RAE, decision=gains(0.5, spread=9.0))
    assert (worse.call, worse.evidence[0].finding) == (Call.SAFE, Finding.WORSE)


def test_a_predicted_gain_and_a_worse_score_contradict_each_other():
    found = decide([leverage()], [averaging(), score("rcgrad", HIGHER)], RAE, decision=gains(0.5))
    assert found.call is Call.INSUFFICIENT
    assert "a gain was predicted, and yet the score was worse" in found.sentence


def test_without_leverage_no_prediction_counts():
    found = decide([leverage(largest=0.0)], [averaging(), score("rcgrad", SAME)], RAE, decision=gains(0.5))
    assert (found.call, found.evidence[0].finding) == (Call.SAFE, Finding.NO_LEVERAGE)
    both = decide([leverage(largest=0.0)], [averaging(), score("rcgrad", LOWER)], RAE, decision=gains(0.5))
    assert both.call is Call.INSUFFICIENT


def test_an_open_prediction_says_why_and_how_many_steps_would_settle_it():
    found = decide([leverage()], [averaging(), score("rcgrad", SAME)], RAE, decision=gains(0.1, spread=3.0))
    assert found.call is Call.INSUFFICIENT
    assert "distinguished neither from zero nor from 10 % of averaging's effect" in found.sentence
    advice = next(line for line in found.settle if "predicted gain" in line)
    wanted = int(re.search(r"about (\d+) minibatch steps with averaging \(now 120;", advice)[1])
    assert wanted > 1000
    assert any(line.startswith("For rcgrad, 200 seeds") for line in found.settle)


def test_fresh_rows_alone_are_advised_to_measure_heldout_ones():
    open_on_fresh = gains(0.1, spread=3.0, rows="fresh").heldout
    found = decide([leverage()], [], None, decision=Decision(None, open_on_fresh))
    assert any("probe.heldout()" in line for line in found.settle)


def test_runs_that_differ_ask_for_more_seeds_not_steps():
    series = [np.array([0.9, 1.1] * 30), np.array([8.9, 9.1] * 30)]
    found = decide([leverage()], [], None, decision=Decision(streams.outcome(series), None))
    assert any("over more seeds" in line for line in found.settle)
    assert not any("minibatch steps with" in line for line in found.settle)


def test_one_run_and_a_combiner_that_was_not_trained_are_said():
    leverages = [leverage(), leverage("pcgrad")]
    decision = gains(0.5, runs=1)
    found = decide(leverages, [averaging(), score("pcgrad", SAME)], RAE, decision=decision)
    assert found.call is Call.INSUFFICIENT
    assert "rcgrad, not trained here, would have gained on held-out rows" in found.caution
    alone = decide([leverage()], [], None, decision=decision, assuming="it rests on something")
    assert "predicted gains rest on one run" in alone.caution
    assert alone.caution.endswith("it rests on something")


def test_where_only_a_larger_focal_weight_helps_the_verdict_says_so_and_calls_no_surgery():
    rng = np.random.default_rng(0)
    traces = [
        streams.trace_of(streams.run(rng, streams.means(np.eye(3).tolist()), noise=0.6)) for _ in range(2)
    ]
    decision = decision_of(traces, focal="focal", options={})
    found = decide([leverage("pcgrad"), leverage("rcgrad")], [], None, decision=decision)
    assert found.call is Call.WEIGHT
    assert "averaging with a focal share of" in found.caution
    assert "no surgery, would have gained" in found.caution
    assert [entry.task for entry in found.auxiliaries[:1]] == ["focal"]


def weighed(cosines, lengths, *, names=("rcgrad", "mgda"), noise=0.05):
    """The verdict where b and c have these lengths beside a focal gradient of length one."""
    rng = np.random.default_rng(4)
    gradients = np.array(lengths)[:, None] * streams.means(cosines)
    decision = decision_of(
        [streams.trace_of(streams.run(rng, gradients, noise=noise))], focal="focal", options={}
    )
    return decide([leverage(name) for name in names], [], None, decision=decision)


def test_a_gain_that_is_all_focal_weight_is_not_worded_as_none_over_averaging():
    found = weighed(np.eye(3).tolist(), [1.0, 4.0, 4.0], names=("mgda", "gre"))
    assert found.call is Call.WEIGHT
    assert [entry.finding for entry in found.evidence] == [Finding.WOULD_NOT] * 2
    over_averaging = [float(e.outlook.gain) / float(e.outlook.average) for e in found.evidence]
    over_control = [float(e.outlook.over_control.high) / float(e.outlook.average) for e in found.evidence]
    assert max(over_averaging) > 3.0
    assert max(over_control) < 0.1
    assert "averaging is safe" not in found.sentence
    assert "no more than a larger focal weight does" in found.sentence
    plain = re.search(r"over plain averaging, up to \+(\d+) %", found.sentence)
    control = re.search(r"at their focal shares, at most (\d\.?\d*) %", found.sentence)
    assert float(plain[1]) == pytest.approx(100.0 * max(over_averaging), rel=0.05)
    assert float(control[1]) == pytest.approx(100.0 * max(over_control), rel=0.05)


def test_combiners_with_and_without_a_gain_by_weight_are_told_apart_in_the_sentence():
    found = weighed(np.eye(3).tolist(), [1.0, 4.0, 4.0], names=("cagrad", "rcgrad"))
    none, by_weight = found.sentence.split("; cagrad ")
    assert none.startswith("steps of rcgrad would have gained at most")
    assert by_weight.startswith("would have gained no more than a larger focal weight does")


def test_averaging_is_safe_only_where_a_larger_focal_weight_would_not_gain_either():
    aligned = [[1.0, 0.95, 0.95], [0.95, 1.0, 0.95], [0.95, 0.95, 1.0]]
    found = weighed(aligned, [1.0, 1.0, 1.0])
    assert found.call is Call.SAFE
    assert "over averaging's own on held-out rows" in found.sentence
