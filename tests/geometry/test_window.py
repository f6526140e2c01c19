from __future__ import annotations

import numpy as np
import pytest

from gradprobe.errors import InputError
from gradprobe.geometry import FoldProducts, Gramian, Group, TaskProducts, corrected_cosines
from tests.geometry._populations import bipartitions, distinct_pairs, gramian_of


def _rows(seed: int = 0, width: int = 3) -> dict[str, dict[int, np.ndarray]]:
    """Three tasks over the molecules 0 to 5: all, all, and only some."""
    rng = np.random.default_rng(seed)
    return {
        "a": {k: rng.normal(size=width) + 1.0 for k in range(6)},
        "b": {k: rng.normal(size=width) for k in range(6)},
        "c": {k: rng.normal(size=width) - 0.5 for k in (1, 4)},
    }


def _over(sums_and_counts: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    sums, counts = sums_and_counts
    return sums.sum(axis=0) / counts.sum(axis=0)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_over_all_bipartitions_products_across_folds_are_the_u_statistic_whatever_the_fold_sizes(size):
    rows = {task: _rows()[task] for task in "ab"}
    steps = [gramian_of(rows, folds) for folds in bipartitions(range(6), size)]
    found = _over(FoldProducts.of(steps).across)
    expected = [[distinct_pairs(rows, i, j) for j in "ab"] for i in "ab"]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_u_statistic_is_not_the_product_of_full_gradients():
    rows = {task: _rows()[task] for task in "ab"}
    full = np.mean(list(rows["a"].values()), axis=0)
    assert abs(full @ full - distinct_pairs(rows, "a", "a")) > 0.3


@pytest.mark.parametrize("size", [1, 2, 3])
def test_over_all_bipartitions_row_noise_is_the_trace_of_the_row_covariance(size):
    rows = {task: _rows()[task] for task in "ab"}
    found = _over(FoldProducts.of([gramian_of(rows, f) for f in bipartitions(range(6), size)]).row_noise)
    table = np.array([[rows[task][k] for k in range(6)] for task in "ab"])
    centred = table - table.mean(axis=1, keepdims=True)
    expected = np.einsum("ird,jrd->ij", centred, centred) / 5
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_tasks_without_common_molecules_have_no_common_noise():
    rng = np.random.default_rng(0)
    noises = []
    for _ in range(400):
        rows = {
            "a": {k: rng.normal(size=2) for k in range(4)},
            "b": {k: rng.normal(size=2) for k in range(4, 8)},
        }
        folds = {k: "AB"[k % 2] for k in range(8)}
        noises.append(_over(FoldProducts.of([gramian_of(rows, folds)]).row_noise))
    noise, error = np.mean(noises, axis=0), np.std(noises, axis=0) / 20
    assert abs(noise[0, 1]) < 4 * error[0, 1]
    assert abs(noise[0, 0] - 2.0) < 4 * error[0, 0]


def test_splitting_each_task_by_itself_gives_back_the_raw_product():
    """All pairs of bipartitions, one a task: rows of one molecule meet across folds again."""
    rows = {task: _rows()[task] for task in "ab"}
    apart = [
        gramian_of(rows, {"a": one, "b": other})
        for one in bipartitions(range(6), 3)
        for other in bipartitions(range(6), 3)
    ]
    raw = np.mean(list(rows["a"].values()), axis=0) @ np.mean(list(rows["b"].values()), axis=0)
    found = _over(FoldProducts.of(apart).across)[0, 1]
    assert found == pytest.approx(raw, rel=1e-12)
    assert abs(found - distinct_pairs(rows, "a", "b")) > 0.01


def test_a_split_a_task_makes_unrelated_tasks_look_aligned():
    """Across folds: true 0, and far from it where every task is split by itself."""
    rng = np.random.default_rng(3)
    right, wrong = [], []
    mean = {"a": np.array([1.0, 0.0] + [0.0] * 8), "b": np.array([0.0, 1.0] + [0.0] * 8)}
    for _ in range(200):
        errors = rng.normal(size=(8, 10)) * 1.5
        rows = {task: {k: mean[task] + errors[k] for k in range(8)} for task in "ab"}
        folds = [dict(enumerate("AB"[i] for i in rng.permutation([0, 1] * 4))) for _ in range(3)]
        right.append(gramian_of(rows, folds[0]))
        wrong.append(gramian_of(rows, {"a": folds[1], "b": folds[2]}))
    honest, biased = (corrected_cosines(FoldProducts.of(steps)) for steps in (right, wrong))
    assert honest.cosines.low[0] < 0.0 < honest.cosines.high[0]
    assert abs(honest.cosines.values[0]) < 0.5
    assert biased.cosines.low[0] > 0.6
    assert biased.cosines.values[0] == pytest.approx(2.8, abs=1.5), "the raw product over honest norms"


def test_products_that_a_step_lacks_are_not_counted():
    rows, folds = _rows(), {0: "A", 1: "A", 2: "B", 3: "B", 4: "A", 5: "B"}
    found = FoldProducts.of([gramian_of(rows, folds)])
    sums, counts = found.across
    np.testing.assert_array_equal(counts[0], [[2, 2, 1], [2, 2, 1], [1, 1, 0]])
    half = {
        t: {f: np.mean([g for k, g in rows[t].items() if folds[k] == f], axis=0) for f in "AB"} for t in "ab"
    }
    only = np.mean([rows["c"][1], rows["c"][4]], axis=0)
    assert sums[0, 0, 2] == pytest.approx(half["a"]["B"] @ only)
    assert sums[0, 2, 2] == 0.0
    assert sums[0, 0, 1] == pytest.approx(half["a"]["A"] @ half["b"]["B"] + half["a"]["B"] @ half["b"]["A"])
    noise, folds_used = found.row_noise
    np.testing.assert_array_equal(folds_used[0], [[2, 2, 1], [2, 2, 1], [1, 1, 0]])
    across = half["a"]["B"] @ only
    assert noise[0, 0, 2] == pytest.approx(np.sqrt(3 * 2) * (half["a"]["A"] @ only - across))


def test_a_missing_task_takes_no_part_in_the_step():
    rows, folds = _rows(), {k: "AB"[k % 2] for k in range(6)}
    without = {task: rows[task] for task in "ac"}
    found = FoldProducts.of([gramian_of(rows, folds), gramian_of(without, folds)])
    assert found.tasks == ("a", "b", "c")
    assert found.rows[1].tolist() == [[3, 0, 1], [3, 0, 1]]
    assert found.across[1][1].tolist() == [[2, 0, 2], [0, 0, 0], [2, 0, 2]]
    assert found.whole.present.tolist() == [[True, True, True], [True, False, True]]


def test_whole_tasks_are_those_of_the_merged_gramian_where_folds_are_unequal():
    steps = [gramian_of(_rows(seed), {0: "A", 1: "A", 2: "A", 3: "A", 4: "B", 5: "B"}) for seed in range(3)]
    found = FoldProducts.of(steps).whole
    expected = TaskProducts.of(steps)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-12)
    np.testing.assert_allclose(found.values[1], steps[1].by_task().total, rtol=1e-12)
    assert (found.present == expected.present).all()


def test_batch_rows_are_the_harmonic_mean_of_the_steps_that_have_the_task():
    rows = np.array([[[2.0, 0.0], [1.0, 0.0]], [[3.0, 0.0], [3.0, 0.0]]])
    found = FoldProducts(("a", "b"), np.zeros((2, 2, 2, 2, 2)), rows).batch_rows
    assert found[0] == pytest.approx(2 / (1 / 3 + 1 / 6))
    assert np.isnan(found[1])


def test_a_layer_is_read_by_name_and_the_layers_add_up():
    groups = (Group("a", "A"), Group("a", "B"), Group("b", "A"), Group("b", "B"))
    jacobians = np.random.default_rng(0).normal(size=(2, 4, 5))
    step = Gramian(groups, ("one", "two"), jacobians @ jacobians.transpose(0, 2, 1), (1, 1, 1, 1), (5, 5))
    one, two, both = (FoldProducts.of([step], layer=layer).values for layer in ("one", "two", None))
    np.testing.assert_allclose(one + two, both)
    assert one[0, 0, 1, 0, 1] == pytest.approx(jacobians[0, 0] @ jacobians[0, 3])


def _partly_labelled(rng: np.random.Generator) -> dict[str, dict[int, np.ndarray]]:
    """Eight molecules; a row's gradient tells whether its molecule carries the other label too: 1 or -1."""
    labelled = rng.random((8, 2)) < 0.6
    sign = np.where(labelled.all(axis=1), 1.0, -1.0)
    return {
        task: {k: sign[[k]] for k in range(8) if labelled[k, i]}
        for i, task in enumerate("ab")
        if labelled[:, i].any()
    }


def test_means_over_a_window_are_unbiased_where_tasks_share_some_molecules_and_folds_are_small():
    """True mean gradients 0.2 and 0.2. Dividing by the row pairs of a step is the planted mistake."""
    rng = np.random.default_rng(0)
    steps = [
        gramian_of(_partly_labelled(rng), dict(enumerate("AB"[i] for i in rng.permutation([0, 1] * 4))))
        for _ in range(6000)
    ]
    folds = FoldProducts.of(steps)
    sums, counts = folds.across
    products = sums[:, 0, 1] - 0.04 * counts[:, 0, 1]
    assert abs(products.mean()) < 4 * products.std() / np.sqrt(len(steps))
    pairs = np.stack([folds.rows[:, 0, 0] * folds.rows[:, 1, 1], folds.rows[:, 1, 0] * folds.rows[:, 0, 1]])
    each = np.stack([folds.values[:, 0, 1, 0, 1], folds.values[:, 1, 0, 0, 1]])
    there = pairs.sum(axis=0) > 0
    within_step = (pairs * each).sum(axis=0)[there] / pairs.sum(axis=0)[there]
    assert abs(within_step.mean() - 0.04) > 4 * within_step.std() / np.sqrt(there.sum())


@pytest.mark.parametrize(
    ("steps", "layer", "message"),
    [
        ([], None, "expected the Gramians of at least one step, got none"),
        ([Gramian((Group("a"),), ("x",), np.ones((1, 1, 1)), (2,), (1,))], None, r"rows=\.\.\."),
        (
            [gramian_of(_rows(), dict.fromkeys(range(6), "A"))],
            "x",
            r"layer: expected one of \['layer'\], got 'x'",
        ),
    ],
)
def test_what_is_no_window_of_folds_is_refused(steps, layer, message):
    with pytest.raises(InputError, match=message):
        FoldProducts.of(steps, layer=layer)


def test_layers_and_shapes_that_differ_are_refused():
    step = gramian_of(_rows(), dict.fromkeys(range(6), "A"))
    other = Gramian(step.groups, ("other",), step.values, step.rows, step.parameters)
    with pytest.raises(InputError, match="expected the layers"):
        FoldProducts.of([step, other])
    with pytest.raises(InputError, match=r"values, rows: expected shapes"):
        FoldProducts(("a",), np.zeros((3, 2, 2, 1, 1)), np.zeros((2, 2, 1)))
