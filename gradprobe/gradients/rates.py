"""The learning rates with which an optimiser moves the shared parameters."""

from __future__ import annotations

from torch.optim import Optimizer

from gradprobe.gradients.shared import SharedParameters


def learning_rates(optimizer: Optimizer, shared: SharedParameters) -> dict[str, float]:
    """The learning rate of each layer of the trunk, at the coming step; `{"": rate}` where all have one.

    NaN for a layer whose parameters have several, and for one that the optimiser does not hold.
    """
    rate_of = {
        id(parameter): float(group["lr"]) for group in optimizer.param_groups for parameter in group["params"]
    }
    found: dict[str, set[float]] = {layer: set() for layer in shared.layers}
    for parameter, layer in zip(shared.parameters, shared.layer_of, strict=True):
        found[shared.layers[layer]].add(rate_of.get(id(parameter), float("nan")))
    every = set().union(*found.values())
    if len(every) == 1:
        return {"": every.pop()}
    return {layer: own.pop() if len(own) == 1 else float("nan") for layer, own in found.items()}
