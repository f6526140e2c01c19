"""By how much an optimiser's step along one gradient changes a loss, as a direction for others."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from gradprobe.gradients.diagonal import diagonal
from gradprobe.gradients.jacobian import Row, UndefinedDiagonalError
from gradprobe.gradients.shared import SharedParameters


def as_step(gradient: Row, optimizer: Optimizer, shared: SharedParameters) -> list[Tensor | None]:
    """Learning rate times diagonal times a gradient, a tensor a parameter, at the optimiser's coming step.

    Its inner product with the gradient of another loss is, to first order, what one step along that other
    gradient takes off this loss. Each parameter has the learning rate of its own parameter group. The
    diagonal is that of the optimiser's last step; momentum and weight decay are left out: see `diagonal`.

    Raises:
        InputError: the optimiser does not hold a shared parameter.
        UndefinedDiagonalError: it has not yet moved one that the loss reaches.
    """
    rates = {id(p): float(group["lr"]) for group in optimizer.param_groups for p in group["params"]}
    found: list[Tensor | None] = []
    entries = zip(shared.names, shared.parameters, gradient, diagonal(optimizer, shared), strict=True)
    for name, parameter, own, scale in entries:
        if own is None:
            found.append(None)
            continue
        if scale is None:
            raise UndefinedDiagonalError(f"the optimiser has not yet moved {name!r}")
        dense = own.to_dense() if own.layout != torch.strided else own
        found.append(dense.detach() * scale * rates[id(parameter)])
    return found
