from gradprobe.graphs.explain import build_prompt, explain
from gradprobe.graphs.explain.features import DESCRIPTIONS

from ._contexts import NAN, UNDEFINED, context


def test_every_feature_is_named_with_its_value_unit_and_percentile() -> None:
    text = explain(context())
    for feature in DESCRIPTIONS:
        assert feature.title in text
    assert "Conflict intensity 1.94 (squared gradient norm; percentile 95)" in text
    assert "Role 1.5, bridge" in text


def test_the_same_context_gives_the_same_words() -> None:
    assert explain(context()) == explain(context())


def test_a_value_shared_by_all_nodes_is_said_to_be() -> None:
    assert (
        "Confidence and gradient -0.227 (negative cosine of both, -1 to 0), the same for every node."
        in explain(context())
    )


def test_what_is_undefined_is_said_with_its_reason_and_judged_by_no_rule() -> None:
    text = explain(context(**UNDEFINED))
    assert "Conflict intensity is undefined (no neighbour)." in text
    assert "Trajectory stability is undefined." in text
    assert "Too little is defined" in text
    assert "nan" not in text


def test_high_conflict_casts_doubt_and_names_a_correction() -> None:
    text = explain(context())
    assert "the prediction is doubtful: its conflict is among the highest tenth." in text
    assert "smoothing" in text
    assert "doubtful" not in explain(context(percentiles=(89.9, 20.0, 50.0, NAN, 60.0, 90.0)))


def test_neighbours_that_oppose_each_other_cast_doubt() -> None:
    quiet = context(values=(0.1, -0.01, 1.0, -0.2, 1.0, 0.1), percentiles=(5.0, 2.0, 5.0, NAN, 5.0, 5.0))
    assert "oppose each other" in explain(quiet)


def test_the_label_is_in_no_words_unless_the_context_reveals_it() -> None:
    assert "label is" not in explain(context())
    assert "its label is cat" in explain(context(label="cat"))


def test_the_prompt_is_the_paper_s_with_named_entries() -> None:
    assert build_prompt(context()) == (
        "Node ID: 42; Context vector: [conflict = 1.942, stability = 0.231, influence = 48.7, "
        "confidence = -0.227, role = 1.5, receptiveness = 0.8]\n"
        "Prediction: 7\n"
        "Task: Generate a short natural-language explanation of the prediction based on the context vector. "
        "If the context indicates low reliability, suggest a possible corrective action."
    )


def test_the_prompt_holds_the_label_only_where_it_is_asked_for() -> None:
    assert "True label" not in build_prompt(context(label="3"))
    assert "Prediction: 7; True label: 3\n" in build_prompt(context(label="3"), with_label=True)
    assert "True label" not in build_prompt(context(), with_label=True)


def test_the_prompt_says_what_is_undefined() -> None:
    assert "conflict = undefined, stability = undefined, influence = 0," in build_prompt(context(**UNDEFINED))
