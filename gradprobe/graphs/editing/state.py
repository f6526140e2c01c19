"""What an edit changes, kept so that it can be taken back."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class EditState:
    """Copies of a model's trainable parameters and buffers, and of its optimiser's state."""

    tensors: tuple[tuple[Tensor, Tensor], ...]
    optimizer: torch.optim.Optimizer
    optimizer_state: dict[str, Any]

    @classmethod
    def of(cls, model: nn.Module, optimizer: torch.optim.Optimizer) -> Self:
        """The state as it is."""
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        places = [*trainable, *model.buffers()]
        tensors = tuple((place, place.detach().clone()) for place in places)
        return cls(tensors, optimizer, copy.deepcopy(optimizer.state_dict()))

    @property
    def bytes(self) -> int:
        """The memory of the copies of parameters and buffers."""
        return sum(kept.numel() * kept.element_size() for _, kept in self.tensors)

    def restore(self) -> None:
        """Put everything back, in place."""
        with torch.no_grad():
            for place, kept in self.tensors:
                place.copy_(kept)
        self.optimizer.load_state_dict(self.optimizer_state)
