"""What is remembered of model structures from one capture to the next."""

from __future__ import annotations

from collections.abc import Collection, Iterable

# Structures that are remembered; a run has a few, however many batches it sees.
_CAPACITY = 256


class StructureMemory:
    """Which structures were checked by a full second pass, and how many captures ago.

    A structure found to mix rows is not tried again for as many captures either: two futile passes a
    measurement would be worse than the loop alone.
    """

    def __init__(self, verify_every: int) -> None:
        self._every = verify_every
        self._verified: dict[int, int] = {}
        self._mixing: dict[int, int] = {}
        self._crowded: dict[int, int] = {}
        self._fronts: dict[int, int] = {}

    def is_due(self, structure: int) -> bool:
        """Whether the owners of rows must be checked now; counts the question as a capture."""
        return not _use_up(self._verified, structure)

    def is_front_known(self, structures: Collection[int]) -> bool:
        """Whether the graph told the owners of the front's rows when last checked; counts as a capture."""
        known = [_use_up(self._fronts, structure) for structure in structures]
        return all(known)

    def remember_front(self, structures: Iterable[int]) -> None:
        """What the graph told was found to be right; trust it until the next check is due."""
        for structure in structures:
            _remember(self._fronts, structure, self._every - 1)

    def is_known_to_mix(self, structure: int) -> bool:
        """Whether rows mixed when last checked; counts the question as a capture."""
        return _use_up(self._mixing, structure)

    def is_crowded(self, structure: int) -> bool:
        """Whether groups shared rows in the last capture."""
        return structure in self._crowded

    def remember_crowd(self, structure: int, *, crowded: bool) -> None:
        """Groups did or did not share rows."""
        if crowded:
            _remember(self._crowded, structure, 1)
        else:
            self._crowded.pop(structure, None)

    def remember_verified(self, structure: int) -> None:
        """The owners were found to be right; trust them until the next check is due."""
        _remember(self._verified, structure, self._every - 1)

    def remember_mixing(self, structure: int) -> None:
        """Rows were found to mix; hand over until the next check is due."""
        _remember(self._mixing, structure, self._every - 1)


def _use_up(credits: dict[int, int], structure: int) -> bool:
    left = credits.get(structure, 0)
    if left:
        credits[structure] = left - 1
    return left > 0


def _remember(credits: dict[int, int], structure: int, credit: int) -> None:
    if len(credits) >= _CAPACITY:
        credits.clear()
    credits[structure] = credit
