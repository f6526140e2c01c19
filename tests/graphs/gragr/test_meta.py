import pytest
import torch

from gradprobe.errors import InputError
from gradprobe.graphs.gragr import conflict_hypergradient, conflict_loss, hypergradient, onto_simplex
from gradprobe.graphs.gragr.meta import degree_groups, group_losses, update_gamma

from . import _graphs as graphs

RATE = 0.05
GAMMA = torch.tensor([0.7, 1.1, 1.2], dtype=torch.float64)


def losses(theta: torch.Tensor) -> torch.Tensor:
    """Three strongly convex losses of four parameters."""
    generator = torch.Generator().manual_seed(0)
    factors = torch.randn(3, 5, 4, generator=generator, dtype=torch.float64)
    targets = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    return ((factors @ theta - targets) ** 2).mean(1) + 0.3 * theta @ theta


def validation_loss(theta: torch.Tensor) -> torch.Tensor:
    return torch.log1p((theta - 0.5) ** 2).sum()


def gradient(function, at: torch.Tensor) -> torch.Tensor:
    point = at.detach().requires_grad_()
    return torch.autograd.grad(function(point), point)[0]


def rows(at: torch.Tensor) -> torch.Tensor:
    return torch.stack([gradient(lambda theta, i=i: losses(theta)[i], at) for i in range(3)])


def test_one_step_is_the_slope_of_the_validation_loss_after_a_step_of_gradient_descent():
    theta = torch.tensor([0.3, -0.4, 1.0, 0.2], dtype=torch.float64)

    def after(gamma: torch.Tensor) -> float:
        return float(validation_loss(theta - RATE * gamma @ rows(theta)))

    moved = theta - RATE * GAMMA @ rows(theta)
    found = hypergradient(gradient(validation_loss, moved), rows(theta), rate=RATE)
    torch.testing.assert_close(found, graphs.finite_difference(after, GAMMA), rtol=1e-7, atol=1e-10)


def test_many_terms_are_the_slope_at_the_solved_inner_problem():
    # Public code leaves the leading rate of the series out: this would be off by 1 / rate.
    def solved(gamma: torch.Tensor) -> torch.Tensor:
        zero = torch.zeros(4, dtype=torch.float64)
        hessian = torch.autograd.functional.hessian(lambda theta: gamma @ losses(theta), zero)
        return torch.linalg.solve(hessian, -gradient(lambda theta: gamma @ losses(theta), zero))

    theta = solved(GAMMA)
    hessian = torch.autograd.functional.hessian(lambda at: GAMMA @ losses(at), theta)
    found = hypergradient(
        gradient(validation_loss, theta),
        rows(theta),
        rate=RATE,
        terms=2000,
        hessian=lambda vector: hessian @ vector,
    )
    slopes = graphs.finite_difference(lambda gamma: float(validation_loss(solved(gamma))), GAMMA)
    torch.testing.assert_close(found, slopes, rtol=1e-6, atol=1e-9)
    one_step = hypergradient(gradient(validation_loss, theta), rows(theta), rate=RATE)
    assert not torch.allclose(one_step, slopes, rtol=0.1)


def test_several_terms_need_a_hessian():
    with pytest.raises(InputError, match="terms: expected 1, or more with hessian="):
        hypergradient(torch.ones(2), torch.ones(1, 2), rate=0.1, terms=2)


@pytest.mark.parametrize("seed", range(3))
def test_the_slope_of_the_conflict_loss_is_that_of_finite_differences_and_homogeneous(seed):
    node_gradients, edges = graphs.gradients(seed, tasks=3), graphs.edges()

    def loss(gamma: torch.Tensor) -> float:
        return float(conflict_loss(torch.einsum("t,tnd->nd", gamma, node_gradients), edges, "edge"))

    slope = conflict_hypergradient(node_gradients, GAMMA, edges)
    torch.testing.assert_close(slope, graphs.finite_difference(loss, GAMMA), rtol=1e-6, atol=1e-9)
    assert float(GAMMA @ slope) == pytest.approx(2.0 * loss(GAMMA))


@pytest.mark.parametrize("seed", range(10))
def test_the_projection_is_the_nearest_point_with_the_sum_and_no_negative_entry(seed):
    values = 2.0 * torch.randn(4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = onto_simplex(values, 4.0)
    assert float(found.sum()) == pytest.approx(4.0)
    assert (found >= 0).all()
    # Optimality: the entries that stay are all moved by the same amount, the others by no less.
    shift = (values - found)[found > 0]
    torch.testing.assert_close(shift, shift[:1].expand_as(shift))
    assert (values[found == 0] <= shift[0] + 1e-12).all()


def test_a_constrained_descent_of_the_conflict_loss_does_not_end_at_zero():
    node_gradients, edges = graphs.gradients(1, tasks=3), graphs.edges()
    gamma = torch.ones(3, dtype=torch.float64)
    everyone = torch.ones(3, dtype=torch.bool)
    for _ in range(200):
        slope = conflict_hypergradient(node_gradients, gamma, edges)
        gamma = update_gamma(gamma, slope, everyone, rate=1.0)
    assert float(gamma.sum()) == pytest.approx(3.0)
    assert (gamma >= 0).all()


def test_absent_groups_keep_their_weight():
    gamma = torch.tensor([0.5, 1.5, 1.0])
    present = torch.tensor([True, False, True])
    updated = update_gamma(gamma, torch.tensor([1.0, 5.0, 0.0]), present, rate=0.1)
    assert updated[1] == 1.5
    torch.testing.assert_close(updated, torch.tensor([0.45, 1.5, 1.05]))


def test_groups_are_quantiles_of_degree_without_empty_ones():
    edges = graphs.edges()
    groups = degree_groups(edges, torch.arange(graphs.NODES), 3)
    for a in range(graphs.NODES):
        for b in range(graphs.NODES):
            if edges.degree[a] == edges.degree[b]:
                assert groups[a] == groups[b]
            if edges.degree[a] < edges.degree[b]:
                assert groups[a] <= groups[b]
    assert torch.bincount(groups).min() > 0
    assert degree_groups(edges, torch.tensor([6, 7]), 3).tolist() == [0, 0]


def test_the_groups_losses_add_up_to_the_mean():
    values = torch.rand(6, generator=torch.Generator().manual_seed(0))
    parts = group_losses(values, torch.tensor([0, 2, 2, 0, 0, 2]), 3)
    torch.testing.assert_close(parts.sum(), values.mean())
    assert parts[1] == 0.0
