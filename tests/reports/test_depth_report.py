from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from gradprobe.records.depth import DepthGraph, DepthKey, DepthOptions, DepthRun, SignalCourse
from gradprobe.reports.depth.claim import compare, depth_alone, similarity
from gradprobe.reports.depth.document import depth_document
from gradprobe.reports.depth.figures import shown_runs
from gradprobe.reports.depth.summary import summarise_depth
from tests.reports._shown import screen, written

GRAPH = DepthGraph(
    features=4,
    name="toy",
    nodes=9,
    edges=12,
    classes=3,
    homophily=0.5,
    components=1,
    largest_class=0.4,
    notes=(),
)
OPTIONS = DepthOptions(model="gcn", width=8, epochs=30, learning_rate=0.01, weight_decay=0.0, probe_every=10)
VARIANTS = [(False, None), (True, None), (True, 4.0)]


def _course(levels: list[float], *, norm: float | None = 2.0, finding: str = "none") -> SignalCourse:
    """Two measurements of a signal whose relative mu is `levels`, twice as large at the end."""
    rows = (tuple(levels), tuple(2 * level for level in levels))
    return SignalCourse(
        norm=tuple((norm,) * len(levels) for _ in rows),
        relative=rows,
        smooth=rows,
        zero_rows=(0.0,) * len(levels),
        findings=("none", finding),
        reasons=("sound", "as made"),
    )


def _run(
    layers: int, variant: tuple[bool, float | None], seed: int, test: float, *, gradient: SignalCourse,
    representation: SignalCourse | None = None, diverged: int | None = None,
) -> DepthRun:  # fmt: skip
    return DepthRun(
        key=DepthKey(layers=layers, residual=variant[0], norm=variant[1], seed=seed),
        seconds=1.0,
        epochs=30,
        best_epoch=3,
        train=1.0,
        validation=test,
        test=test,
        loss=0.1,
        diverged=diverged,
        measured=(0, 29),
        representation=representation or _course([0.2] * layers),
        gradient=gradient,
    )


def _runs(seeds: int = 2) -> list[DepthRun]:
    """Accuracy follows the gradient's relative mu at the first layer; representations are noise."""
    rng = np.random.default_rng(0)
    runs = []
    for layers in (4, 8, 16):
        for place, variant in enumerate(VARIANTS):
            for seed in range(seeds):
                test = 0.1 * place + 1.0 / layers + 0.01 * seed
                levels = [0.4 * test, *[0.3] * (layers - 1)]
                noise = _course(rng.uniform(0.01, 0.4, size=layers).tolist())
                runs.append(_run(layers, variant, seed, test, gradient=_course(levels), representation=noise))
    return runs


def test_similarity_is_read_where_the_signal_ends_its_way():
    course = _course([0.1, 0.2, 0.3, 0.4], norm=5.0)
    run = _run(4, VARIANTS[0], 0, 0.5, gradient=course, representation=course)
    end = {"place": "end of the way", "moment": "at the start"}
    assert similarity(run, "gradient", "relative mu", **end) == 0.1
    assert similarity(run, "representation", "relative mu", **end) == 0.3  # the last hidden layer
    assert similarity(run, "gradient", "mu", **end) == pytest.approx(0.5)
    late = {"place": "mean over layers", "moment": "at the end"}
    assert similarity(run, "gradient", "relative mu", **late) == pytest.approx((0.2 + 0.4 + 0.6) / 3)
    mean = (math.log(1.0) + math.log(2.0) + math.log(3.0)) / 3
    assert similarity(run, "gradient", "mu", **late) == pytest.approx(mean)


def test_an_overflow_counts_as_an_infinite_mu_and_a_zero_as_none():
    end = {"place": "end of the way", "moment": "at the end"}
    over = SignalCourse.model_validate(
        _course([0.1, 0.2]).model_dump() | {"norm": ((None, 1.0),) * 2, "relative": ((None, 0.2),) * 2}
    )
    run = _run(2, VARIANTS[0], 0, 0.5, gradient=over)
    assert similarity(run, "gradient", "mu", **end) == math.inf
    assert math.isnan(similarity(run, "gradient", "relative mu", **end))
    zero = SignalCourse.model_validate(
        _course([0.1, 0.2]).model_dump() | {"norm": ((0.0, 1.0),) * 2, "relative": ((None, 0.2),) * 2}
    )
    assert similarity(_run(2, VARIANTS[0], 0, 0.5, gradient=zero), "gradient", "mu", **end) == 0.0


def test_correlations_are_spearmans_and_the_planted_predictor_wins():
    runs = _runs()
    found = compare(runs, measure="relative mu", place="end of the way", moment="at the end")
    gradient = [run.gradient.relative[-1][0] for run in runs]
    other = [run.representation.relative[-1][-2] for run in runs]
    test = [run.test for run in runs]
    assert found.gradient.value == pytest.approx(spearmanr(gradient, test).statistic)
    assert found.representation.value == pytest.approx(spearmanr(other, test).statistic)
    assert found.gradient.value == pytest.approx(1.0)
    assert found.advantage.value == pytest.approx(1.0 - abs(found.representation.value))
    assert found.advantage.excludes_zero
    assert (found.runs, found.cells) == (18, 9)
    assert depth_alone(runs).value == pytest.approx(spearmanr([r.key.layers for r in runs], test).statistic)


def test_intervals_draw_whole_cells_so_that_more_seeds_of_the_same_cells_do_not_narrow_them():
    """Drawing runs one by one would take twelve copies of nine cells for 108 pieces of evidence."""
    few, many = _runs(2), [
        run.model_copy(update={"key": run.key.model_copy(update={"seed": 10 * copy + run.key.seed})})
        for run in _runs(2)
        for copy in range(6)
    ]  # fmt: skip
    options = {"measure": "relative mu", "place": "end of the way", "moment": "at the end"}
    a, b = compare(few, **options).representation, compare(many, **options).representation
    assert b.high - b.low == pytest.approx(a.high - a.low, rel=0.05)


def test_too_few_cells_or_a_constant_are_no_test():
    runs = [run for run in _runs() if run.key.layers == 4]
    found = compare(runs, measure="mu", place="end of the way", moment="at the end")
    assert math.isnan(found.advantage.value)
    assert "fewer than 6" in found.reason
    same = [run.model_copy(update={"test": 0.5}) for run in _runs()]
    assert "the same in all runs" in compare(
        same, measure="mu", place="end of the way", moment="at the end"
    ).reason  # fmt: skip


def test_a_summary_averages_over_seeds_and_pairs_normalised_runs_with_their_own_architecture():
    summary = summarise_depth(GRAPH, OPTIONS, _runs())
    assert summary.variants == ("plain", "residual", "residual, norm 4")
    assert summary.depths == (4, 8, 16)
    cell = summary.cell("residual", 8)
    assert (cell.test.mean, cell.test.seeds) == (pytest.approx(0.23), 2)
    assert {layers: gain.mean for layers, gain in summary.gains.items()} == {
        4: pytest.approx(0.1), 8: pytest.approx(0.1), 16: pytest.approx(0.1)
    }  # fmt: skip


def test_two_layers_with_and_without_skips_are_one_network_and_count_once():
    twice = [
        _run(2, variant, seed, 0.5 + 0.1 * seed, gradient=_course([0.1, 0.1]))
        for variant in VARIANTS
        for seed in range(2)
    ]
    assert summarise_depth(GRAPH, OPTIONS, _runs() + twice).comparisons[0].runs == 18 + 4


def test_the_page_shows_every_finding_and_every_figure(tmp_path):
    runs = _runs()
    broken = _course([0.1] * 16, norm=None, finding="expansion")
    runs[-1] = runs[-1].model_copy(update={"gradient": broken, "diverged": 7})
    page = depth_document(summarise_depth(GRAPH, OPTIONS, runs, {runs[0].key: "out of memory"}))
    html = written(page, tmp_path)
    assert "At 16 layers, test accuracy is" in page.headline
    for text in (
        "expansion 1",
        "out of memory",
        "residual, norm 4",
        "does not beat always naming",
    ):
        assert text in html
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {
        "accuracy", "claim", "gradient-norm", "gradient-similarity", "representation-similarity"
    }  # fmt: skip
    assert screen(page)


def test_heat_maps_show_the_first_seed_at_the_deepest_depth_that_all_architectures_have():
    runs = [run for run in _runs() if run.key.layers < 16 or not run.key.residual]
    shown = shown_runs(summarise_depth(GRAPH, OPTIONS, runs))
    assert [(run.key.layers, run.key.seed) for run in shown] == [(8, 0)] * 3


def test_a_study_without_a_finished_run_has_a_page_that_says_so(tmp_path):
    page = depth_document(summarise_depth(GRAPH, OPTIONS, []))
    assert page.headline == "No run has finished."
    assert written(page, tmp_path)


def test_a_record_survives_its_file():
    run = _runs()[0]
    assert DepthRun.model_validate_json(run.model_dump_json(indent=1)) == run
