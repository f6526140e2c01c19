"""Cells on a dask cluster of two processes, one of which dies in mid-cell. Slow: `make cluster` runs it."""

import os
import signal
from pathlib import Path

import pytest

from gradprobe.errors import InputError
from gradprobe.studies import plan_study, run_study

from ._tables import small_config, write_table

distributed = pytest.importorskip("distributed")
slow = pytest.mark.skipif("GRADPROBE_CLUSTER" not in os.environ, reason="slow: make cluster")


def test_a_cluster_that_does_not_answer_is_named(tmp_path: Path) -> None:
    config = small_config(write_table(tmp_path / "table.csv"), seeds=1)
    plan = plan_study(config, tmp_path / "out", command=["x"])
    with pytest.raises(InputError, match="scheduler: expected the address"):
        run_study(plan, backend="dask", shared_disk=False)


@slow
@pytest.mark.filterwarnings("ignore")
def test_a_worker_killed_in_mid_cell_costs_nothing_and_results_are_those_of_this_machine(
    tmp_path: Path,
) -> None:
    table = write_table(tmp_path / "table.csv")
    config = small_config(table, seeds=3, epochs=12)
    here = plan_study(config, tmp_path / "here", command=["x"])
    run_study(here, jobs=1)
    there = plan_study(config, tmp_path / "there", command=["x"])
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        victim = next(iter(cluster.workers.values()))
        killed = []

        def watch(progress) -> None:
            if progress.ended >= 1 and not killed:
                killed.append(victim.process.process.pid)
                os.kill(killed[0], signal.SIGKILL)

        outcome = run_study(
            there,
            backend="dask",
            scheduler=cluster.scheduler_address,
            shared_disk=False,
            watch=watch,
        )
    assert killed
    assert outcome.finished == 6
    assert not outcome.failures
    # Equal bytes across processes: on one machine, one installation and one thread a process, as here.
    assert there.folder.results.read_bytes() == here.folder.results.read_bytes()
