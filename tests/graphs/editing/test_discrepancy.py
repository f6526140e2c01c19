import math

import numpy as np
import pytest
import torch

from gradprobe.graphs.editing import gradient_discrepancy, measure_discrepancies, take_anchors

from ._toys import same, snapshot, table_classifier


def test_both_definitions_are_those_on_paper():
    training, target = np.random.default_rng(0).normal(size=(2, 7))
    found = gradient_discrepancy(torch.tensor(training), torch.tensor(target))
    assert found.rmse == pytest.approx(math.sqrt(np.mean((training - target) ** 2)))
    assert found.relative == pytest.approx(np.linalg.norm(training - target) / np.linalg.norm(training))
    cosine = training @ target / np.linalg.norm(training) / np.linalg.norm(target)
    assert found.cosine == pytest.approx(cosine)


def test_a_zero_gradient_leaves_the_angle_undefined_with_a_reason():
    zero, other = torch.zeros(3), torch.tensor([3.0, 0.0, 4.0])
    found = gradient_discrepancy(zero, other)
    assert math.isnan(found.relative)
    assert math.isnan(found.cosine)
    assert found.rmse == pytest.approx(5 / math.sqrt(3))
    assert found.reason == "a zero gradient has no direction"
    assert math.isnan(gradient_discrepancy(other, zero).cosine)
    assert gradient_discrepancy(other, zero).relative == pytest.approx(1.0)


def test_the_training_gradient_does_not_contain_the_targets():
    """Released code runs both backward passes without clearing `.grad` between them."""
    classifier = table_classifier()
    before = snapshot(classifier.model)
    first, second = measure_discrepancies(classifier, [40, 41])
    training = take_anchors(classifier, (classifier.train,)).gradients[0]
    target = take_anchors(classifier, (torch.tensor([41]),)).gradients[0]
    assert second == gradient_discrepancy(training, target)
    assert first == measure_discrepancies(classifier, [40])[0]
    assert same(classifier.model, before)
    assert all(parameter.grad is None for parameter in classifier.parameters)
