"""The seam between what is kept of one object and the snapshot of all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable


class Kept(ABC):
    """Something kept of one object."""

    def protect(self) -> None:  # noqa: B027 - most kinds need none
        """Replace what cannot be rewound by a copy for the time being; called once everything is kept."""

    @abstractmethod
    def restore(self) -> None:
        """Put it back in place, and write nothing where nothing changed."""


class Rewound(Kept):
    """Whatever one call puts back."""

    def __init__(self, back: Callable[[], object]) -> None:
        self._back = back

    def restore(self) -> None:
        """Make the call."""
        self._back()
