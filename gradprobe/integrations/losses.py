"""How an adapter comes by the task losses of a model whose training step belongs to somebody else."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gradprobe.errors import InputError
from gradprobe.probes.split import SplitLosses

# Task -> where in the batch the molecule behind each of its rows is.
Positions = Mapping[str, Sequence[int]]


class TaskLosses(Protocol):
    """Where the task losses of a module are found."""

    def listen(self, module: nn.Module) -> None:
        """Start to keep the losses that the coming step computes.

        Raises:
            InputError: the module does not compute its losses where this looks for them.
        """

    def stop(self) -> SplitLosses | None:
        """Undo `listen`; the losses of the last forward pass in between, None if there was none."""

    def of_batch(self, module: nn.Module, batch: Any) -> SplitLosses:
        """The losses of a batch, from a forward pass of their own."""

    @property
    def positions(self) -> Callable[[Any], Positions] | None:
        """What tells the molecule behind each row, by its position in the batch; None where unknown."""


class MethodLosses:
    """The losses that a method of the module returns, which its own training step calls.

    Between `listen` and `stop` the module's method is overheard; what it computes does not change.
    """

    def __init__(self, method: str) -> None:
        self._name = method
        self._module: nn.Module | None = None
        self._own: Any = None
        self._heard: SplitLosses | None = None

    def listen(self, module: nn.Module) -> None:
        """Start to keep what the method returns; see `TaskLosses.listen`."""
        method = getattr(module, self._name, None)
        if not callable(method):
            raise InputError(
                f"losses: expected a method of {type(module).__name__} that takes a batch and returns "
                f"task -> per-row losses, got {self._name!r}; move the losses of training_step into one"
            )

        @functools.wraps(method)
        def overheard(*args: Any, **kwargs: Any) -> Any:
            losses = method(*args, **kwargs)
            if torch.is_grad_enabled():
                self._heard = losses
            return losses

        self._module, self._own, self._heard = module, vars(module).get(self._name), None
        vars(module)[self._name] = overheard

    def stop(self) -> SplitLosses | None:
        """Take the method's last return value and leave the module as it was."""
        if self._module is not None:
            del vars(self._module)[self._name]
            if self._own is not None:
                vars(self._module)[self._name] = self._own
        heard, self._module, self._own, self._heard = self._heard, None, None, None
        return heard

    @property
    def positions(self) -> None:
        """Not known: the method alone says which rows have labels."""
        return None

    def of_batch(self, module: nn.Module, batch: Any) -> SplitLosses:
        """What the method returns for a batch."""
        losses: SplitLosses = getattr(module, self._name)(batch)
        return losses


def of_minibatch(losses: SplitLosses) -> dict[str, Tensor]:
    """Losses as `GradientProbe.measure` takes them: without the row counts that only splits need.

    Raises:
        InputError: the losses are no mapping.
    """
    if not isinstance(losses, Mapping):
        raise InputError(f"losses: expected a mapping task -> loss, got {type(losses).__name__}")
    return {task: loss[0] if isinstance(loss, tuple) else loss for task, loss in losses.items()}
