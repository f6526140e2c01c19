"""One trunk, one linear head a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class MultiTaskModel(nn.Module):
    """An encoder with an attribute `width`, shared by all tasks, and a linear head for each.

    Heads are in the order of `tasks`; a task's name may be any text.
    """

    def __init__(self, encoder: nn.Module, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self._place = {task: place for place, task in enumerate(self.tasks)}
        self.encoder = encoder
        self.heads = nn.ModuleList(nn.Linear(int(encoder.width), 1) for _ in self.tasks)  # type: ignore[arg-type]

    def forward(self, inputs: Any, positions: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Each task's outputs [n] on its own rows of a batch, from one pass through the encoder.

        `positions[task]` [n] are the rows of the batch that carry the task; tasks without an entry
        have no output. Outputs are standardised targets, or logits of a classification task.
        """
        if not positions:
            return {}
        representation = self.encoder(inputs)
        # All tasks' rows in one selection: its backward pass fills one array of the batch's size, where a
        # selection for each task would fill one for each.
        rows = representation.index_select(0, torch.cat(list(positions.values())))
        parts = rows.split([len(own) for own in positions.values()])
        return {
            task: self.heads[self._place[task]](own).squeeze(1)
            for task, own in zip(positions, parts, strict=True)
        }


def build_model(build_encoder: Callable[[], nn.Module], tasks: Sequence[str], *, seed: int) -> MultiTaskModel:
    """A model whose initial parameters depend on the seed alone, not on the caller's random state.

    The encoder is initialised first, so that it starts the same whatever the tasks.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MultiTaskModel(build_encoder(), tasks)


def on_device(inputs: Any, device: torch.device) -> Any:
    """An encoder's inputs on a device; chemprop's batches move in place and return nothing."""
    if device.type == "cpu":
        return inputs
    moved = inputs.to(device)
    return inputs if moved is None else moved


def device_of(model: nn.Module) -> torch.device:
    """Where the model's parameters are."""
    return next(model.parameters()).device
