"""The layers that a probe listens to, and their places in the graph of a loss."""

from __future__ import annotations

from collections.abc import Container, Iterable

from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from gradprobe.errors import InputError, MeasurementError


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
