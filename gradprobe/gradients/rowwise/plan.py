"""The backward passes of one step: which groups share one, and whose rows it brought."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gradprobe.gradients.rowwise.colouring import colour
from gradprobe.gradients.rowwise.ownership import MixedRowsError
from gradprobe.gradients.rowwise.rows import NOBODY
from gradprobe.gradients.rowwise.step import Front, Output, Owners, Step
from gradprobe.gradients.rowwise.tracing import OwnersMeetError, UntraceableError

# Stages of heads below which rows may be shared; a model with more is measured by loop.
_DEPTHS = 3


@dataclass(frozen=True, eq=False)
class Pass:
    """One backward pass over some groups: the rows [r, d] of every output, and their owners [r].

    Owners are places among the members. `traced` says that reading them off the graph gave, or would
    have given, the right ones; `front_read` that a pass has shown this for the rows near the losses.
    """

    members: tuple[int, ...]
    values: Mapping[Output, Tensor]
    owners: Owners
    traced: bool
    front_read: bool = False


def make_passes(
    step: Step, generator: np.random.Generator, *, check: bool, crowded: bool, front_known: bool = False
) -> list[Pass]:
    """The passes of a step, as few as the rows near the losses allow.

    With `check`, owners come from second passes even where the graph tells them; without `front_known`,
    those of the rows near the losses do. Say `crowded` where groups are likely to share rows, which saves
    a pass over all of them that would be in vain.

    Raises:
        MixedRowsError: rows mix, or the passes would be more than the groups.
    """
    ways: list[Callable[[], list[Pass]]] = [
        lambda: [together(step, generator, check=check, front_known=front_known)],
        lambda: _in_turns(step, generator, check=check),
    ]
    first, second = reversed(ways) if crowded else ways
    try:
        return first()
    except (MixedRowsError, OwnersMeetError):
        pass
    try:
        return second()
    except OwnersMeetError as error:
        raise MixedRowsError(str(error)) from error


def together(step: Step, generator: np.random.Generator, *, check: bool, front_known: bool = False) -> Pass:
    """One pass over all groups."""
    groups = tuple(range(len(step.losses)))
    values = _values(step, groups)
    front = step.front(0)
    read = step.read_owners(front, values)
    if not check:
        known, checked = read, False
        if known is None or not front_known:
            known = step.find_owners(groups, {output: values[output] for output in front.outputs}, generator)
            checked = read is not None and _agree(known, read)
        try:
            owners = step.trace(groups, front, known)
            return Pass(groups, values, owners, traced=True, front_read=checked)
        except OwnersMeetError:
            raise
        except UntraceableError:
            pass
    owners = step.find_owners(groups, values, generator)
    checked = read is not None and _agree({output: owners[output] for output in front.outputs}, read)
    return Pass(groups, values, owners, _agrees(step, groups, front, owners), front_read=checked)


def _in_turns(step: Step, generator: np.random.Generator, *, check: bool) -> list[Pass]:
    """A pass for each set of groups that share no row."""
    for depth in range(_DEPTHS):
        front = step.front(depth)
        footprints = [
            [rows.ne(0).any(1) for rows in step.rows([i], front.outputs)] for i in range(len(step.losses))
        ]
        colours = colour(footprints)
        if len(colours) == 1:
            continue
        try:
            plans = [_follow(step, tuple(own), front, footprints) for own in colours]
        except OwnersMeetError:
            continue
        if sum(1 + (owners is None) for _, owners in plans) > len(step.losses):
            raise MixedRowsError("groups share rows, and would take more passes than the loop")
        return [_turn(step, generator, *own, check=check) for own in plans]
    raise MixedRowsError("rows carry the losses of more than one group")


def _follow(
    step: Step, members: tuple[int, ...], front: Front, footprints: Sequence[Sequence[Tensor]]
) -> tuple[tuple[int, ...], Owners | None]:
    """The owners of all outputs' rows in a pass over members that share none; None where unknown."""
    columns = zip(*(footprints[i] for i in members), strict=True)
    masks = [torch.stack(column) for column in columns]
    owners = [torch.where(mask.any(0), mask.int().argmax(0), NOBODY) for mask in masks]
    try:
        return members, step.trace(members, front, dict(zip(front.outputs, owners, strict=True)))
    except OwnersMeetError:
        raise
    except UntraceableError:
        return members, None


def _turn(
    step: Step,
    generator: np.random.Generator,
    members: tuple[int, ...],
    owners: Owners | None,
    *,
    check: bool,
) -> Pass:
    values = _values(step, members)
    if owners is not None and (len(members) == 1 or not check):
        return Pass(members, values, owners, traced=True)
    found = step.find_owners(members, values, generator)
    return Pass(members, values, found, owners is not None and _agree(found, owners))


def _values(step: Step, members: Sequence[int]) -> Mapping[Output, Tensor]:
    return dict(zip(step.outputs, step.rows(members, step.outputs), strict=True))


def _agrees(step: Step, groups: Sequence[int], front: Front, owners: Owners) -> bool:
    try:
        return _agree(owners, step.trace(groups, front, {output: owners[output] for output in front.outputs}))
    except UntraceableError:
        return False


def _agree(owners: Owners, traced: Owners) -> bool:
    """Whether every row that a group reaches was traced to that group."""
    return all(
        bool(((owner == NOBODY) | (owner == traced[output])).all()) for output, owner in owners.items()
    )
