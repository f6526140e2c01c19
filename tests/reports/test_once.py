"""What stands in two places of a report is decided once: words, tables, figures and JSON agree."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from gradprobe.reports import summarise
from gradprobe.reports.compare.decision import Decision
from gradprobe.reports.compare.document import compare_document
from gradprobe.reports.compare.evidence import Finding
from gradprobe.reports.compare.scores import RAE
from gradprobe.reports.compare.verdict import decide
from gradprobe.reports.compare.verdict_file import verdict_json
from gradprobe.reports.kit.numbers import number, signed, signed_two_digits
from tests.reports import _streams as streams
from tests.reports import _studies as make
from tests.reports.test_prospect import series
from tests.reports.test_verdict import SAME, averaging, leverage, score

STUDIES = 10
_NUMBER = r"[+−]?[\d.×⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+"
GAIN = re.compile(rf"{_NUMBER}(?: %)? \({_NUMBER} to {_NUMBER}(?: %)?\)")
CLAIMS = {"would have gained", "would not have gained"}


@pytest.fixture(scope="module", params=range(STUDIES))
def shown(request):
    """A summary of random gradients with its document and its verdict as JSON."""
    rng = np.random.default_rng(request.param)
    cosine = rng.uniform(-0.95, 0.3)
    means = streams.means([[1.0, cosine, 0.1], [cosine, 1.0, 0.0], [0.1, 0.0, 1.0]])
    gradients = means * rng.uniform(0.5, 4.0, size=3)[:, None]
    trace = streams.trace_of(streams.run(rng, gradients, steps=14, noise=rng.uniform(0.05, 1.5)))
    summary = summarise(trace)
    return summary, compare_document(summary), json.loads(verdict_json(summary))


def tables(document):
    return {table.title: table for section in document.sections for table in section.tables}


def test_the_verdict_the_table_and_the_json_say_the_same_of_every_combiner(shown):
    summary, document, found = shown
    rows = {row[1]: row for row in tables(document)["Predicted gains for the focal task"].rows}
    (encoder,), (as_json,) = summary.encoders, found["encoders"]
    predictions = {entry["combiner"]: entry["prediction"] for entry in as_json["evidence"]}
    (card,) = document.cards
    for name, remark, _ in card.details:
        if predictions[name] is None:
            continue
        assert rows[name][2] == predictions[name]["finding"] == encoder.verdict.outlooks[name].prospect.value
        if remark in CLAIMS:
            assert rows[name][2] == remark
    for name in as_json["helps"]:
        assert rows[name][2] == "would have gained"
    assert card.call == as_json["verdict"]
    assert card.paragraphs[0][1:-1] == as_json["sentence"][1:]


def test_every_gain_in_words_stands_in_a_table_and_in_the_json(shown):
    summary, document, found = shown
    cells = " ".join(cell for table in tables(document).values() for row in table.rows for cell in row)
    (card,) = document.cards
    said = " ".join([*card.paragraphs, card.caution, *(text for *_, text in card.details)])
    gains = GAIN.findall(said)
    for gain in gains:
        assert gain in cells
    figures = {figure.name: figure for figure in document.figures}
    for name in ("gains", "focal_weight"):
        for gain in GAIN.findall(figures[name].words):
            assert gain in cells
    (encoder,), (as_json,) = summary.encoders, found["encoders"]
    for entry in as_json["evidence"]:
        if entry["prediction"] and entry["prediction"]["average"]["low"] > 0.0:
            share = 100.0 * entry["prediction"]["gain"]["value"] / entry["prediction"]["average"]["value"]
            assert f"{signed_two_digits(share)} %" in cells
    assert gains or not encoder.verdict.outlooks


def test_leverages_in_words_tables_figures_and_json_agree(shown):
    _, document, found = shown
    rows = {row[1]: row for row in tables(document)["Leverage"].rows}
    figures = {figure.name: figure for figure in document.figures}
    (panel,) = figures["leverage"].plot.panels
    drawn = {row.name: row.marks[0].value for row in panel.rows}
    (as_json,) = found["encoders"]
    texts = {name: text for name, _, text in document.cards[0].details}
    for entry in as_json["evidence"]:
        name, largest = entry["combiner"], entry["leverage"]["largest"]
        assert rows[name][3] == number(largest)
        assert drawn[name] == pytest.approx(max(largest, 1e-7))
        assert f"leverage at most {number(largest)} " in texts[name]
        assert f"{name} {number(largest)}" in figures["leverage"].words


def test_affinities_are_ranked_once(shown):
    summary, document, found = shown
    rows = tables(document)["Affinity with the focal task"].rows
    (encoder,), (as_json,) = summary.encoders, found["encoders"]
    figures = {figure.name: figure for figure in document.figures}
    (panel,) = figures["affinities"].plot.panels
    order = [entry.task for entry in encoder.verdict.auxiliaries]
    assert [row[1] for row in rows] == [row.name for row in panel.rows] == order
    calls = {entry["task"]: entry["call"] for entry in as_json["auxiliaries"]}
    assert {row[1]: row[-1] for row in rows if row[1] in calls} == calls


def test_scores_in_words_tables_and_figures_agree(tmp_path):
    for seed in range(3):
        scores = {
            f"mlp-{combiner}-seed{k}": 0.5 + 0.1 * value
            for combiner in ("average", "rcgrad")
            for k, value in enumerate(np.random.default_rng([seed, len(combiner)]).normal(size=3))
        }
        path = make.study(
            tmp_path / str(seed),
            encoders=("mlp",),
            combiners=("average", "rcgrad"),
            scores=scores,
            trace_options={"mlp": {"steps": 1}},
        )
        document = compare_document(summarise(path))
        difference = np.mean(
            [scores[f"mlp-rcgrad-seed{k}"] - scores[f"mlp-average-seed{k}"] for k in range(3)]
        )
        row = tables(document)["RAE of flash point, test fold (lower is better)"].rows[1]
        figures = {figure.name: figure for figure in document.figures}
        ((panel,), words) = figures["differences"].plot.panels, figures["differences"].words
        (mark,) = panel.rows[0].marks
        assert mark.value == pytest.approx(difference)
        assert row[3] == signed(difference)
        assert f"{row[3]} ({row[4]})" in words
        assert (
            f"RAE {row[3]} against averaging (95% interval {row[4]}, 3 paired seeds)"
            in document.cards[0].details[0][2]
        )


def test_a_gain_that_is_open_among_all_combiners_is_open_in_the_verdict_on_the_one_that_was_trained():
    alone = streams.outcome(series(0.03, spread=0.12, steps=60), None, series(0.0, spread=1.0, seed=1))
    noise = [streams.outcome(series(0.0, seed=seed), name=f"c{seed}").predictions[0] for seed in range(5)]
    crowded = replace(alone, predictions=(*alone.predictions, *noise))
    trained = [averaging(), score("rcgrad", SAME)]
    by_itself, among_others = (
        decide([leverage()], trained, RAE, decision=Decision(outcome, None)) for outcome in (alone, crowded)
    )
    assert [entry.combiner for entry in among_others.evidence] == ["rcgrad"]
    assert by_itself.evidence[0].finding is Finding.WOULD_GAIN
    assert among_others.evidence[0].finding is Finding.OPEN
    assert set(among_others.outlooks) == {"rcgrad", *(f"c{seed}" for seed in range(5))}
    assert among_others.evidence[0].outlook is among_others.outlooks["rcgrad"]
