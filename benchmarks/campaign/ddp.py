"""The same over two processes of DistributedDataParallel, in both of its modes.

Each process trains on rows of its own. Parameters must be the same bits with a probe and without, and the
same on both processes. A mode in which a measurement would change what DDP does must be refused in a
sentence, and the run must be the same all the same.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from gradprobe.errors import GradprobeError
from gradprobe.probes import GradientProbe

from .verdicts import HARMLESS, Verdict, sentence

_WIDTH, _ROWS, _PROCESSES = 6, 8, 2
# Processes that wait for each other for longer than this hang: a start takes seconds, a step milliseconds.
_SECONDS, _SECONDS_A_STEP = 120.0, 0.5
_TRUNKS = {
    "mlp": lambda: nn.Sequential(nn.Linear(_WIDTH, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 8)),
    "batch norm": lambda: nn.Sequential(nn.Linear(_WIDTH, 8), nn.BatchNorm1d(8), nn.Tanh()),
}
_DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class Setting:
    """A trunk, a precision and a mode of DDP."""

    trunk: str
    dtype: str
    static: bool

    def __str__(self) -> str:
        return f"DDP, {self.trunk}, {self.dtype}, {'static' if self.static else 'dynamic'} graph"


SETTINGS = tuple(Setting(*each) for each in product(_TRUNKS, _DTYPES, (False, True)))


def ddp(place: Path, steps: int) -> Iterator[tuple[str, Verdict]]:
    """Every setting with its verdict."""
    plain, probed = (_trained(place / name, name == "probed", steps) for name in ("plain", "probed"))
    for number, setting in enumerate(SETTINGS):
        yield f"{setting}, {steps} steps", _verdict(_left(plain, number), _left(probed, number))


class Model(nn.Module):
    """A trunk with a head for each of two tasks."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ModuleDict({task: nn.Linear(8, 1) for task in "ab"})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Predictions [b] of each task."""
        hidden = self.trunk(x)
        return {task: head(hidden)[:, 0] for task, head in self.heads.items()}


def train(rank: int, place: str, probed: bool, steps: int) -> None:
    """What one process does: every setting in turn, each of which leaves a file."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{place}/meet", rank=rank, world_size=_PROCESSES
    )
    for number, setting in enumerate(SETTINGS):
        left = _train(rank, setting, probed, steps)
        Path(place, f"{number}-{rank}.json").write_text(json.dumps(left), encoding="utf-8")
    torch.distributed.destroy_process_group()


def _train(rank: int, setting: Setting, probed: bool, steps: int) -> dict[str, str]:
    """A digest of the parameters after so many steps, and what was refused."""
    torch.manual_seed(0)
    model = Model(_TRUNKS[setting.trunk]()).to(_DTYPES[setting.dtype])
    wrapped = DistributedDataParallel(model, static_graph=setting.static)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    probe = GradientProbe(model, focal="a") if probed else None
    rows = torch.Generator().manual_seed(rank)
    torch.manual_seed(10 + rank)
    refused = ""
    for step in range(steps):
        x = torch.randn(_ROWS, _WIDTH, generator=rows, dtype=torch.float64).to(_DTYPES[setting.dtype])
        losses = {task: (predicted - x.sum(dim=1)).square() for task, predicted in wrapped(x).items()}
        if probe is not None:
            try:
                probe.measure(losses, step=step)
            except GradprobeError as error:
                refused = str(error)
        optimiser.zero_grad()
        sum(loss.mean() for loss in losses.values()).backward()
        optimiser.step()
    bits = b"".join(parameter.detach().numpy().tobytes() for parameter in model.parameters())
    return {"digest": hashlib.sha256(bits).hexdigest(), "refused": refused}


def _trained(place: Path, probed: bool, steps: int) -> tuple[Path, str]:
    """The folder of what both processes left, and how they ended; nothing if well."""
    place.mkdir()
    processes = torch.multiprocessing.spawn(train, (str(place), probed, steps), _PROCESSES, join=False)
    deadline = time.monotonic() + _SECONDS + len(SETTINGS) * steps * _SECONDS_A_STEP
    try:
        while not processes.join(timeout=1.0):
            if time.monotonic() > deadline:
                return place, f"the processes still ran after {_SECONDS:.0f} s and more"
    except Exception as error:
        return place, str(error).strip().splitlines()[-1]
    finally:
        for process in processes.processes:
            process.kill()
            process.join()
    return place, ""


def _left(ended: tuple[Path, str], number: int) -> list[dict[str, str]] | str:
    """What both processes left of a setting, or how they ended before."""
    paths = [ended[0] / f"{number}-{rank}.json" for rank in range(_PROCESSES)]
    if not all(path.exists() for path in paths):
        return ended[1]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def _verdict(plain: list[dict[str, str]] | str, probed: list[dict[str, str]] | str) -> Verdict:
    if isinstance(plain, str) or isinstance(probed, str):
        return Verdict("fault", f"a process ended: {plain if isinstance(plain, str) else probed}")
    if len({entry["digest"] for entry in (*plain, *probed)}) > 1:
        drift = "processes drift apart" if probed[0]["digest"] != probed[1]["digest"] else "parameters differ"
        return Verdict("fault", drift)
    return sentence(probed[0]["refused"]) if probed[0]["refused"] else HARMLESS
