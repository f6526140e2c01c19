"""Two folds of a step's molecules, or of a split's, which every task inherits."""

from __future__ import annotations

import hashlib
import numbers
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gradprobe.errors import InputError
from gradprobe.geometry import Group
from gradprobe.probes.losses import GroupLoss

MoleculeNames = Sequence[Hashable] | Tensor | npt.NDArray[Any]
Rows = Mapping[str, MoleculeNames]
FOLDS = ("A", "B")


def split_into_folds(
    losses: Mapping[str, Tensor], rows: Rows, generator: np.random.Generator
) -> list[GroupLoss]:
    """Two groups a task, from one random bipartition of the step's molecules.

    A molecule that carries labels of several tasks is in the same fold for all of them. Folds are
    balanced over the molecules of tasks that share any, so over each task's own where none do. A task
    all of whose rows fall into one fold has that group only.

    Raises:
        InputError: a loss is a scalar, or its rows are not named one for one and once each.
    """
    names = named_rows(losses, rows)
    folds = _bipartition(names.values(), generator)
    groups = []
    for task, loss in losses.items():
        for fold in FOLDS:
            index = [i for i, name in enumerate(names[task]) if folds[name] == fold]
            if index:
                chosen = loss[torch.as_tensor(index, device=loss.device)]
                groups.append(GroupLoss(Group(task, fold), chosen.mean(), len(index)))
    return groups


class StandingFolds:
    """The fold of each molecule of a split that comes in batches, from its name and a seed alone.

    A molecule is in the same fold in whatever batch it comes, for every task and at every measurement.
    Folds are not balanced.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        # Names that are equal but are written otherwise, 1 and 1.0, are one molecule.
        self._known: dict[Hashable, str] = {}

    def of(self, name: Hashable) -> str:
        """The fold of a molecule."""
        if name not in self._known:
            text = f"{self._seed} {_plain(name)!r}"
            digest = hashlib.blake2b(text.encode(), digest_size=1).digest()
            self._known[name] = FOLDS[digest[0] % 2]
        return self._known[name]


def rows_by_position(losses: Mapping[str, object]) -> dict[str, range] | None:
    """The positions of the rows as their molecules; None where losses [b] are not of one length.

    Right where row i of every task is one molecule, as of a dense label matrix. Tasks with an empty
    vector are missing.
    """
    sizes = {
        task: loss.numel() if isinstance(loss, Tensor) and loss.dim() == 1 else None
        for task, loss in losses.items()
    }
    present = {task: size for task, size in sizes.items() if size != 0}
    first = next(iter(present.values()), None)
    if first is None or set(present.values()) != {first}:
        return None
    return dict.fromkeys(present, range(first))


def names_of(given: MoleculeNames) -> list[Hashable]:
    """The molecules as Python values, which compare as the caller means them to."""
    return list(given) if isinstance(given, Sequence) else given.tolist()


def distinct_names(argument: str, given: MoleculeNames, loss: Tensor) -> list[Hashable]:
    """The molecules behind a per-row loss.

    Raises:
        InputError: not one for each row, or one of them twice.
    """
    names = names_of(given)
    if len(names) != loss.numel() or len(set(names)) != len(names):
        raise InputError(
            f"{argument}: expected {loss.numel()} distinct molecules, one for each loss, "
            f"got {len(names)} of which {len(set(names))} are distinct"
        )
    return names


def named_rows(losses: Mapping[str, object], rows: Rows) -> dict[str, list[Hashable]]:
    """Task -> the molecule behind each row of its loss [b].

    Raises:
        InputError: a loss is no vector, or its rows are not named one for one and once each.
    """
    return {task: _check_rows(task, loss, rows) for task, loss in losses.items()}


def _check_rows(task: str, loss: object, rows: Rows) -> list[Hashable]:
    vector = isinstance(loss, Tensor) and loss.dim() == 1
    if not isinstance(loss, Tensor) or not vector or task not in rows:
        came = f"rows for {sorted(rows)} only" if vector else "a scalar"
        raise InputError(
            f"rows: expected a per-row loss and the molecule behind each row of {task!r}, got {came}; "
            "pass losses before their mean, or leave rows= out"
        )
    return distinct_names(f"rows[{task!r}]", rows[task], loss)


def _plain(name: object) -> object:
    """A name as Python itself writes it: NumPy's numbers and strings are written otherwise."""
    if isinstance(name, numbers.Integral):
        return int(name)
    return str(name) if isinstance(name, str) else name


def _bipartition(tasks: Iterable[list[Hashable]], generator: np.random.Generator) -> dict[Hashable, str]:
    """The fold of each molecule.

    Molecules are dealt out whatever labels they have: making up for one task's surplus with its other
    molecules would tie the folds to the labels, and inner products across folds would be biased.
    """
    folds = {}
    for pool in _pools(tasks):
        first = int(generator.integers(2))
        for position, index in enumerate(generator.permutation(len(pool))):
            folds[pool[int(index)]] = "AB"[(first + position) % 2]
    return folds


def _pools(tasks: Iterable[list[Hashable]]) -> list[list[Hashable]]:
    """The distinct molecules of tasks that share any, directly or by way of other tasks."""
    pools: list[dict[Hashable, None]] = []
    for names in tasks:
        pool = dict.fromkeys(names)
        for other in [other for other in pools if not other.keys().isdisjoint(pool)]:
            pools.remove(other)
            pool = other | pool
        pools.append(pool)
    return [list(pool) for pool in pools]
