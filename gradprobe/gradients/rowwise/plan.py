"""Which groups a pass measures together, and whose rows it will bring, before any full pass is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gradprobe.gradients.rowwise.colouring import colour
from gradprobe.gradients.rowwise.ownership import MixedRowsError, attribute
from gradprobe.gradients.rowwise.rows import NOBODY
from gradprobe.gradients.rowwise.step import Front, Owners, Step
from gradprobe.gradients.rowwise.tracing import OwnersMeetError, UntraceableError

# Fronts below which owners may still meet: a model with more stages of heads is measured by loop.
_DEPTHS = 3


@dataclass(frozen=True, eq=False)
class Colour:
    """Groups that share no row and are measured in one pass.

    `owners` are those of all outputs' rows, by place among the members; None where the graph does not
    tell, so that a second full pass has to.
    """

    members: tuple[int, ...]
    owners: Owners | None


def plan(step: Step, generator: np.random.Generator) -> list[Colour]:
    """The passes of a step, as few as the rows nearest to the losses allow.

    Raises:
        MixedRowsError: the passes would be more than the groups.
    """
    groups = tuple(range(len(step.losses)))
    for depth in range(_DEPTHS):
        front = step.front(depth)
        try:
            return [_trace(step, groups, front, _owners_at(step, front, generator))]
        except OwnersMeetError:
            continue
        except MixedRowsError:
            return _separated(step, front)
    raise MixedRowsError("the losses of several groups meet far below their heads")


def _owners_at(step: Step, front: Front, generator: np.random.Generator) -> Owners:
    if not front.outputs:
        return {}
    found = attribute(
        lambda scales: step.rows(range(len(step.losses)), front.outputs, scales), len(step.losses), generator
    )
    return dict(zip(front.outputs, found.owners, strict=True))


def _trace(step: Step, members: tuple[int, ...], front: Front, known: Owners) -> Colour:
    try:
        return Colour(members, step.trace(members, front, known))
    except OwnersMeetError:
        raise
    except UntraceableError:
        return Colour(members, None)


def _separated(step: Step, front: Front) -> list[Colour]:
    """Passes in which no two groups share a row of the front."""
    footprints = [
        [rows.ne(0).any(1) for rows in step.rows([i], front.outputs, [1.0])] for i in range(len(step.losses))
    ]
    colours = []
    for members in colour(footprints):
        known = dict(zip(front.outputs, _owners(members, footprints), strict=True))
        try:
            colours.append(_trace(step, tuple(members), front, known))
        except OwnersMeetError as error:
            raise MixedRowsError(str(error)) from error
    # A pass without known owners needs a second one.
    if len(colours) == 1 or sum(1 + (own.owners is None) for own in colours) > len(step.losses):
        raise MixedRowsError("groups share rows and would take more passes than the loop")
    return colours


def _owners(members: Sequence[int], footprints: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """The owners [r] of the rows of each output, by place among members that share none."""
    columns = zip(*(footprints[i] for i in members), strict=True)
    stacked = (torch.stack(column) for column in columns)
    return [torch.where(masks.any(0), masks.int().argmax(0), NOBODY) for masks in stacked]
