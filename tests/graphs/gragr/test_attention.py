import math

import pytest
import torch

from gradprobe.graphs import build_node_model
from gradprobe.graphs.gragr import attending, gradient_attention, message_weights

from . import _graphs as graphs

KINDS = ("gcn", "gat", "gin", "sage")


@pytest.mark.parametrize("similarity", ["raw", "cosine"])
@pytest.mark.parametrize("tasks", [None, 3])
def test_attention_is_the_softmax_of_the_formula(similarity, tasks):
    gradient, edges = graphs.gradients(tasks=tasks), graphs.edges()
    found = gradient_attention(gradient, edges, temperature=2.0, similarity=similarity)
    each = gradient if tasks else gradient[None]
    product = graphs.cosine if similarity == "cosine" else lambda a, b: float(a @ b)
    for u, v, weight in zip(edges.targets.tolist(), edges.sources.tolist(), found.tolist(), strict=True):
        raised = {
            w: math.exp(2.0 * sum(product(task[u], task[w]) for task in each)) for w in graphs.neighbours(u)
        }
        assert weight == pytest.approx(raised[v] / sum(raised.values()))


def test_raw_products_of_tiny_gradients_are_uniform_and_of_large_ones_do_not_overflow():
    gradient, edges = graphs.gradients(), graphs.edges()
    uniform = 1.0 / edges.degree[edges.targets].double()
    tiny = gradient_attention(1e-4 * gradient, edges, similarity="raw")
    torch.testing.assert_close(tiny, uniform, atol=1e-7, rtol=0.0)
    assert gradient_attention(1e4 * gradient, edges, similarity="raw").isfinite().all()


def test_masked_messages_get_nothing_and_the_others_share_it():
    gradient, edges = graphs.gradients(), graphs.edges()
    agreeing = edges.products(gradient) >= 0
    weights = gradient_attention(gradient, edges, agreeing=agreeing)
    assert not weights[~agreeing].any()
    sums = torch.zeros(graphs.NODES, dtype=torch.float64).index_add(0, edges.targets, weights)
    assert all(total == pytest.approx(1.0) or total == 0.0 for total in sums.tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_uniform_attention_leaves_every_layer_as_it_is(kind):
    conv, x, edges = _layer(kind)
    uniform = gradient_attention(torch.zeros(graphs.NODES, 3), edges)
    with attending({conv: message_weights(uniform, edges)}):
        weighted = conv(x, edges.index)
    torch.testing.assert_close(weighted, conv(x, edges.index))


@pytest.mark.parametrize("kind", KINDS)
def test_attention_reaches_the_messages_of_every_layer_and_ends_with_the_block(kind):
    conv, x, edges = _layer(kind)
    before = conv(x, edges.index)
    silenced = torch.ones(edges.sources.numel())
    silenced[(edges.targets == 3) & (edges.sources == 2)] = 0.0
    with attending({conv: silenced}):
        weighted = conv(x, edges.index)
    changed = (weighted - before).abs().sum(1) > 1e-7
    assert changed.tolist() == [node == 3 for node in range(graphs.NODES)]
    assert torch.equal(conv(x, edges.index), before)


def test_a_weighted_gcn_layer_is_its_dense_formula():
    conv, x, edges = _layer("gcn")
    attention = gradient_attention(graphs.gradients().float(), edges, temperature=3.0)
    dense = torch.zeros(graphs.NODES, graphs.NODES)
    dense[edges.targets, edges.sources] = 1.0
    scale = (dense.sum(1) + 1).rsqrt()
    alpha = torch.zeros_like(dense)
    alpha[edges.targets, edges.sources] = attention
    mixing = scale[:, None] * (alpha * dense.sum(1, keepdim=True) + torch.eye(graphs.NODES)) * scale
    with attending({conv: message_weights(attention, edges)}):
        torch.testing.assert_close(conv(x, edges.index), mixing @ x @ conv.lin.weight.T + conv.bias)


def _layer(kind):
    model = build_node_model(kind, inputs=4, classes=8, width=8, layers=1, seed=0).eval()
    x = torch.randn(graphs.NODES, 4, generator=torch.Generator().manual_seed(2))
    return model.convs[0], x, graphs.edges()
