import numpy as np
import pytest
import torch

from gradprobe.errors import InputError
from gradprobe.graphs.gragr import Correction, Edges
from gradprobe.graphs.gragr.correction import conflicting, contexts, project, smooth, smooth_exactly

from . import _graphs as graphs


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("magnitude", "cosine"), [(0.0, 0.0), (1.5, 0.0), (0.0, 0.3), (0.0, -0.5)])
def test_flags_and_projections_are_those_of_a_loop(seed, magnitude, cosine):
    gradient, edges = graphs.gradients(seed), graphs.edges()
    context = contexts(gradient, edges)
    flags = conflicting(gradient, context, magnitude=magnitude, cosine=cosine)
    projected = project(gradient, context, flags)
    for node in range(graphs.NODES):
        around = graphs.neighbours(node)
        mean = gradient[around].mean(0) if around else torch.zeros(3, dtype=torch.float64)
        defined = bool(gradient[node].any() and mean.any())
        angle = graphs.cosine(gradient[node], mean)
        flagged = defined and float(gradient[node].norm()) > magnitude and angle < cosine
        assert bool(flags[node]) == flagged
        expected = gradient[node]
        if flagged and angle < 0:
            expected = expected - (expected @ mean) / (mean @ mean) * mean
        torch.testing.assert_close(projected[node], expected)


def test_a_projected_gradient_is_orthogonal_to_its_context_and_not_more():
    # The paper's lemma says cos >= 0; it is exactly 0.
    gradient, edges = graphs.gradients(1), graphs.edges()
    context = contexts(gradient, edges)
    flags = conflicting(gradient, context)
    assert flags.any()
    products = (project(gradient, context, flags) * context).sum(1)[flags]
    torch.testing.assert_close(products, torch.zeros_like(products), atol=1e-12, rtol=0.0)


def test_a_positive_threshold_takes_no_agreement_away():
    gradient, edges = graphs.gradients(2), graphs.edges()
    context = contexts(gradient, edges)
    flags = conflicting(gradient, context, cosine=0.99)
    agreeing = flags & ((gradient * context).sum(1) > 0)
    assert agreeing.any()
    torch.testing.assert_close(project(gradient, context, flags)[agreeing], gradient[agreeing])


def test_isolated_and_silent_nodes_are_never_flagged():
    flags = conflicting(graphs.gradients(), contexts(graphs.gradients(), graphs.edges()), cosine=1.0)
    assert not flags[graphs.ISOLATED]
    assert not flags[graphs.SILENT]


def test_the_principal_context_points_with_the_mean():
    gradient, edges = graphs.gradients(3), graphs.edges()
    for sign in (1.0, -1.0):
        context = contexts(sign * gradient, edges, "principal")
        assert torch.equal(context[0], context[-1])
        assert context[0] @ (sign * gradient).mean(0) >= 0
        first = np.linalg.svd(gradient.numpy())[2][0]
        assert abs(first @ context[0].numpy()) == pytest.approx(1.0)
    assert not contexts(torch.zeros(9, 3), edges, "principal").any()


def test_one_jacobi_step_is_its_formula():
    gradient, edges = graphs.gradients(), graphs.edges()
    smoothed = smooth(gradient, edges, 0.7)
    for node in range(graphs.NODES):
        around = graphs.neighbours(node)
        expected = (gradient[node] + 0.7 * gradient[around].sum(0)) / (1 + 0.7 * len(around))
        torch.testing.assert_close(smoothed[node], expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.5, 10.0])
def test_jacobi_goes_to_the_solution_which_keeps_the_sum_of_each_component(smoothing):
    gradient, edges = graphs.gradients(), graphs.edges()
    exact = smooth_exactly(gradient, edges, smoothing)
    system = np.eye(graphs.NODES) + smoothing * graphs.laplacian()
    np.testing.assert_allclose(exact.numpy(), np.linalg.solve(system, gradient.numpy()), rtol=1e-10)
    torch.testing.assert_close(smooth(gradient, edges, smoothing, steps=3000), exact)
    for component in ([0, 1, 2, 3, 4, 5], [6, 7], [8]):
        torch.testing.assert_close(exact[component].sum(0), gradient[component].sum(0))


def test_smoothing_by_one_step_does_not_keep_the_sum_of_an_irregular_graph():
    gradient, edges = graphs.gradients(), graphs.edges()
    assert not torch.allclose(smooth(gradient, edges, 1.0).sum(0), gradient.sum(0))


def test_the_exact_solve_is_differentiable_twice():
    gradient = graphs.gradients().requires_grad_()
    edges = graphs.edges()
    assert torch.autograd.gradcheck(lambda g: smooth_exactly(g, edges, 0.5), gradient)
    assert torch.autograd.gradgradcheck(lambda g: smooth_exactly(g, edges, 0.5), gradient)


def test_the_correction_projects_before_it_smooths():
    gradient, edges = graphs.gradients(1), graphs.edges()
    context = contexts(gradient, edges)
    flags = conflicting(gradient, context)
    expected = smooth(project(gradient, context, flags), edges, 0.5)
    found = Correction()(gradient, edges)
    torch.testing.assert_close(found.gradient, expected)
    assert torch.equal(found.conflicting, flags)
    assert not torch.allclose(found.gradient, project(smooth(gradient, edges, 0.5), context, flags))


def test_each_part_of_the_correction_can_be_off():
    gradient, edges = graphs.gradients(1), graphs.edges()
    assert torch.equal(Correction(project=False, smooth=False)(gradient, edges).gradient, gradient)
    only_smoothed = Correction(project=False)(gradient, edges).gradient
    torch.testing.assert_close(only_smoothed, smooth(gradient, edges, 0.5))


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_the_correction_is_scale_equivariant(scale):
    gradient, edges = graphs.gradients(1), graphs.edges()
    torch.testing.assert_close(
        Correction()(scale * gradient, edges).gradient / scale, Correction()(gradient, edges).gradient
    )


def test_relabelling_the_nodes_permutes_the_correction():
    gradient, edges = graphs.gradients(1), graphs.edges()
    order = torch.randperm(graphs.NODES, generator=torch.Generator().manual_seed(0))
    place = order.argsort()
    moved = Edges.of(place[edges.index], graphs.NODES)
    torch.testing.assert_close(
        Correction()(gradient[order], moved).gradient, Correction()(gradient, edges).gradient[order]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context": "moon"}, "context: expected one of neighbours, principal"),
        ({"smoothing": -1.0}, "smoothing >= 0"),
        ({"steps": 0}, "steps: expected at least 1"),
    ],
)
def test_impossible_options_are_told(options, message):
    with pytest.raises(InputError, match=message):
        Correction(**options)
