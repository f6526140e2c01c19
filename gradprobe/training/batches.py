"""Which molecules make up each step."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import scipy.sparse

from gradprobe.encoders.features import IntArray


@dataclass(frozen=True, eq=False)
class Batch:
    """The molecules [b] of one forward pass, and where among them each task's labels are.

    A task without a label here has no entry. A molecule occurs at most once a task.
    """

    molecules: IntArray
    positions: Mapping[str, IntArray]

    def rows(self, task: str) -> IntArray:
        """The molecules [n] that carry a task."""
        return self.molecules[self.positions[task]]


class Batches(Protocol):
    """A source of steps; an epoch is one pass over the focal task's train split."""

    @property
    def description(self) -> str:
        """How batches are formed, for the reader of a trace: cosines depend on it."""
        ...

    @property
    def steps(self) -> int:
        """The steps of an epoch."""
        ...

    def epoch(self) -> Iterator[Batch]:
        """The batches of the next epoch."""
        ...


class BalancedBatches:
    """One minibatch of each task a step, drawn independently of the other tasks.

    A pass over a task is cut into `ceil(n / batch_size)` minibatches of nearly equal size; then its
    molecules are shuffled again, however far the other tasks have come. So small tasks come round
    often, large ones may need several epochs, and the last minibatch of a pass is not a tiny one.
    Each task has a generator of its own, made from the seed and its name: the focal task's
    minibatches are the same whatever the auxiliaries.
    """

    description = "balanced: one minibatch of each task a step, drawn independently"

    def __init__(self, rows: Mapping[str, IntArray], *, focal: str, batch_size: int, seed: int) -> None:
        self.steps = math.ceil(len(rows[focal]) / batch_size)
        self._streams = {
            task: _minibatches(molecules, batch_size, _generator(seed, task))
            for task, molecules in rows.items()
            if len(molecules)
        }

    def epoch(self) -> Iterator[Batch]:
        """One pass over the focal task's molecules."""
        for _ in range(self.steps):
            yield separate_rows({task: next(stream) for task, stream in self._streams.items()})


class UnionBatches:
    """One batch of molecules a step, from the union of all tasks' train molecules.

    Every label of a molecule counts; tasks without one in the batch are missing from it. A pass over
    the union, in nearly equal batches, holds each focal molecule once.
    """

    description = "union: one batch of molecules a step, with all their labels"

    def __init__(self, rows: Mapping[str, IntArray], *, batch_size: int, seed: int) -> None:
        self._molecules = np.unique(np.concatenate(list(rows.values())))
        self._batch_size = batch_size
        self._tasks = tuple(rows)
        self._carries = _carries(rows.values(), self._molecules)
        self._generator = np.random.default_rng(seed)
        self.steps = math.ceil(len(self._molecules) / batch_size)

    def epoch(self) -> Iterator[Batch]:
        """One pass over all molecules."""
        for molecules in _one_pass(self._molecules, self._batch_size, self._generator):
            positions, tasks = self._carries[np.searchsorted(self._molecules, molecules)].nonzero()
            order = np.lexsort((positions, tasks))
            present, starts = np.unique(tasks[order], return_index=True)
            parts = np.split(positions[order].astype(np.int64), starts[1:])
            yield Batch(molecules, {self._tasks[task]: own for task, own in zip(present, parts, strict=True)})


def make_batches(
    kind: Literal["balanced", "union"],
    rows: Mapping[str, IntArray],
    *,
    focal: str,
    batch_size: int,
    seed: int,
) -> Batches:
    """The batches of that kind over each task's train molecules."""
    if kind == "balanced":
        return BalancedBatches(rows, focal=focal, batch_size=batch_size, seed=seed)
    return UnionBatches(rows, batch_size=batch_size, seed=seed)


def separate_rows(chosen: Mapping[str, IntArray]) -> Batch:
    """A batch in which every task has rows of its own, even for a molecule that two of them carry."""
    ends = np.cumsum([len(molecules) for molecules in chosen.values()])
    positions = {
        task: np.arange(end - len(molecules), end)
        for (task, molecules), end in zip(chosen.items(), ends, strict=True)
    }
    return Batch(np.concatenate(list(chosen.values())), positions)


def chunks(rows: Mapping[str, IntArray], size: int) -> Iterator[Batch]:
    """Every label of a split once, in order: batches of one task and at most `size` molecules each.

    One task a batch costs one pass for each label; batches of molecules would cost a backward pass
    through every molecule for every task.
    """
    for task, molecules in rows.items():
        for start in range(0, len(molecules), size):
            yield separate_rows({task: molecules[start : start + size]})


def rotating_sample(molecules: IntArray, size: int, *, seed: int, name: str) -> Iterator[IntArray]:
    """Samples of at most `size` molecules without end: passes over all of them, each in a new order.

    The samples of a pass are of nearly equal size. Seed and name give a generator of its own.
    """
    return _minibatches(molecules, size, _generator(seed, name))


def _minibatches(molecules: IntArray, size: int, generator: np.random.Generator) -> Iterator[IntArray]:
    while True:
        yield from _one_pass(molecules, size, generator)


def _one_pass(molecules: IntArray, size: int, generator: np.random.Generator) -> list[IntArray]:
    return np.array_split(generator.permutation(molecules), math.ceil(len(molecules) / size))


def _generator(seed: int, task: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(task.encode())])


def _carries(rows: Iterable[IntArray], molecules: IntArray) -> scipy.sparse.csr_array:
    """Which of the molecules [u] carry which task, without a cell for those that do not."""
    owns = [np.searchsorted(molecules, own) for own in rows]
    columns = np.repeat(np.arange(len(owns)), [len(own) for own in owns])
    ones = np.ones(len(columns), dtype=np.int8)
    return scipy.sparse.csr_array((ones, (np.concatenate(owns), columns)), shape=(len(molecules), len(owns)))
