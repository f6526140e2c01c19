"""Runs with a probe are bit for bit the same runs without, over every awkward model of the tests.

Each architecture trains in each of its precisions, and under autocast to bfloat16, for a thousand steps of
which every one is measured. Afterwards parameters, gradients, buffers, modes, attributes, optimiser and
random states must be the same bits, and so must every loss on the way. A measurement may be refused in a
sentence; the run must be the same all the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch

from gradprobe.errors import GradprobeError
from gradprobe.probes import GradientProbe
from tests._zoo import Case, zoo
from tests.probes._state import assert_same, seed_everything, training_state

from .isolated import judged
from .verdicts import HARMLESS, Verdict, sentence

STEPS = 1000
_EVERY = 1


@dataclass(frozen=True)
class Run:
    """An architecture of the zoo in a precision; `autocast` is on top of it."""

    case: Case
    dtype: torch.dtype
    autocast: bool = False

    def __str__(self) -> str:
        precision = str(self.dtype).removeprefix("torch.")
        return f"{self.case.name}, {precision}{' under autocast to bfloat16' if self.autocast else ''}"


def runs() -> list[Run]:
    """Every architecture in every precision, and in float32 under autocast."""
    found = [Run(case, dtype) for case in zoo() for dtype in case.dtypes]
    return found + [Run(case, torch.float32, autocast=True) for case in zoo() if torch.float32 in case.dtypes]


def inertness(chosen: list[Run], steps: int) -> Iterator[tuple[str, Verdict]]:
    """The chosen runs with their verdicts."""
    for run, verdict in judged(chosen, partial(_judge, steps=steps)):
        yield f"{run}, {steps} steps", verdict


def _judge(run: Run, steps: int) -> Verdict:
    refusals: list[str] = []
    plain, probed = _trained(run, steps, None), _trained(run, steps, refusals)
    try:
        assert_same(probed, plain)
    except AssertionError as error:
        return Verdict("fault", f"{str(error).splitlines()[0]} differs")
    return sentence(refusals[0]) if refusals else HARMLESS


def _trained(run: Run, steps: int, refusals: list[str] | None) -> dict[str, object]:
    """The state after so many steps, and a digest of the losses; measured if there is a list of refusals."""
    setup = run.case.build(run.dtype)
    seed_everything(7)
    probe = None if refusals is None else GradientProbe(setup.model, focal="a", every=_EVERY)
    losses_seen = hashlib.sha256()
    batches = itertools.chain.from_iterable(itertools.repeat(setup.loader))
    for step, batch in enumerate(itertools.islice(batches, steps), start=1):
        with _precision(run):
            losses = {task: loss for task, loss in setup.losses(setup.model, batch).items() if loss.numel()}
        if probe is not None and refusals is not None:
            try:
                probe.measure(losses, step=step)
            except GradprobeError as error:
                refusals.append(str(error))
        total = sum(loss.mean() for loss in losses.values())
        assert isinstance(total, torch.Tensor)
        total.backward()
        losses_seen.update(str(float(total)).encode())
        if step % setup.accumulate == 0:
            setup.optimiser.step()
            setup.optimiser.zero_grad()
    return {"losses": losses_seen.hexdigest(), **training_state(setup)}


def _precision(run: Run) -> contextlib.AbstractContextManager[object]:
    return torch.autocast("cpu", torch.bfloat16) if run.autocast else contextlib.nullcontext()
