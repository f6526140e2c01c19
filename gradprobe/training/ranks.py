"""The processes of a data-parallel run, and sums over what each of them has computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from gradprobe.errors import MeasurementError
from gradprobe.geometry import FloatArray
from gradprobe.gradients import Row

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

Processes: TypeAlias = "ProcessGroup | Literal['auto'] | None"


class Ranks:
    """The processes that train one model on different rows; every method is a collective of all of them."""

    def __init__(self, group: ProcessGroup | None, device: torch.device) -> None:
        self._group = group
        self._device = device
        self.size = torch.distributed.get_world_size(group)

    @classmethod
    def of(cls, processes: Processes, device: torch.device) -> Ranks | None:
        """The processes of a group, or with `"auto"` of the default one; None for a run in one process."""
        if (
            processes is None
            or not torch.distributed.is_available()
            or not torch.distributed.is_initialized()
        ):
            return None
        ranks = cls(None if processes == "auto" else processes, device)
        return ranks if ranks.size > 1 else None

    def sum(self, numbers: Sequence[float] | FloatArray) -> FloatArray:
        """The sums of some numbers [k]."""
        total = torch.tensor(np.asarray(numbers, dtype=np.float64), device=self._device)
        torch.distributed.all_reduce(total, group=self._group)
        summed: FloatArray = total.cpu().numpy()
        return summed

    def check(self, error: Exception | None) -> None:
        """Raise in every process if one has failed: the others would wait for it without end.

        Raises:
            Exception: this process's own error.
            MeasurementError: that of another.
        """
        failed = self.sum([float(error is not None)])[0]
        if error is not None:
            raise error
        if failed:
            raise MeasurementError(
                f"losses: expected an update in every process, got an error in {int(failed)} of {self.size}; "
                "see the error of that process"
            )

    def sum_rows(self, rows: Sequence[Row], parameters: Sequence[nn.Parameter]) -> list[list[Tensor | None]]:
        """Sums of gradients, a row of one tensor a parameter; None where no process has one."""
        reached = self.sum([float(entry is not None) for row in rows for entry in row])
        dense = [
            torch.zeros_like(parameter) if entry is None else _dense(entry)
            for row in rows
            for entry, parameter in zip(row, parameters, strict=True)
        ]
        if not dense:
            return [[] for _ in rows]
        total = torch.cat([entry.flatten() for entry in dense])
        torch.distributed.all_reduce(total, group=self._group)
        parts = torch.split(total, [entry.numel() for entry in dense])
        entries = [
            part.reshape(entry.shape).to(entry.dtype) if count else None
            for part, entry, count in zip(parts, dense, reached, strict=True)
        ]
        width = len(parameters)
        return [entries[start : start + width] for start in range(0, len(entries), width)]

    def same(self, numbers: FloatArray) -> FloatArray:
        """The numbers of the first process, bit for bit: others may have drawn another random order."""
        own = torch.tensor(numbers, dtype=torch.float64, device=self._device)
        source = 0 if self._group is None else torch.distributed.get_global_rank(self._group, 0)
        torch.distributed.broadcast(own, src=source, group=self._group)
        first: FloatArray = own.cpu().numpy()
        return first


def _dense(gradient: Tensor) -> Tensor:
    return (gradient.to_dense() if gradient.layout != torch.strided else gradient).detach()
