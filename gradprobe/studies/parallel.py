"""Running independent pieces of work side by side, one thread each."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from gradprobe.errors import InputError, TrainingError, missing_extra

In = TypeVar("In")
Out = TypeVar("Out")
_WATCH_SECONDS = 1.0
# No process has this identifier.
_NO_PARENT = -1


def side_by_side(
    work: Callable[[In], Out],
    pieces: Sequence[In],
    *,
    jobs: int,
    backend: str = "loky",
    scheduler: str | None = None,
) -> Iterator[Out]:
    """The result of every piece as it ends, `jobs` at a time (0: one a core), on a backend of joblib.

    Every piece uses one thread, so that its numbers do not depend on how many run beside it. One job runs in
    this process. Processes end within seconds of this one, however it ends; those of other backends are their
    own masters. `scheduler` is the address of dask's, whose workers need one thread each.

    Raises:
        InputError: a negative number of jobs, an unknown backend, or no scheduler at the address.
        TrainingError: a process was killed from outside.
        MissingExtraError: joblib is not installed.
    """
    check_jobs(jobs)
    try:
        from joblib import Parallel, delayed, parallel_config
    except ImportError as error:
        raise missing_extra("joblib", "molecules") from error

    workers = min(jobs or os.cpu_count() or 1, len(pieces))
    if workers == 0:
        return
    try:
        with parallel_config(**_backend(backend, workers, scheduler)), warnings.catch_warnings():
            # joblib renews a process whose memory has grown, which is as it should be.
            warnings.filterwarnings(
                "ignore", message="A worker stopped while some jobs", category=UserWarning
            )
            # Without max_nbytes, large arrays would go through files in /dev/shm that outlive a kill.
            parent = os.getpid() if backend == "loky" else _NO_PARENT
            count = -1 if backend != "loky" and not jobs else workers
            yield from Parallel(n_jobs=count, return_as="generator_unordered", max_nbytes=None)(
                delayed(_in_one_thread)(work, piece, parent) for piece in pieces
            )
    except BrokenExecutor as error:
        raise TrainingError(
            "jobs: expected every process to live until its cell ends, but one was killed, as a rule because "
            f"memory ran out with {workers} side by side; finished cells are kept: run the same study again "
            "with fewer jobs"
        ) from error


def check_jobs(jobs: int) -> None:
    """Refuse a negative number of jobs.

    Raises:
        InputError: it is negative.
    """
    if jobs < 0:
        raise InputError(
            f"jobs: expected a number of cells to run side by side, or 0 for one a core, got {jobs}"
        )


def _in_one_thread(work: Callable[[In], Out], piece: In, parent: int) -> Out:
    _end_with(parent)
    with _one_thread():
        return work(piece)


def _end_with(parent: int) -> None:
    """End this process soon after the one that started it has died, if that is another, on this machine."""
    if os.getppid() != parent or _watching.is_set():
        return
    _watching.set()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="gradprobe: ends with its parent").start()


_watching = threading.Event()


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _backend(name: str, workers: int, scheduler: str | None) -> dict[str, object]:
    if name == "loky":
        return {"backend": "sequential"} if workers == 1 else {"backend": "loky", "inner_max_num_threads": 1}
    if name == "dask":
        return {"backend": "dask", "client": _dask_client(scheduler)}
    return {"backend": name}


def _dask_client(scheduler: str | None) -> object:
    """A client of the scheduler, whose workers were checked to have one thread each."""
    try:
        import distributed
    except ImportError as error:
        raise missing_extra("distributed", "dask") from error

    if scheduler is None:
        raise InputError(
            "scheduler: expected the address of a dask scheduler, such as tcp://host:8786, got none"
        )
    connect: Any = distributed.Client  # typed or not, whether or not dask is installed
    try:
        client: Any = connect(scheduler, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"scheduler: expected a dask scheduler at {scheduler}, got no answer ({error}); start one first"
        ) from error
    threads = {worker: found["nthreads"] for worker, found in client.scheduler_info()["workers"].items()}
    if any(count > 1 for count in threads.values()):
        client.close()
        raise InputError(
            "scheduler: expected workers of one thread each, because cells draw from the random state of "
            f"their process, got {sorted(threads.values())}; start them with --nthreads 1"
        )
    return client
