import pytest
import torch

from gradprobe.errors import InputError
from gradprobe.graphs.editing import Classifier
from gradprobe.graphs.editing.neighbourhood import NodeLogits

from ._toys import node_model, ring, rows

SEES = {"mlp": 0, "sage": 2, "gat": 2, "gin": 2, "gcn": 3}


@pytest.mark.parametrize(("kind", "hops"), SEES.items())
def test_the_neighbourhood_gives_the_logits_and_gradients_of_the_whole_graph(kind, hops):
    x, labels = rows()
    model, edges = node_model(kind), ring(len(x))
    ids = torch.tensor([0, 29, 31])  # the chord's ends and a node beside one
    whole, near = (
        Classifier.of_nodes(model, x, edges, labels, torch.arange(10), hops=h) for h in (None, hops)
    )
    torch.testing.assert_close(near.logits(ids), whole.logits(ids))
    torch.testing.assert_close(near.gradient(near.loss(ids)), whole.gradient(whole.loss(ids)))


def test_a_gcn_sees_one_hop_farther_than_it_has_layers():
    x, _ = rows()
    model, edges = node_model("gcn"), ring(len(x))
    ids = torch.tensor([2])  # two hops from the chord, whose ends have three neighbours
    with torch.no_grad():
        whole, short = (NodeLogits(model, x, edges, hops)(ids) for hops in (None, 2))
    assert not torch.allclose(whole, short)


def test_only_the_neighbourhood_is_passed_through_the_model_and_kept_for_the_next_step():
    x, _ = rows()
    seen = []

    class Counts(torch.nn.Module):
        def forward(self, x, edge_index):
            seen.append((x.data_ptr(), len(x), edge_index.shape[1]))
            return x

    logits = NodeLogits(Counts(), x, ring(len(x)), 2)
    for _ in range(2):
        assert torch.equal(logits(torch.tensor([10])), x[10:11])
    assert seen[0][1:] == (5, 8)
    assert seen[0] == seen[1]
    assert torch.equal(logits(torch.tensor([40])), x[40:41])


def test_many_nodes_at_once_take_the_whole_graph():
    x, _ = rows()
    model = node_model("gcn")
    with torch.no_grad():
        every = torch.arange(len(x)).flip(0)
        expected = model(x, ring(len(x))).flip(0)
        torch.testing.assert_close(NodeLogits(model, x, ring(len(x)), 0)(every), expected)


def test_negative_hops_are_refused():
    with pytest.raises(InputError, match="hops: expected a number of at least 0"):
        NodeLogits(torch.nn.Identity(), *rows(), -1)
