import numpy as np
import pytest

from gradprobe.data.graphs import class_splits, random_splits, stochastic_block_model
from gradprobe.errors import InputError

LABELS = np.repeat([0, 1, 2, -1], [50, 100, 7, 20])


def as_lists(splits):
    return [[part.tolist() for part in (split.train, split.validation, split.test)] for split in splits]


@pytest.mark.parametrize("draw", [random_splits, lambda labels, **kw: class_splits(labels, train=3, **kw)])
def test_every_labelled_node_is_in_one_part(draw):
    for parts in as_lists(draw(LABELS, count=3, seed=1)):
        assert sorted(node for part in parts for node in part) == np.flatnonzero(LABELS >= 0).tolist()
        assert all(part == sorted(part) for part in parts)


def test_shares_are_those_of_each_class():
    for split in random_splits(LABELS):
        assert np.bincount(LABELS[split.train]).tolist() == [24, 48, 3]
        assert np.bincount(LABELS[split.validation]).tolist() == [16, 32, 2]


def test_numbers_are_those_of_each_class():
    (split,) = class_splits(LABELS, train=5, validation=4, count=1)
    assert np.bincount(LABELS[split.train]).tolist() == [5, 5, 5]
    # The smallest class has only two left to validate on and none to test on.
    assert np.bincount(LABELS[split.validation]).tolist() == [4, 4, 2]
    assert np.bincount(LABELS[split.test]).tolist() == [41, 91]


def test_the_seed_decides_and_first_splits_do_not_depend_on_their_number():
    assert (
        as_lists(random_splits(LABELS, count=2, seed=4))
        == as_lists(random_splits(LABELS, count=5, seed=4))[:2]
    )
    assert as_lists(random_splits(LABELS, seed=4)) != as_lists(random_splits(LABELS, seed=5))
    first, second, *_ = as_lists(random_splits(LABELS))
    assert first != second


def test_a_class_of_one_node_is_trained_on():
    labels = np.repeat([0, 1], [20, 1])
    assert all(20 in split.train for split in random_splits(labels))


@pytest.mark.parametrize(
    ("draw", "options", "message"),
    [
        (random_splits, {"train": 0.7, "validation": 0.3}, "a sum below 1"),
        (random_splits, {"count": 0}, "at least one split"),
        (class_splits, {"train": 0}, "at least one node of each class"),
        (class_splits, {"train": 60, "validation": 60}, "leaves one empty"),
    ],
)
def test_impossible_parts_are_refused(draw, options, message):
    with pytest.raises(InputError, match=message):
        draw(LABELS, **options)


def test_nodes_without_any_label_cannot_be_split():
    with pytest.raises(InputError, match="got 0 in 0 classes"):
        random_splits(np.full(5, -1))


@pytest.mark.parametrize("homophily", [0.0, 0.3, 0.9, 1.0])
def test_a_block_model_has_its_homophily_and_degree(homophily):
    dataset = stochastic_block_model(homophily=homophily, seed=3, nodes=800, degree=12.0)
    edges = dataset.edges
    error = 4 * np.sqrt(homophily * (1 - homophily) / edges)
    assert dataset.homophily == pytest.approx(homophily, abs=error + 1e-12)
    assert edges == pytest.approx(4800, abs=4 * np.sqrt(4800))
    assert np.bincount(dataset.labels).tolist() == [200] * 4


def test_a_block_model_depends_on_its_seed_alone():
    a, b, c = (stochastic_block_model(homophily=0.5, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(a.edge_index, b.edge_index)
    assert np.array_equal(a.features, b.features)
    assert not np.array_equal(a.features, c.features)


def test_features_of_a_block_model_lie_around_the_means_of_their_classes():
    dataset = stochastic_block_model(homophily=0.5, nodes=4000, signal=5.0, degree=2.0)
    means = np.stack([dataset.features[dataset.labels == name].mean(axis=0) for name in range(4)])
    assert np.linalg.norm(means, axis=1) == pytest.approx([5.0] * 4, abs=0.3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"homophily": 1.2}, "a share from 0 to 1"),
        ({"homophily": float("nan")}, "a share from 0 to 1"),
        ({"homophily": 0.5, "nodes": 100}, "52 nodes"),
        ({"homophily": 1.0, "degree": 200.0}, "a positive mean degree"),
        ({"homophily": 1.0, "degree": 0.0}, "a positive mean degree"),
    ],
)
def test_impossible_block_models_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        stochastic_block_model(**options)
