"""GraGR in training has its own, differentiable code of the same equations: both must say the same."""

import numpy as np
import pytest
import torch

from gradprobe.geometry import graph as quantities
from gradprobe.graphs.gragr import Edges
from gradprobe.graphs.gragr import attention as trained_attention
from gradprobe.graphs.gragr import conflict as trained_conflict
from gradprobe.graphs.gragr import correction as trained
from tests.geometry.graph._slow import NODES, case

FOUND = case(seed=2)
EDGES = Edges.of(torch.from_numpy(np.argwhere(FOUND.adjacency > 0).T.copy()), NODES)
GRADIENTS = torch.from_numpy(FOUND.gradients)


@pytest.mark.parametrize("below", [0.0, 0.4])
def test_contexts_flags_and_projection_are_the_same(below):
    for kind, own in (
        ("neighbours", quantities.neighbour_mean(FOUND.gradients, FOUND.graph)),
        ("principal", quantities.principal_direction(FOUND.gradients)),
    ):
        theirs = trained.contexts(GRADIENTS, EDGES, kind)
        np.testing.assert_allclose(np.broadcast_to(own, FOUND.gradients.shape), theirs)
        flags = quantities.conflict_flags(FOUND.gradients, own, below=below)
        assert flags.tolist() == trained.conflicting(GRADIENTS, theirs, cosine=below).tolist()
        np.testing.assert_allclose(
            quantities.project(FOUND.gradients, own, flagged=flags),
            trained.project(GRADIENTS, theirs, torch.from_numpy(flags)),
            atol=1e-15,
        )


def test_smoothing_is_the_same():
    np.testing.assert_allclose(
        quantities.smooth(FOUND.gradients, FOUND.graph, strength=0.7),
        trained.smooth_exactly(GRADIENTS, EDGES, 0.7),
    )
    np.testing.assert_allclose(
        quantities.smooth_jacobi(FOUND.gradients, FOUND.graph, strength=0.7, steps=3),
        trained.smooth(GRADIENTS, EDGES, 0.7, steps=3),
    )


def test_conflict_and_energy_are_the_same():
    own = quantities.edge_conflict(FOUND.gradients, FOUND.graph)
    assert float(own.loss) == pytest.approx(float(trained_conflict.conflict_loss(GRADIENTS, EDGES, "raw")))
    assert float(own.loss_per_edge) == pytest.approx(float(trained_conflict.conflict_loss(GRADIENTS, EDGES)))
    assert float(own.energy_per_edge) == pytest.approx(trained_conflict.node_energy(GRADIENTS, EDGES))
    tasks = case(tasks=4).gradients
    np.testing.assert_allclose(
        quantities.task_conflict(tasks)[0], trained_conflict.task_energy(torch.from_numpy(tasks)), atol=1e-15
    )


@pytest.mark.parametrize("similarity", ["raw", "cosine"])
def test_attention_is_the_same(similarity):
    own = quantities.gradient_attention(
        FOUND.gradients, FOUND.graph, temperature=2.0, cosine=similarity == "cosine"
    )
    dense = np.zeros((NODES, NODES))
    dense[own.receivers, own.senders] = own.shares
    theirs = trained_attention.gradient_attention(GRADIENTS, EDGES, temperature=2.0, similarity=similarity)
    np.testing.assert_allclose(dense[EDGES.targets, EDGES.sources], theirs)
