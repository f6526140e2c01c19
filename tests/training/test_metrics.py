import math

import numpy as np
import pytest

from gradprobe.training import classification_metrics, regression_metrics

RNG = np.random.default_rng(0)
LABELS = RNG.normal(size=50)
PREDICTIONS = LABELS + RNG.normal(size=50)


def test_regression_scores_are_their_sums():
    found = regression_metrics(LABELS, PREDICTIONS)
    mean = sum(LABELS) / 50
    absolute = sum(abs(y - p) for y, p in zip(LABELS, PREDICTIONS, strict=True))
    squares = sum((y - p) ** 2 for y, p in zip(LABELS, PREDICTIONS, strict=True))
    assert found.n == 50
    assert found.rae == pytest.approx(absolute / sum(abs(y - mean) for y in LABELS), rel=1e-12)
    assert found.mae == pytest.approx(absolute / 50, rel=1e-12)
    assert found.r2 == pytest.approx(1 - squares / sum((y - mean) ** 2 for y in LABELS), rel=1e-12)
    assert found.rmse == pytest.approx(math.sqrt(squares / 50), rel=1e-12)
    assert math.isnan(found.auroc)
    assert math.isnan(found.average_precision)
    assert math.isnan(found.mean_rae)
    assert found.undefined == ""


def test_spearman_is_the_correlation_of_ranks_with_ties_shared():
    labels, predictions = np.array([1.0, 2.0, 2.0, 5.0]), np.array([0.0, 3.0, -1.0, 9.0])
    ranks = [np.array([1.0, 2.5, 2.5, 4.0]), np.array([2.0, 3.0, 1.0, 4.0])]
    a, b = (rank - rank.mean() for rank in ranks)
    expected = (a @ b) / math.sqrt((a @ a) * (b @ b))
    assert regression_metrics(labels, predictions).spearman == pytest.approx(expected, rel=1e-12)
    assert math.isnan(regression_metrics(labels, np.ones(4)).spearman)


def test_constants_are_those_of_the_train_labels_scored_on_the_same_rows():
    labels, train = np.array([0.0, 4.0, 5.0]), np.array([1.0, 1.0, 10.0])
    found = regression_metrics(labels, labels, train=train)
    # The test mean is 3: distances 3 + 1 + 2. Train mean 4: 4 + 0 + 1. Train median 1: 1 + 3 + 4.
    assert found.rae == 0.0
    assert found.mean_rae == pytest.approx(5 / 6, rel=1e-12)
    assert found.median_rae == pytest.approx(8 / 6, rel=1e-12)


@pytest.mark.parametrize(
    ("labels", "why"),
    [([0.0, 0.0], "no positives"), ([1.0, 1.0], "no negatives"), ([], "no labels")],
)
def test_an_undefined_auroc_has_its_reason(labels, why):
    assert classification_metrics(np.array(labels), np.full(len(labels), 0.5)).undefined == why


def test_an_undefined_rae_has_its_reason():
    assert regression_metrics(np.ones(3), np.zeros(3)).undefined == "all labels are equal"
    assert (
        regression_metrics(np.arange(2.0), np.array([0.0, np.nan])).undefined == "a prediction is not finite"
    )


def test_rae_does_not_depend_on_the_unit():
    there = regression_metrics(1000 * LABELS - 7, 1000 * PREDICTIONS - 7)
    assert there.rae == pytest.approx(regression_metrics(LABELS, PREDICTIONS).rae, rel=1e-12)


def test_predicting_the_mean_scores_one_and_the_median_may_score_less():
    skewed = np.array([0.0, 0.0, 0.0, 10.0])
    assert regression_metrics(skewed, np.full(4, 2.5)).rae == 1.0
    assert regression_metrics(skewed, np.full(4, 0.0)).rae < 1.0


def test_constant_labels_have_an_error_but_no_relative_one():
    found = regression_metrics(np.ones(5), np.zeros(5))
    assert found.mae == 1.0
    assert math.isnan(found.rae)
    assert math.isnan(found.r2)


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    labels = (LABELS > 0).astype(float)
    scores = PREDICTIONS.round(1)
    pairs = [
        1.0 if a > b else 0.5 if a == b else 0.0 for a in scores[labels == 1] for b in scores[labels == 0]
    ]
    found = classification_metrics(labels, scores)
    assert found.auroc == pytest.approx(np.mean(pairs), rel=1e-12)
    assert math.isnan(found.rae)


def test_average_precision_of_a_small_ranking():
    # Ranked: hit, miss, hit. Precision is 1 at recall 1/2 and 2/3 at recall 1.
    found = classification_metrics(np.array([1.0, 0.0, 1.0]), np.array([0.9, 0.8, 0.7]))
    assert found.average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


@pytest.mark.parametrize("labels", [np.ones(4), np.zeros(4)])
def test_one_class_has_no_ranking(labels):
    found = classification_metrics(labels, np.linspace(0, 1, 4))
    assert found.n == 4
    assert math.isnan(found.auroc)
    assert math.isnan(found.average_precision)


@pytest.mark.parametrize("score", [regression_metrics, classification_metrics])
def test_no_labels_no_score(score):
    found = score(np.zeros(0), np.zeros(0))
    assert found.n == 0
    assert math.isnan(found.rae)
    assert math.isnan(found.auroc)


@pytest.mark.parametrize("score", [regression_metrics, classification_metrics])
def test_predictions_that_are_not_finite_have_no_score(score):
    found = score(np.array([0.0, 1.0]), np.array([0.0, np.inf]))
    assert found.n == 2
    assert math.isnan(found.mae)
    assert math.isnan(found.auroc)
