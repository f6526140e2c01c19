"""The engine that is always right: one `torch.autograd.grad` a group."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from gradprobe.errors import MeasurementError
from gradprobe.gradients.half import EXPONENTS, FIXED_EXPONENT, by_scaled_loss, uses_float16
from gradprobe.gradients.jacobian import JacobianCapture
from gradprobe.gradients.preflight import check_parameters, reentrant_names
from gradprobe.gradients.ranks import check_walks_agree, waits_for_others
from gradprobe.gradients.shared import SharedParameters
from gradprobe.gradients.walks import collect, reusable, walk

# What PyTorch says when a graph cannot be walked once per task, and what to do about it.
_REMEDIES = (
    (
        "donated",
        "torch.compile gave the graph's buffers away after one backward pass; "
        "set torch._functorch.config.donated_buffer = False before compiling",
    ),
    (
        "second time",
        "the graph was already freed; measure before calling backward, or keep it with retain_graph=True",
    ),
    (
        "modified by an inplace operation",
        "what the graph needs was changed since the forward pass; measure before the optimiser's step",
    ),
)


class LoopEngine:
    """One backward pass a group: exact for any architecture, and the oracle of every other engine."""

    name = "loop"

    def capture(self, losses: Sequence[Tensor], shared: SharedParameters) -> JacobianCapture:
        """The gradients of g scalar losses on the shared parameters; the graph stays usable.

        Raises:
            MeasurementError: a loss has no graph, or its graph cannot be walked more than once.
        """
        check_parameters(shared.parameters)
        with reusable(losses, shared.parameters) as nodes:
            check_walks_agree(nodes, len(losses))
            inside = reentrant_names(nodes)
            notes = (
                [f"with the gradients that backward passes inside {', '.join(inside)} leave"]
                if inside
                else []
            )
            if not uses_float16(nodes):
                rows = [differentiate(loss, shared.parameters) for loss in losses]
                return JacobianCapture(rows, shared, note="; ".join(notes))
            gradients = partial(differentiate, parameters=shared.parameters)
            # Processes that wait for each other must make the same number of passes.
            exponents = FIXED_EXPONENT if waits_for_others(nodes) else EXPONENTS
            found = [by_scaled_loss(loss, gradients, exponents) for loss in losses]
            used = [exponent for _, exponent in found]
            notes.append(f"float16: losses scaled by 2^{min(used)} to 2^{max(used)}, undone exactly")
            return JacobianCapture([row for row, _ in found], shared, note="; ".join(notes))


def differentiate(
    loss: Tensor, parameters: Sequence[nn.Parameter], *, keep_graph: bool = True
) -> tuple[Tensor | None, ...]:
    """The gradient of one scalar loss, a tensor a parameter, None where the loss does not reach it.

    Frozen parameters count as not reached. The graph is kept for the next loss and for the caller.

    Raises:
        MeasurementError: see `LoopEngine.capture`.
    """
    if not loss.requires_grad:
        raise MeasurementError(
            "losses: expected losses with a graph, got one that requires no gradient; "
            "measure outside torch.no_grad() and do not detach the losses"
        )
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    if not trainable:
        return (None,) * len(parameters)
    try:
        found = iter(walk(loss, trainable, keep_graph=keep_graph))
    except MeasurementError:
        raise
    except Exception as error:
        for sign, remedy in _REMEDIES:
            if sign in str(error):
                raise MeasurementError(f"losses: {remedy} (PyTorch: {error})") from error
        raise MeasurementError(
            "losses: expected a graph that can be differentiated task by task, got an error in its backward "
            "pass; if loss.backward(retain_graph=True) fails too, mend the model, else name a trunk above "
            f"that operation with shared= ({type(error).__name__}: {error})"
        ) from error
    inside = collect()
    own = (next(found) if parameter.requires_grad else None for parameter in parameters)
    return tuple(_sum(one, inside.get(id(p))) for one, p in zip(own, parameters, strict=True))


def _sum(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """The gradient in the graph and that of a backward pass inside a function."""
    if one is None or other is None:
        return other if one is None else one
    return one + other
