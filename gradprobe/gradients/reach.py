"""Which losses reach which layers: out of reach is no zero gradient, and for a whole trunk an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gradprobe.errors import MeasurementError
from gradprobe.geometry import BoolArray, FloatArray, Group
from gradprobe.gradients.rowwise.graph import AutogradGraph, leaf
from gradprobe.gradients.shared import SharedParameters

# Layers that a note or a message names; of the others it gives the number.
_NAMED = 3


def mark_unreached(values: FloatArray, reached: BoolArray, groups: Sequence[Group]) -> FloatArray:
    """Inner products [l, g, g], NaN on layers that no loss of the step reaches.

    Where some loss does, the zeros of a group whose loss does not are what its own graph says. Held-out
    rows are a party of their own: they do not make a layer one of the step's, nor the other way round.
    """
    heldout = np.array([group.heldout for group in groups])
    step = np.asarray(reached[:, ~heldout].any(axis=1))
    any_party = np.asarray(reached.any(axis=1))
    known = np.where(heldout, any_party[:, None], step[:, None])
    return np.where(known[:, :, None] & known[:, None, :], values, np.nan)


def check_trunk_reached(reached: BoolArray, shared: SharedParameters) -> None:
    """Refuse a step none of whose losses reaches any measured parameter.

    Raises:
        MeasurementError: with the likeliest cause and its remedy.
    """
    if reached.any():
        return
    raise MeasurementError(
        f"shared: expected parameters that the losses reach, got {_some(shared.layers, 'layers')} that none "
        f"of them does; {_remedy(shared)}"
    )


def check_losses_reach_model(losses: Mapping[str, Tensor], model: nn.Module) -> None:
    """Refuse losses whose graph leads to no parameter of the model.

    A task may well have nothing to do with the trunk, but not with the whole model: its gradient is then
    made elsewhere, as by losses that cache it (GradCache) and hand it over in a hook.

    Raises:
        MeasurementError: names the first such loss and the remedy.
    """
    if not losses:
        return
    known = {id(parameter) for parameter in model.parameters()}
    for name, loss in losses.items():
        leaves = [leaf(node) for node in AutogradGraph.of([loss]).nodes]
        if not any(id(variable) in known for variable in leaves if variable is not None):
            raise MeasurementError(
                f"losses[{name!r}]: expected a loss whose graph leads to parameters of the model, got one "
                "whose graph ends before them; losses with cached gradients (GradCache) hide the way, as do "
                "detached features and another copy of the model: measure on the plain loss of a batch that "
                "fits into memory, computed with the very model that is measured"
            )


def reach_note(reached: BoolArray, shared: SharedParameters, groups: Sequence[Group]) -> str:
    """What a reader must know about layers that no loss reaches, or not every loss; empty if all do."""
    own = [i for i, group in enumerate(groups) if not group.heldout]
    step = reached[:, own]
    some = np.asarray(step.any(axis=1))
    out = [layer for layer, any_loss in zip(shared.layers, some, strict=True) if not any_loss]
    parts = []
    if out:
        rest = len(shared.layers) - len(out)
        frozen = _frozen(shared)
        named = [f"{layer} (frozen)" if layer in frozen else layer for layer in out]
        parts.append(
            f"no loss reaches {_some(named, 'layers')}: undefined there, totals over the other "
            f"{rest} of {len(shared.layers)} layers"
        )
    tasks = dict.fromkeys(groups[i].task for i in own)
    for task in tasks:
        columns = [i for i in own if groups[i].task == task]
        missed = some & ~reached[:, columns].any(axis=1)
        if missed.any():
            layers = [shared.layers[i] for i in np.flatnonzero(missed)]
            parts.append(f"{task!r} does not reach {_some(layers, 'layers')}: a gradient of zero there")
    return "; ".join(parts)


def _frozen(shared: SharedParameters) -> set[str]:
    """The layers all of whose parameters are frozen."""
    trained = {
        shared.layers[k] for k, p in zip(shared.layer_of, shared.parameters, strict=True) if p.requires_grad
    }
    return set(shared.layers) - trained


def _remedy(shared: SharedParameters) -> str:
    if not any(parameter.requires_grad for parameter in shared.parameters):
        return "they were frozen since; unfreeze them, or make a probe for another trunk"
    if any(_is_sharded(parameter) for parameter in shared.parameters):
        return (
            "they are sharded (FSDP2, DTensor), and the graph holds gathered copies of them; measure on a "
            "replica of the model that is not sharded, or train with DistributedDataParallel"
        )
    return (
        "the losses come from another module or another copy of the model, from parameters that were "
        "replaced (load_state_dict(assign=True), resized embeddings) or flattened (FSDP) since the forward "
        "pass, or from cached gradients (GradCache): name a trunk that these losses use with shared=, and "
        "compute them with the model as it is now"
    )


def _is_sharded(parameter: Tensor) -> bool:
    if not torch.distributed.is_available():
        return False
    from torch.distributed.tensor import DTensor

    return isinstance(parameter, DTensor)


def _some(names: Sequence[str], what: str) -> str:
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more {what}"
