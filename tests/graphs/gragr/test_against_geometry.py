"""The differentiable quantities of training are those that the probe and the report measure."""

import numpy as np
import pytest
import torch

from gradprobe.data.graphs import load_graph
from gradprobe.geometry import graph as geometry
from gradprobe.graphs.gragr import Edges, conflict_loss, gradient_attention, node_energy, task_energy
from gradprobe.graphs.gragr.correction import conflicting, contexts, project, smooth, smooth_exactly


@pytest.fixture(scope="module")
def karate():
    dataset = load_graph("karate")
    generator = torch.Generator().manual_seed(0)
    gradients = torch.randn(3, dataset.nodes, 4, generator=generator, dtype=torch.float64)
    gradients[:, 5] = 0.0
    edges = Edges.of(torch.tensor(dataset.edge_index), dataset.nodes)
    return gradients, edges, geometry.node_graph(dataset.edge_index, dataset.nodes)


def test_contexts_flags_and_projections(karate):
    (first, *_), edges, graph = karate
    context = contexts(first, edges)
    np.testing.assert_allclose(context, geometry.neighbour_mean(first, graph), atol=1e-12)
    principal = contexts(first, edges, "principal")
    np.testing.assert_allclose(principal[0], geometry.principal_direction(first), atol=1e-9)
    for options in ({}, {"magnitude": 2.0, "cosine": 0.3}):
        flags = conflicting(first, context, **options)
        names = {"magnitude": "min_norm", "cosine": "below"}
        same = geometry.conflict_flags(first, context, **{names[k]: v for k, v in options.items()})
        np.testing.assert_array_equal(flags, same)
        projected = geometry.project(first, context, flagged=flags.numpy())
        np.testing.assert_allclose(project(first, context, flags), projected, atol=1e-12)


@pytest.mark.parametrize("strength", [0.1, 2.0])
def test_smoothing(karate, strength):
    (first, *_), edges, graph = karate
    np.testing.assert_allclose(
        smooth_exactly(first, edges, strength), geometry.smooth(first, graph, strength=strength), atol=1e-10
    )
    for steps in (1, 4):
        np.testing.assert_allclose(
            smooth(first, edges, strength, steps=steps),
            geometry.smooth_jacobi(first, graph, strength=strength, steps=steps),
            atol=1e-12,
        )


def test_conflict_along_edges_and_between_tasks(karate):
    gradients, edges, graph = karate
    found = geometry.edge_conflict(gradients[0], graph)
    assert float(conflict_loss(gradients[0], edges, "raw")) == pytest.approx(float(found.loss))
    assert float(conflict_loss(gradients[0], edges, "edge")) == pytest.approx(
        float(found.loss_per_edge.values)
    )
    assert node_energy(gradients[0], edges) == pytest.approx(float(found.energy_per_edge.values))
    np.testing.assert_allclose(task_energy(gradients), geometry.task_conflict(gradients)[0], atol=1e-12)


@pytest.mark.parametrize("similarity", ["raw", "cosine"])
def test_attention(karate, similarity):
    gradients, edges, graph = karate
    found = gradient_attention(gradients, edges, temperature=0.7, similarity=similarity)
    expected = geometry.gradient_attention(gradients, graph, temperature=0.7, cosine=similarity == "cosine")
    order = np.lexsort((edges.sources, edges.targets))
    np.testing.assert_array_equal(edges.targets[order], expected.receivers)
    np.testing.assert_allclose(found[order], expected.shares, atol=1e-12)
