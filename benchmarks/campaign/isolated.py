"""Attacks in forked processes: one that hangs, fills the memory or kills its process is just a fault."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import warnings
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

from .verdicts import Verdict

Attack = TypeVar("Attack")
# An attack that takes longer hangs, whatever the machine: most take milliseconds.
SECONDS = 60.0
# What an attack may add to the memory of its process.
_GIBIBYTES = 3


def judged(attacks: Sequence[Attack], work: Callable[[Attack], Verdict]) -> Iterator[tuple[Attack, Verdict]]:
    """Every attack with its verdict, in order. A process serves until an attack ends it."""
    fork = multiprocessing.get_context("fork")
    place = 0
    while place < len(attacks):
        reader, writer = fork.Pipe(duplex=False)
        process = fork.Process(target=_serve, args=(attacks[place:], work, writer), daemon=True)
        process.start()
        writer.close()
        try:
            while place < len(attacks):
                if not reader.poll(SECONDS):
                    yield attacks[place], Verdict("fault", f"no answer within {SECONDS:g} s")
                    place += 1
                    break
                try:
                    verdict = reader.recv()
                except EOFError:
                    process.join()
                    yield attacks[place], Verdict("fault", f"the process ended with {process.exitcode}")
                    place += 1
                    break
                yield attacks[place], verdict
                place += 1
        finally:
            process.kill()
            process.join()
            reader.close()


def _serve(attacks: Sequence[Attack], work: Callable[[Attack], Verdict], writer: Connection) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    warnings.simplefilter("ignore")
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + _GIBIBYTES * 2**30
    with contextlib.suppress(ValueError):  # a lower limit is already there
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for attack in attacks:
        writer.send(work(attack))
    writer.close()
