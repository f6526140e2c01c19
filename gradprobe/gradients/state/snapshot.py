"""Everything mutable within reach of some objects, kept and put back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradprobe.gradients.state.kept import Kept
from gradprobe.gradients.state.kinds import Visit, is_plain, open_up


@dataclass(frozen=True)
class Reach:
    """How far a snapshot goes.

    `modules`: whether it enters modules. `contents`: whether it copies tensors and arrays, or only keeps
    which ones there are. `refuse`: the argument that an error names where something can be kept neither by
    a copy nor by a note; empty where such things are left alone. `longest`: containers of more entries are
    kept, but their entries are not looked into; 0 for no limit.
    """

    modules: bool = True
    contents: bool = True
    refuse: str = ""
    longest: int = 0


class Snapshot:
    """The mutable state within reach of some named roots, as it stands when the snapshot is made.

    Reaches through attributes, containers (nested ones, deques, arrays), closures, bound methods and
    partial functions. Copies tensors, arrays and the states of generators of torch, NumPy and Python; of
    containers it keeps which entries they had. `restore` writes only what changed, so immutable state (a
    frozen configuration) is compared and never written.

    Left alone: objects with a life of their own (threads, locks, files, process groups, loggers,
    trainers, optimisers) and everything that is only behind them.

    Raises:
        InputError: something can be neither copied nor put back (a nested tensor, a generator object in
            the middle of its run); names where it is. Nothing has been touched then.
    """

    def __init__(self, roots: Mapping[str, object], reach: Reach = Reach()) -> None:
        self._kept: list[Kept] = []
        # Objects stay alive with the snapshot, so that no id is used twice.
        self._seen: dict[int, object] = {}
        pending = [Visit(path, value, reach.contents) for path, value in roots.items()]
        while pending:
            visit = pending.pop()
            if id(visit.value) in self._seen:
                continue
            self._seen[id(visit.value)] = visit.value
            kept, children = open_up(visit, reach)
            self._kept += kept
            pending += [child for child in children if not is_plain(child.value)]
        for entry in self._kept:
            entry.protect()

    def restore(self) -> None:
        """Put everything back; containers first, so that what they held is restored in place."""
        for entry in self._kept:
            entry.restore()
