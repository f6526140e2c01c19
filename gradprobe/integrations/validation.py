"""The validation batches of a Lightning trainer, outside its validation loop."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gradprobe.probes.inert import separate_pass

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer


class ValidationBatches:
    """The batches of every validation loader, limited and moved to the device as the loop does it.

    They are loaded anew: the loop's own may be inference tensors, which no gradient can pass.
    """

    def __init__(self, trainer: Trainer, module: LightningModule) -> None:
        self._trainer, self._module = trainer, module
        self._loaders = list(_flatten(trainer.val_dataloaders))

    @property
    def loaders(self) -> list[Any]:
        """What iterating goes through: measuring must not move it."""
        return self._loaders

    def __iter__(self) -> Iterator[Any]:
        limits = self._trainer.num_val_batches
        for index, (loader, limit) in enumerate(zip(self._loaders, limits, strict=True)):
            for batch in itertools.islice(separate_pass(loader), None if math.isinf(limit) else int(limit)):
                ready = self._trainer.precision_plugin.convert_input(batch)
                ready = self._module._on_before_batch_transfer(ready, dataloader_idx=index)
                yield self._trainer.strategy.batch_to_device(ready, dataloader_idx=index)


def _flatten(loaders: Any) -> Iterator[Any]:
    """The loaders in the lists and mappings that Lightning allows."""
    if isinstance(loaders, Mapping):
        loaders = list(loaders.values())
    if isinstance(loaders, list | tuple):
        for entry in loaders:
            yield from _flatten(entry)
    else:
        yield loaders
