import pytest
import torch
from torch.nn.functional import cross_entropy

from gradprobe.errors import InputError
from gradprobe.graphs import build_node_model
from gradprobe.graphs.gragr import Edges, conflict_loss, node_energy, task_energy

from . import _graphs as graphs


@pytest.mark.parametrize("seed", range(4))
def test_the_three_losses_are_those_of_a_loop_over_edges(seed):
    gradient, edges = graphs.gradients(seed), graphs.edges()
    raw = [max(0.0, -float(gradient[u] @ gradient[v])) for u, v in graphs.PAIRS]
    both = [(u, v) for u, v in graphs.PAIRS if gradient[u].any() and gradient[v].any()]
    angles = [max(0.0, -graphs.cosine(gradient[u], gradient[v])) for u, v in both]
    assert float(conflict_loss(gradient, edges, "raw")) == pytest.approx(sum(raw))
    assert float(conflict_loss(gradient, edges, "edge")) == pytest.approx(sum(raw) / len(raw))
    assert float(conflict_loss(gradient, edges, "cosine")) == pytest.approx(sum(angles) / len(angles))
    assert node_energy(gradient, edges) == pytest.approx(sum(angles) / len(angles))


def test_without_edges_or_gradients_there_is_no_conflict():
    none = Edges.of(torch.empty(2, 0, dtype=torch.int64), 9)
    for kind in ("raw", "edge", "cosine"):
        assert float(conflict_loss(graphs.gradients(), none, kind)) == 0.0
        assert float(conflict_loss(torch.zeros(9, 3), graphs.edges(), kind)) == 0.0


def test_the_energy_of_one_task_is_zero_although_its_nodes_conflict():
    gradient = graphs.gradients(1)
    assert not task_energy(gradient[None]).any()
    assert node_energy(gradient, graphs.edges()) > 0.0


def test_the_energy_of_tasks_is_that_of_a_loop_over_pairs():
    gradient = graphs.gradients(tasks=4)
    for node, found in enumerate(task_energy(gradient).tolist()):
        pairs = [(i, j) for i in range(4) for j in range(i)]
        expected = sum(max(0.0, -graphs.cosine(gradient[i, node], gradient[j, node])) for i, j in pairs)
        assert found == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["raw", "edge", "cosine"])
@pytest.mark.parametrize("model_kind", ["gcn", "sage"])
def test_the_second_order_gradient_is_that_of_finite_differences(kind, model_kind):
    model = build_node_model(model_kind, inputs=4, classes=3, width=8, layers=3, seed=0).double().eval()
    x = torch.randn(graphs.NODES, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.arange(graphs.NODES) % 3
    weight = model.convs[1].lin.weight if model_kind == "gcn" else model.convs[1].lin_l.weight

    def penalty() -> torch.Tensor:
        *hidden, logits = model.representations(x, graphs.edges().index)
        loss = cross_entropy(logits, labels)
        gradients = torch.autograd.grad(loss, hidden, create_graph=True)
        return sum(conflict_loss(gradient, graphs.edges(), kind) for gradient in gradients)

    def at(values: torch.Tensor) -> float:
        kept = weight.detach().clone()
        with torch.no_grad():
            weight.copy_(values)
        value = penalty().item()
        with torch.no_grad():
            weight.copy_(kept)
        return value

    assert penalty().item() > 0.0
    (slope,) = torch.autograd.grad(penalty(), weight)
    torch.testing.assert_close(slope, graphs.finite_difference(at, weight.detach()), rtol=1e-4, atol=1e-9)


def test_an_unknown_kind_is_told():
    with pytest.raises(InputError, match="kind: expected one of raw, edge, cosine"):
        conflict_loss(graphs.gradients(), graphs.edges(), "both")
