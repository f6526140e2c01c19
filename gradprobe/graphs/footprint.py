"""How much memory the tensors of a piece of work need."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


def peak_tensor_memory(work: Callable[[], object]) -> int:
    """Bytes of the tensors that some work makes, at the moment when most of them are alive.

    Counted at every operation, the backward pass included: unlike the size of the process, it depends
    neither on what ran before nor on the allocator. What an operation needs only inside is not seen.
    """
    with _Counting() as counting:
        work()
    peak: int = counting.peak
    return peak


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the storages that operations return until they are freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._held = 0
        self._known: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()
        self.peak = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        for given in tree_iter((args, kwargs)):
            for storage in _storages(given):
                self._known.setdefault(storage, False)
        results = func(*args, **(kwargs or {}))
        for result in tree_iter(results):
            for storage in _storages(result):
                self._count(storage)
        self.peak = max(self.peak, self._held)
        return results

    def _count(self, storage: Any) -> None:
        if storage not in self._known:
            self._known[storage] = True
            size = storage.nbytes()
            self._held += size
            weakref.finalize(storage, self._release, size)

    def _release(self, size: int) -> None:
        self._held -= size


def _storages(value: Any) -> list[Any]:
    """The storages behind a tensor, two for a sparse one; none of anything else."""
    if not isinstance(value, torch.Tensor):
        return []
    parts = [value._indices(), value._values()] if value.layout == torch.sparse_coo else [value]
    return [part.untyped_storage() for part in parts]
