import numpy as np
import pytest

from gradprobe.errors import InputError
from gradprobe.geometry.graph import (
    FEATURES,
    alignment,
    conflict_flags,
    gradient_attention,
    neighbour_mean,
    node_features,
    node_graph,
    project,
    smooth,
    smooth_jacobi,
)
from tests.geometry.graph._slow import EDGES, case, features

CONFIDENCES = np.random.default_rng(5).uniform(0.2, 1.0, 10)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["cosine", "pearson", "per_node"])
@pytest.mark.parametrize("seed", range(4))
def test_features_are_equations_18_to_26_node_by_node(weighted, kind, seed):
    found = case(weighted=weighted, seed=seed)
    result = node_features(found.gradients, found.graph, confidences=CONFIDENCES, confidence=kind)
    np.testing.assert_allclose(result.vectors, features(found, CONFIDENCES, kind), atol=1e-13)


def test_every_role_is_told_apart():
    # Nodes: a hub 0 of a star of five, a triangle 6-7-8 with tail 9, a pair 10-11, an isolated node 12.
    pairs = [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (6, 7), (7, 8), (6, 8), (8, 9), (10, 11)]
    rows = np.ones((13, 2))
    rows[0] *= 9
    rows[6] = [1.0, -1.0]
    rows[7] = [-1.0, -1.0]
    role = node_features(rows, node_graph(np.array(pairs).T, 13)).feature("role")
    assert role[0] == 2.0
    assert role[7] == 1.5
    assert role[1] == role[10] == role[9] == 1.0
    assert role[12] == 0.5


def test_a_regular_graph_has_neither_hub_nor_bridge():
    ring = np.array([[v, (v + 1) % 12] for v in range(12)]).T
    for seed in range(3):
        rows = np.random.default_rng(seed).standard_normal((12, 2))
        assert set(node_features(rows, node_graph(ring, 12)).feature("role").tolist()) <= {0.5, 1.0}


def test_what_is_undefined_is_masked_and_filled():
    found = case()
    result = node_features(found.gradients, found.graph, confidences=CONFIDENCES)
    few = found.graph.degrees < 2
    assert np.isnan(result.feature("conflict")).tolist() == [False] * 9 + [True]
    assert np.isnan(result.feature("stability")).tolist() == few.tolist()
    assert np.isnan(result.feature("receptiveness")).tolist() == [False] * 9 + [True]
    assert result.vectors[9, :2].tolist() == [0.0, 0.0]
    size = np.linalg.norm(found.gradients, axis=1)
    assert result.vectors[9, 5] == pytest.approx(0.4 * size[9] / size.max())
    unknown = node_features(found.gradients, found.graph)
    assert np.isnan(unknown.feature("confidence")).all()
    assert (unknown.vectors[:, 3] == 0).all()


def test_the_confidence_relation_is_in_minus_one_to_zero_and_one_number():
    for seed in range(10):
        found = case(seed=seed)
        values = node_features(found.gradients, found.graph, confidences=CONFIDENCES).feature("confidence")
        assert len(set(values.tolist())) == 1
        assert -1.0 <= values[0] <= 0.0
        terms = node_features(
            found.gradients, found.graph, confidences=CONFIDENCES, confidence="per_node"
        ).feature("confidence")
        assert terms.sum() == pytest.approx(values[0])


def test_equal_norms_and_equal_confidences():
    graph = case().graph
    equal = node_features(np.ones((10, 2)), graph, confidences=CONFIDENCES)
    assert (equal.feature("confidence") == 0.0).all()
    assert equal.vectors[0, 5] == pytest.approx(0.0, abs=1e-12)
    for gradients, confidences in ((np.ones((10, 2)), CONFIDENCES), (case().gradients, np.full(10, 0.3))):
        pearson = node_features(gradients, graph, confidences=confidences, confidence="pearson")
        assert np.isnan(pearson.feature("confidence")).all()


def test_nearly_equal_norms_have_their_small_variance():
    rows = np.ones((10, 1)) * (1e4 + np.arange(10)[:, None] * 1e-4)
    found = node_features(rows, case().graph)
    spread = [np.var(rows[case().around(v), 0]) if case().around(v) else 0.0 for v in range(10)]
    scaled = np.arange(10) / 9
    np.testing.assert_allclose(found.vectors[:, 5] - 0.4 * scaled, 0.25 * np.array(spread), atol=1e-9)
    leaf = node_features(rows, node_graph([[0, 0], [1, 2]], 10)).vectors[0, 5]
    assert leaf == pytest.approx(0.25 * (0.5e-4) ** 2, rel=1e-6)


def test_zero_gradients_everywhere():
    result = node_features(np.zeros((10, 3)), case().graph, confidences=CONFIDENCES)
    assert np.isfinite(result.vectors).all()
    assert (result.vectors[:, :4] == 0.0).all()


def test_one_node_alone_has_no_features():
    result = node_features(
        np.ones((1, 2)), node_graph(np.zeros((2, 0), dtype=np.int64), 1), confidences=[0.5]
    )
    assert not result.defined.any()
    assert (result.vectors == 0).all()


def test_influence_counts_walks_and_not_hops():
    # A path a-b: walks of length two from a lead back to a.
    rows = np.array([[3.0], [5.0]])
    result = node_features(rows, node_graph([[0], [1]], 2))
    assert result.feature("influence").tolist() == [(3 + 0.5 * 5) / 2, (5 + 0.5 * 3) / 2]


def relabelled(order):
    """The case with node v renamed to order[v]."""
    found = case(weighted=True)
    pairs = order[np.array(EDGES).T]
    weights = [found.adjacency[u, v] for u, v in EDGES]
    rows = np.empty_like(found.gradients)
    rows[order] = found.gradients
    return node_graph(pairs, 10, weights=weights), rows


def test_relabelling_nodes_permutes_every_quantity():
    found, order = case(weighted=True), np.random.default_rng(1).permutation(10)
    graph, rows = relabelled(order)
    confidences = np.empty(10)
    confidences[order] = CONFIDENCES

    def quantities(rows, graph, confidences):
        mean = neighbour_mean(rows, graph)
        yield mean
        yield alignment(rows, graph)
        yield conflict_flags(rows, mean)
        yield project(rows, mean)
        yield smooth(rows, graph, strength=0.6)
        yield smooth_jacobi(rows, graph, strength=0.6, steps=2)
        for kind in ("cosine", "per_node"):
            yield node_features(rows, graph, confidences=confidences, confidence=kind).vectors
        attention = gradient_attention(rows, graph)
        dense = np.zeros((10, 10))
        dense[attention.receivers, attention.senders] = attention.shares
        yield (dense**3).sum(axis=1)

    for before, after in zip(
        quantities(found.gradients, found.graph, CONFIDENCES),
        quantities(rows, graph, confidences),
        strict=True,
    ):
        np.testing.assert_allclose(after[order], before, atol=1e-13)


def test_adding_an_isolated_node_changes_only_what_rests_on_the_whole_graph():
    found = case()
    before = node_features(found.gradients, found.graph, confidences=CONFIDENCES)
    rows = np.vstack([found.gradients, [[0.3, 0.1, -0.2]]])
    after = node_features(rows, node_graph(found.graph.edges, 11), confidences=np.append(CONFIDENCES, 0.5))
    means = [np.linalg.norm(g, axis=1).mean() for g in (found.gradients, rows)]
    for name in ("stability", "influence"):
        assert np.array_equal(after.feature(name)[:10], before.feature(name), equal_nan=True)
    np.testing.assert_allclose(after.vectors[:10, 0] / means[1], before.vectors[:10, 0] / means[0])
    # The norms' smallest and largest are those of nodes 3 and another: receptiveness stays.
    np.testing.assert_allclose(after.vectors[:10, 5], before.vectors[:10, 5])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gradients": np.ones((2, 10, 3))}, "sum the tasks"),
        ({"confidences": np.ones(9)}, "for each of 10 nodes"),
        ({"confidences": np.zeros(10)}, "a probability above 0"),
        ({"confidences": np.full(10, np.nan)}, "a probability above 0"),
        ({"confidence": "spearman"}, "one of cosine, pearson, per_node"),
    ],
)
def test_arguments_that_make_no_features_are_refused(changes, message):
    found = case()
    given = {"gradients": found.gradients, "confidences": CONFIDENCES, **changes}
    with pytest.raises(InputError, match=message):
        node_features(given.pop("gradients"), found.graph, **given)


def test_a_feature_has_a_name():
    result = node_features(case().gradients, case().graph)
    assert len(FEATURES) == result.vectors.shape[1] == 6
    with pytest.raises(InputError, match="name: expected one of conflict"):
        result.feature("psi")
