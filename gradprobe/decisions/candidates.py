"""Actions that can be trained: factors on the auxiliaries' losses, or a combiner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gradprobe import combiners
from gradprobe.combiners import Combiner
from gradprobe.decisions.course import AVERAGE
from gradprobe.errors import InputError
from gradprobe.geometry import Action, BoolArray, FloatArray, combine, drop, focal_alone, focal_share
from gradprobe.geometry.decision import Weigh
from gradprobe.records.decision import Predicted

# The options of combiners, by name.
Options = Mapping[str, Mapping[str, Any]]
NO_OPTIONS: Options = {}
# The focal task's shares of the weights that are tried, where averaging's own is smaller.
SHARES = (0.4, 0.6, 0.8)
# A share within this of averaging's is averaging.
_NEAR = 0.05


@dataclass(frozen=True)
class Candidate:
    """An action that can be trained.

    `weights` are factors on the tasks' losses, 1 for the focal one, 0 for a task to leave out; tasks that are
    not in it have 1. `combiner` sets the trunk's update, where it is not averaging's. `predicted` is what
    gradients foretell; `idle` says that its updates are averaging's, so that training it is in vain.
    """

    name: str
    weights: Mapping[str, float] = field(default_factory=dict)
    combiner: str = ""
    predicted: Predicted | None = None
    idle: bool = False


AVERAGING = Candidate(AVERAGE)


def candidates(
    tasks: Sequence[str],
    focal: str,
    *,
    use: Sequence[str] = (),
    shares: Sequence[float] = SHARES,
    options: Options = NO_OPTIONS,
) -> tuple[Candidate, ...]:
    """What can be done instead of averaging these tasks.

    Each focal share, each auxiliary left out, the focal task alone, and the combiners named in `use`, with
    their `options` by name.

    Raises:
        InputError: no auxiliary, a focal task that is none of them, or an unknown combiner.

    >>> [each.name for each in candidates(["pEC50", "CAR", "PXR"], "pEC50", use=["pcgrad"])]
    ['focal share 0.4', 'focal share 0.6', 'focal share 0.8', 'drop CAR', 'drop PXR', 'focal alone', 'pcgrad']
    """
    others = [task for task in tasks if task != focal]
    if not others or focal not in tasks:
        raise InputError(
            f"tasks: expected the focal task {focal!r} and at least one auxiliary, got {list(tasks)}"
        )
    found = []
    for share in shares:
        if share > 1.0 / len(tasks) + _NEAR:
            factor = (1.0 - share) / len(others) / share
            found.append(Candidate(f"focal share {share:g}", dict.fromkeys(others, factor)))
    if len(others) > 1:
        found += [left_out([task]) for task in others]
    found.append(Candidate("focal alone", dict.fromkeys(others, 0.0)))
    for name in use:
        combiners.get(name, **options.get(name, {}))  # an unknown name or option is refused here
        found.append(Candidate(name, combiner=name))
    return tuple(found)


def left_out(dropped: Sequence[str]) -> Candidate:
    """Train without these auxiliaries."""
    return Candidate(f"drop {', '.join(dropped)}", dict.fromkeys(dropped, 0.0))


def action_of(candidate: Candidate, tasks: Sequence[str], options: Options = NO_OPTIONS) -> Action | None:
    """A candidate as the geometry knows it; None for a combiner whose weights Gramians do not tell."""
    if candidate.combiner:
        combiner = combiners.get(candidate.combiner, **options.get(candidate.combiner, {}))
        return None if combiner.needs_losses else combine(candidate.name, _weigher(combiner))
    dropped = [task for task, factor in candidate.weights.items() if factor == 0.0 and task in tasks]
    if len(dropped) == len(tasks) - 1:
        return focal_alone()
    if dropped:
        return drop(dropped)
    factor = next(iter(candidate.weights.values()))
    return focal_share(1.0 / (1.0 + factor * (len(tasks) - 1)))


def _weigher(combiner: Combiner) -> Weigh:
    def weigh(gramian: FloatArray, present: BoolArray, focal: int) -> FloatArray:
        return combiner.weights(gramian, focal=focal, present=present)

    return weigh
