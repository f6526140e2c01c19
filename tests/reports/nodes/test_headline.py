import re
from dataclasses import replace

import pytest

from gradprobe.reports.nodes.headline import headline, points

from ._summaries import run, summary

BASE = [0.80, 0.81, 0.79, 0.80]


def said(scores: list[float], **options: object) -> str:
    base = run("base", BASE[: len(scores)])
    return headline(summary(base, run("gragr", scores, base=BASE, **options)))  # type: ignore[arg-type]


def test_higher_and_lower_are_said_only_where_the_interval_excludes_zero() -> None:
    assert "gragr's test accuracy is 2.0 points higher than the base's (95% interval" in said(
        [0.82, 0.83, 0.81, 0.821]
    )
    assert "is 2.0 points lower than the base's" in said([0.78, 0.79, 0.77, 0.781])
    assert "cannot be told from the base's (+1.0 points, 95% interval" in said([0.90, 0.75, 0.83, 0.76])


@pytest.mark.parametrize("scores", [[0.95], [0.95, 0.70], BASE])
def test_nothing_is_claimed_from_one_seed_or_a_wide_interval_or_no_difference(scores: list[float]) -> None:
    text = said(scores)
    assert ("from which nothing follows" in text) == (len(scores) == 1)
    assert (
        "from which nothing follows" in text
        or "cannot be told" in text
        or "is the base's in every seed" in text
    )
    assert not re.search("higher.*95%|lower.*95%", text)


def test_without_a_base_or_without_another_method_nothing_is_compared() -> None:
    assert headline(summary(run("base", BASE))).startswith("Nothing is compared")
    assert headline(summary(run("gragr", BASE))).startswith("Nothing is compared")


def test_variants_stay_out_of_the_headline() -> None:
    base = run("base", BASE)
    variant = run("gragr-no-meta", [score + 0.1 for score in BASE], base=BASE)
    assert headline(summary(base, variant)).startswith("Nothing is compared")


def test_every_model_has_its_sentence() -> None:
    runs = [
        found
        for model in ("gcn", "sage")
        for found in (run("base", BASE, model=model), run("gragr", BASE, base=BASE, model=model))
    ]
    assert headline(summary(*runs)).count("On karate with") == 2


def test_the_points_say_what_an_interval_holds_and_what_a_node_is_worth() -> None:
    text = " ".join(points(summary()))
    assert "over 5 seeds" in text
    assert "by chance alone" in text
    assert "There are 20 test nodes: one of them moves an accuracy by 5.0 points." in text
    assert "2.5 times the base's with gragr on gcn" in text


def test_a_gate_that_never_opened_is_told() -> None:
    base = run("base", BASE)
    shut = run("gragr++", BASE, base=BASE, opened=0.0)
    assert any("gragr++ on gcn was never on" in point for point in points(summary(base, shut)))
    assert not any("never on" in point for point in points(summary()))


def test_failures_are_counted() -> None:
    assert any("1 run failed" in point for point in points(summary(failed={"gcn-gragr-seed0": "no luck"})))


@pytest.mark.parametrize(
    ("splits", "words"), [(1, "The split is the same in all"), (2, "of which the graph has 2")]
)
def test_what_seeds_vary_is_told(splits: int, words: str) -> None:
    found = summary()
    graph = replace(found.graph, splits=splits)
    assert any(words in point for point in points(replace(found, graph=graph)))
