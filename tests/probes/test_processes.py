from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from tests.probes._processes import work

pytestmark = pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available()), reason="needs gloo, for two processes"
)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What each of two processes saw: [rank][comparison]."""
    folder = tmp_path_factory.mktemp("processes")
    mp.spawn(work, (folder,), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


WAYS = ["plain", "static graph", "unused parameters", "splits through the wrapper", "only the first process"]
WAITING = ["shared negatives", "synchronised batch norm"]


@pytest.mark.parametrize("way", [*WAYS, *WAITING, "other tasks elsewhere"])
def test_a_probed_run_of_two_processes_is_the_unprobed_one_and_the_processes_agree(seen, way):
    one, other = (own[way] for own in seen)
    assert torch.equal(one["parameters"], one["plain"])
    assert torch.equal(one["parameters"], other["parameters"])


def test_a_static_graph_is_measured_as_any_other(seen):
    for own in seen:
        for (measured, _), (expected, _) in zip(
            own["static graph"]["gramians"], own["plain"]["gramians"], strict=True
        ):
            np.testing.assert_allclose(measured, expected, rtol=1e-4)


@pytest.mark.parametrize("way", ["plain", "unused parameters", *WAITING])
def test_each_process_measures_its_own_rows(seen, way):
    for own in seen:
        assert len(own[way]["gramians"]) == 3
        for measured, expected in own[way]["gramians"]:
            np.testing.assert_allclose(measured, expected, rtol=1e-4)


@pytest.mark.parametrize("way", WAITING)
def test_where_a_backward_pass_waits_for_others_the_loop_measures_and_says_so(seen, way):
    for own in seen:
        assert all("waits for other processes" in note for note in own[way]["notes"])


def test_processes_with_other_numbers_of_tasks_are_told_before_any_pass(seen):
    for own in seen:
        assert len(own["other tasks elsewhere"]["errors"]) == 3
        assert (
            "expected as many tasks on every process, got 2, 3" in own["other tasks elsewhere"]["errors"][0]
        )


def test_shards_are_refused_with_the_remedy_and_training_goes_on_as_before(seen):
    for own in seen:
        plain, _, *probed = own["shards"]["ends"]
        assert all(torch.equal(end, plain) for end in probed)
        assert len(own["shards"]["errors"]) == 12
        assert all("got shards (a DTensor" in error for error in own["shards"]["errors"])
        assert all("DistributedDataParallel" in error for error in own["shards"]["errors"])
