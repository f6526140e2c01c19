"""The layers that a probe listens to, and their places in the graph of a loss."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any, Generic, TypeVar

from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from gradprobe.errors import InputError, MeasurementError

_T = TypeVar("_T")


class LayerListener(Generic[_T]):
    """Keeps what layers put out in the forward pass before a measurement, and counts measurements.

    Args:
        model: the model in training.
        layers: the modules to listen to; None: those of PyG that pass messages.
        every: one call of `take` in this many is due, the first included; hooks keep nothing before others.
        keep: what to keep of an output, from the layer's name and the output.

    Raises:
        InputError: `every` is no count, or a layer is not the model's.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Iterable[nn.Module] | None,
        *,
        every: int,
        keep: Callable[[str, Tensor], _T],
    ) -> None:
        if not isinstance(every, int) or every < 1:
            raise InputError(f"every: expected a count from 1 on, got {every!r}")
        self._every = every
        self._keep = keep
        self._calls = 0
        self._last_step = -1
        self._kept: list[_T] = []
        self._handles = [
            module.register_forward_hook(self._hook(name)) for name, module in named_layers(model, layers)
        ]

    @property
    def is_due(self) -> bool:
        """Whether the next call of `take` is one to measure."""
        return self._calls % self._every == 0

    def take(self, step: int | None) -> tuple[int, list[_T]] | None:
        """The step, by default one more than the last, and what was kept for it; None where not due."""
        due, self._last_step = self.is_due, self._last_step + 1 if step is None else step
        self._calls += 1
        kept, self._kept = self._kept, []
        return (self._last_step, kept) if due else None

    def close(self) -> None:
        """Stop listening."""
        for handle in self._handles:
            handle.remove()
        self._kept = []

    def _hook(self, name: str) -> Any:
        def listen(_module: nn.Module, _inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) and output else output
            if self.is_due and isinstance(first, Tensor) and first.requires_grad:
                self._kept.append(self._keep(name, first))

        return listen


def named_layers(model: nn.Module, layers: Iterable[nn.Module] | None) -> list[tuple[str, nn.Module]]:
    """The layers with their names in the model, in the order of its modules; None: those that pass messages.

    Raises:
        InputError: a layer is not the model's.
    """
    if layers is None:
        return [(name, module) for name, module in model.named_modules() if _passes_messages(module)]
    wanted = {id(layer) for layer in layers}
    found = [(name, module) for name, module in model.named_modules() if id(module) in wanted]
    if len(found) < len(wanted):
        raise InputError(
            f"layers: expected modules of the model, got {len(wanted) - len(found)} that are not among them"
        )
    return found


def fresh_name(name: str, taken: Container[str]) -> str:
    """The name, or with the number of the call where it is taken: `name#2` for a second call."""
    number = 1
    while (fresh := name if number == 1 else f"{name}#{number}") in taken:
        number += 1
    return fresh


def check_found(name: str, output: Tensor, edge: GradientEdge) -> None:
    """Refuse what PyTorch hides: a change in place moves a view, and it alone, in the graph.

    Raises:
        MeasurementError: the output of a layer is such a view.
    """
    if output._is_view() and output.grad_fn is not edge.node:
        raise MeasurementError(
            f"layers: expected outputs that can be found again in the graph, got one from {name!r} "
            "that is a view and was changed in place; use an activation that does not work in place"
        )


def _passes_messages(module: nn.Module) -> bool:
    return any(kind.__name__ == "MessagePassing" for kind in type(module).__mro__)
