"""What two processes do that train together, with and without a probe."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from gradprobe.errors import MeasurementError
from gradprobe.probes import GradientProbe

Measure = Callable[[GradientProbe, nn.Module, nn.Module, dict[str, Tensor]], Any]


class Net(nn.Module):
    """A trunk with batch norm and dropout, and two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.2))
        self.heads = nn.ModuleDict({task: nn.Linear(6, 1) for task in "ab"})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        hidden = self.trunk(x)
        return {task: (head(hidden)[:, 0] - 1).square() for task, head in self.heads.items()}


class Negatives(Net):
    """Every process's rows are compared with those of all: the backward pass waits for the others."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        import torch.distributed.nn.functional as together

        hidden = self.trunk(x)
        everyone = torch.cat(together.all_gather(hidden))
        alike = (hidden @ everyone.T).square().mean(dim=1)
        own = {task: head(hidden)[:, 0].square() for task, head in self.heads.items()}
        return {"a": own["a"] + alike, "b": own["b"]}


def work(rank: int, folder: Path) -> None:
    """Every comparison, in one start of the processes; what was seen goes to a file."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    store = (folder / "store").as_uri()
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=2, timeout=timedelta(seconds=60))
    seen = {
        "plain": _compare(rank, _measure),
        "static graph": _compare(rank, _measure, static_graph=True),
        "unused parameters": _compare(rank, _measure, find_unused_parameters=True),
        "splits through the wrapper": _compare(rank, _measure_split),
        "only the first process": _compare(rank, _measure_first),
        "shared negatives": _compare(rank, _measure, kind=Negatives),
        "synchronised batch norm": _compare(rank, _measure, synchronise=True),
        "other tasks elsewhere": _compare(rank, _measure_unequally, kind=Negatives),
        "shards": _shards(),
    }
    torch.save(seen, folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def _compare(rank: int, measure: Measure, **options: Any) -> dict[str, Any]:
    plain, probed = (_train(rank, how, **options) for how in (None, measure))
    return {"plain": plain["parameters"], **probed}


def _train(
    rank: int, measure: Measure | None, *, kind: type[Net] = Net, synchronise: bool = False, **ddp: Any
) -> dict[str, Any]:
    torch.manual_seed(0)
    model = kind()
    if synchronise:
        model.trunk[1].forward = _synchronised_on_cpu(model.trunk[1])
    wrapped = DistributedDataParallel(model, **ddp)
    optimiser = torch.optim.SGD(wrapped.parameters(), lr=0.1, momentum=0.9)
    probe = GradientProbe(model, focal="a", shared=model.trunk)
    torch.manual_seed(10 + rank)
    notes, gramians, errors = [], [], []
    for _ in range(3):
        losses = wrapped(torch.randn(6, 4))
        optimiser.zero_grad()
        try:
            record = measure(probe, model, wrapped, losses) if measure else None
        except MeasurementError as error:
            errors.append(str(error))
            record = None
        if record is not None:
            notes.append(record.note)
            # A pass by hand is just what a static graph must not see first.
            gramians.append(
                (record.gramian.total, None if ddp.get("static_graph") else _by_hand(model, losses))
            )
        sum(loss.mean() for loss in losses.values()).backward()
        optimiser.step()
    parameters = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    return {"parameters": parameters, "notes": notes, "gramians": gramians, "errors": errors}


def _measure(probe: GradientProbe, _model: nn.Module, _wrapped: nn.Module, losses: dict[str, Tensor]) -> Any:
    return probe.measure(losses)


def _measure_split(
    probe: GradientProbe, _model: nn.Module, wrapped: nn.Module, losses: dict[str, Tensor]
) -> None:
    batches = [torch.ones(3, 4), torch.zeros(2, 4)]
    probe.measure_loader(batches, lambda _, x: wrapped(x), split="heldout")
    GradientProbe(wrapped, focal="a").measure_loader(batches, lambda m, x: m(x), split="heldout")
    with probe.heldout():
        judge = wrapped(torch.ones(3, 4))["a"]
    probe.measure(losses, heldout=judge)


def _measure_first(
    probe: GradientProbe, _model: nn.Module, wrapped: nn.Module, losses: dict[str, Tensor]
) -> None:
    if dist.get_rank() == 0:
        _measure_split(probe, _model, wrapped, losses)


def _measure_unequally(
    probe: GradientProbe, _model: nn.Module, _wrapped: nn.Module, losses: dict[str, Tensor]
) -> Any:
    more = {"c": losses["a"] + losses["b"]} if dist.get_rank() else {}
    return probe.measure(losses | more)


def _by_hand(model: nn.Module, losses: dict[str, Tensor]) -> Tensor:
    """The Gramian of this process's losses from a plain loop, where every process makes it."""
    parameters = list(model.trunk.parameters())
    rows = [
        torch.cat(
            [g.double().flatten() for g in torch.autograd.grad(loss.mean(), parameters, retain_graph=True)]
        )
        for loss in losses.values()
    ]
    stacked = torch.stack(rows)
    return stacked @ stacked.T


def _synchronised_on_cpu(norm: nn.Module) -> Callable[[Tensor], Tensor]:
    """PyTorch's own synchronises on accelerators only: the same, with statistics gathered by hand."""
    import torch.distributed.nn.functional as together

    def forward(x: Tensor) -> Tensor:
        mean = together.all_reduce(x.mean(dim=0)) / 2
        variance = together.all_reduce((x - mean).square().mean(dim=0)) / 2
        return (x - mean) / (variance + norm.eps).sqrt() * norm.weight + norm.bias

    return forward


def _shards() -> dict[str, Any]:
    from torch.distributed.fsdp import fully_shard

    ends, errors = [], []
    for probed, named in itertools.product([False, True], [False, True]):
        torch.manual_seed(0)
        model = Net()
        mesh = dist.device_mesh.init_device_mesh("cpu", (2,))
        fully_shard(model.trunk, mesh=mesh)
        fully_shard(model, mesh=mesh)
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
        probe = GradientProbe(model, focal="a", shared=model.trunk if named else "auto") if probed else None
        for _ in range(2):
            losses = model(torch.randn(6, 4))
            errors += _refusals(probe, losses) if probe else []
            optimiser.zero_grad()
            sum(loss.mean() for loss in losses.values()).backward()
            optimiser.step()
        ends.append(torch.cat([p.full_tensor().detach().flatten() for p in model.parameters()]))
    return {"ends": ends, "errors": errors}


def _refusals(probe: GradientProbe, losses: dict[str, Tensor]) -> list[str]:
    """What each kind of measurement says."""

    def pass_held_out_rows() -> None:
        with probe.heldout():
            raise AssertionError

    errors = []
    for attempt in (
        lambda: probe.measure(losses),
        lambda: probe.measure_loader([torch.ones(2, 4)], lambda model, x: model(x), split="heldout"),
        pass_held_out_rows,
    ):
        try:
            attempt()
        except MeasurementError as error:
            errors.append(str(error))
    return errors
