"""The task losses of chemprop's own multi-task models, for `GradientProbeCallback(losses=...)`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from gradprobe.errors import InputError, missing_extra
from gradprobe.integrations.losses import Positions
from gradprobe.probes.split import SplitLosses

try:
    from chemprop.models import MPNN
    from chemprop.nn.metrics import ChempropMetric
except ImportError as absent:
    raise missing_extra("chemprop", "molecules") from absent


class CriterionLosses:
    """The losses per task inside the criterion of a chemprop `MPNN`; it satisfies `TaskLosses`.

    A row's loss is what chemprop adds up: the criterion's unreduced loss times the row's weight and
    the task's. Missing targets are left out, limits (`lt_mask`, `gt_mask`) count as the criterion has
    them. So the mean over all rows of all tasks is chemprop's training loss; for an RMSE criterion,
    its square. Molecules are known by their position in the batch, so minibatches and held-out splits are
    measured in folds. In a training step the criterion's own arguments are used, without a second forward
    pass. Held-out losses are those of chemprop's `val_loss`, on the scaled targets.

    Args:
        tasks: the names of the model's tasks, in the order of its target columns.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        self._tasks = tuple(tasks)
        self._criterion: ChempropMetric = None
        self._hook: RemovableHandle | None = None
        self._heard: tuple[Any, ...] | None = None

    def listen(self, module: nn.Module) -> None:
        """Keep what the coming training step hands to the criterion.

        The hook stays for one step only, since checkpoints pickle the criterion with its hooks.

        Raises:
            InputError: the module is no chemprop `MPNN`, or has another number of tasks.
        """
        criterion = self._model(module).criterion

        def overhear(_: nn.Module, arguments: tuple[Any, ...]) -> None:
            if torch.is_grad_enabled():
                self._heard = arguments

        self._criterion, self._heard = criterion, None
        self._hook = criterion.register_forward_pre_hook(overhear)

    def stop(self) -> SplitLosses | None:
        """The losses of the training step, from the very predictions that its backward pass starts at."""
        if self._hook is not None:
            self._hook.remove()
        heard, self._hook, self._heard = self._heard, None, None
        return None if heard is None else self._of_arguments(self._criterion, *heard)

    def of_batch(self, module: nn.Module, batch: Any) -> SplitLosses:
        """The losses of a batch, on the path by which chemprop computes `val_loss`."""
        model = self._model(module)
        graph, atom_descriptors, descriptors, targets, weights, lt_mask, gt_mask = batch
        # The criterion sees zeros for missing targets, as in chemprop: NaN would survive its mask.
        known = targets.isfinite()
        predictions = model.predictor.train_step(model.fingerprint(graph, atom_descriptors, descriptors))
        return self._of_arguments(
            model.criterion, predictions, targets.nan_to_num(nan=0.0), known, weights, lt_mask, gt_mask
        )

    @property
    def positions(self) -> Callable[[Any], Positions]:
        """Where in a batch the molecules with a target of each task are."""
        return self._labelled

    def _labelled(self, batch: Any) -> dict[str, list[int]]:
        known = batch[3].isfinite()
        return {task: known[:, k].nonzero()[:, 0].tolist() for k, task in enumerate(self._tasks)}

    def _model(self, module: nn.Module) -> Any:
        if not isinstance(module, MPNN):
            raise InputError(
                f"module: expected a chemprop MPNN, got {type(module).__name__}; "
                "for other modules name the method that computes the losses"
            )
        if module.n_tasks != len(self._tasks):
            raise InputError(
                f"tasks: expected {module.n_tasks} names, one for each task of the model, got {self._tasks}"
            )
        return module

    def _of_arguments(
        self,
        criterion: ChempropMetric,
        predictions: Tensor,
        targets: Tensor,
        known: Tensor,
        weights: Tensor,
        *limits: Tensor | None,
    ) -> SplitLosses:
        masks = [torch.zeros_like(known) if mask is None else mask for mask in limits]
        unreduced = criterion._calc_unreduced_loss(predictions, targets, known, weights, *masks)
        if not isinstance(unreduced, Tensor) or unreduced.shape != targets.shape:
            raise InputError(
                f"criterion: expected one whose loss is a sum over labels, got {type(criterion).__name__}; "
                "a score of the whole batch is no sum of task losses"
            )
        weighted = unreduced * weights.view(-1, 1) * criterion.task_weights
        return {task: weighted[known[:, k], k] for k, task in enumerate(self._tasks)}
