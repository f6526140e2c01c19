"""Auxiliaries ranked by what a step along their own gradient does to the focal loss."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from gradprobe.geometry.pooling import Pooled
from gradprobe.reports.compare.decision import Outcome
from gradprobe.reports.compare.prospect import pooled_of
from gradprobe.reports.kit.words import join

# Beyond so many, auxiliaries that are not told apart from nothing are counted, not named.
_NAMED = 4


class Worth(StrEnum):
    """What an auxiliary does for the focal task."""

    HELPS = "helps"
    HARMS = "harms"
    UNKNOWN = "cannot be told apart from nothing"


@dataclass(frozen=True, eq=False)
class Ranked:
    """The affinity of a task, with its interval over runs; `worth` is None for the focal task itself."""

    task: str
    affinity: Pooled
    worth: Worth | None


def ranked(outcome: Outcome) -> tuple[Ranked, ...]:
    """The focal task, then its auxiliaries from the largest affinity down, undefined ones last."""
    found = outcome.affinities
    effects = pooled_of(found.effects)
    entries = []
    for place, task in enumerate(found.tasks):
        effect = effects.at(place)
        worth = None if task == found.focal else _worth(effect, told=bool(found.nonzero[place]))
        entries.append(Ranked(task, effect, worth))
    return tuple(sorted(entries, key=_place))


def ranking_in_words(entries: tuple[Ranked, ...]) -> str:
    """Which auxiliaries help or harm, on the molecules measured, and how many do neither for sure."""
    parts = [
        f"{join(names)} {worth.value if len(names) == 1 else worth.value.removesuffix('s')}"
        for worth in (Worth.HELPS, Worth.HARMS)
        if (names := [entry.task for entry in entries if entry.worth is worth])
    ]
    if parts:
        parts[0] = f"on the molecules measured, {parts[0]}"
    unknown = [entry.task for entry in entries if entry.worth is Worth.UNKNOWN]
    if unknown:
        few = len(unknown) <= _NAMED
        parts.append(f"{join(unknown) if few else f'{len(unknown)} auxiliaries'} {Worth.UNKNOWN.value}")
    return "; ".join(parts)


def _place(entry: Ranked) -> tuple[bool, float]:
    value = float(entry.affinity)
    return entry.worth is not None, np.inf if np.isnan(value) else -value


def _worth(effect: Pooled, *, told: bool) -> Worth:
    if not told:
        return Worth.UNKNOWN
    return Worth.HELPS if float(effect) > 0.0 else Worth.HARMS
