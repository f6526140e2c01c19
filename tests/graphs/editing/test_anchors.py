import numpy as np
import pytest
import torch

from gradprobe.errors import InputError
from gradprobe.graphs.editing import Anchors, split_training, take_anchors

from ._toys import table_classifier

LABELS = torch.tensor([0] * 20 + [1] * 7 + [2] * 4)
TRAIN = torch.arange(100, 131)


@pytest.mark.parametrize("count", [1, 2, 5, 31])
def test_parts_are_disjoint_cover_the_training_items_and_have_its_classes(count):
    parts = split_training(TRAIN, LABELS, count=count, seed=3)
    assert sorted(torch.cat(parts).tolist()) == TRAIN.tolist()
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    for name in range(3):
        counts = [int((LABELS[part - 100] == name).sum()) for part in parts]
        assert max(counts) - min(counts) <= 1


def test_parts_depend_on_the_seed_alone():
    first = split_training(TRAIN, LABELS, count=3, seed=0)
    torch.manual_seed(5)
    for one, other in zip(first, split_training(TRAIN, LABELS, count=3, seed=0), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(first[0], split_training(TRAIN, LABELS, count=3, seed=1)[0])


def test_parts_are_shuffled_rather_than_cut_where_they_stand():
    first = split_training(TRAIN, torch.zeros(31, dtype=torch.int64), count=2)[0]
    assert not torch.equal(first.sort().values, TRAIN[:16])


@pytest.mark.parametrize("count", [0, 32])
def test_more_parts_than_items_are_refused(count):
    with pytest.raises(InputError, match=f"from 1 to 31 parts of as many training items, got {count}"):
        split_training(TRAIN, LABELS, count=count)


def test_an_anchor_is_the_gradient_of_its_parts_mean_loss():
    classifier = table_classifier()
    parts = (torch.tensor([0, 1, 2]), torch.tensor([3, 4]))
    anchors = take_anchors(classifier, parts)
    for part, row in zip(parts, anchors.gradients, strict=True):
        classifier.model.zero_grad()
        classifier.loss(part).backward()
        expected = torch.cat([p.grad.flatten() for p in classifier.model.parameters()])
        torch.testing.assert_close(row, expected)


def test_the_whole_is_the_gradient_over_all_parts_though_they_differ_in_size():
    classifier = table_classifier()
    parts = split_training(classifier.train[:29], classifier.labels[:29], count=4)
    expected = take_anchors(classifier, (torch.arange(29),)).gradients
    torch.testing.assert_close(take_anchors(classifier, parts).whole.gradients, expected)


def test_products_and_cosines_are_those_of_numpy_and_a_zero_anchor_has_none():
    rows = np.random.default_rng(0).normal(size=(3, 9))
    rows[1] = 0.0
    vector = np.random.default_rng(1).normal(size=9)
    anchors = Anchors(torch.tensor(rows), (1, 1, 1))
    np.testing.assert_allclose(anchors.gramian, rows @ rows.T)
    np.testing.assert_allclose(anchors.products(torch.tensor(vector)), rows @ vector)
    expected = rows[0] @ vector / np.linalg.norm(rows[0]) / np.linalg.norm(vector)
    found = anchors.cosines(torch.tensor(vector))
    assert found[0] == pytest.approx(expected)
    assert np.isnan(found[1])


def test_the_memory_of_anchors_counts_every_number_once():
    assert Anchors(torch.zeros(3, 10), (1, 1, 1)).bytes == (3 * 10 + 10) * 4
