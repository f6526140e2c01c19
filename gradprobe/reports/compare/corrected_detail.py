"""Raw and noise-corrected cosines of all pairs of tasks and of every layer, over one window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.geometry import (
    BoolArray,
    CorrectedCosines,
    FloatArray,
    FoldProducts,
    Gramian,
    corrected_cosines,
    discoveries,
)

# With more tasks than this there are too many pairs to look at, and to work out at every visit.
MOST_TASKS = 30


@dataclass(frozen=True, eq=False)
class CorrectedDetail:
    """Cosines of all pairs [t, t] and of the focal task with each auxiliary by layer [l, t-1].

    Each raw and corrected, with whether it is distinguishable from zero at a false discovery rate of 5 %
    over the pairs, or over the layers and auxiliaries. NaN where undefined, and on the diagonal.
    """

    layers: tuple[str, ...]
    pairs_raw: FloatArray
    pairs: FloatArray
    pairs_nonzero: BoolArray
    layers_raw: FloatArray
    by_layer: FloatArray
    layers_nonzero: BoolArray


def detail_of(window: Sequence[Gramian], tasks: Sequence[str], *, focal: str) -> CorrectedDetail | None:
    """The detail of a window of Gramians in folds; None for more than `MOST_TASKS` tasks.

    `tasks` names the focal task first.
    """
    if len(tasks) > MOST_TASKS:
        return None
    every = corrected_cosines(FoldProducts.of(window))
    shape = (len(tasks), len(tasks))
    pairs_raw, pairs = np.full(shape, np.nan), np.full(shape, np.nan)
    nonzero = np.zeros(shape, dtype=np.bool_)
    place = {task: position for position, task in enumerate(tasks)}
    for k, (one, other) in enumerate(every.pairs):
        for index in ((place[one], place[other]), (place[other], place[one])):
            pairs_raw[index], pairs[index] = every.raw.values[k], every.cosines.values[k]
            nonzero[index] = every.nonzero[k]
    layers = window[0].layers
    found = [corrected_cosines(FoldProducts.of(window, layer=layer), focal=focal) for layer in layers]
    return CorrectedDetail(
        layers=layers,
        pairs_raw=pairs_raw,
        pairs=pairs,
        pairs_nonzero=nonzero,
        layers_raw=np.stack([_by_task(each, each.raw.values, tasks) for each in found]),
        by_layer=np.stack([_by_task(each, each.cosines.values, tasks) for each in found]),
        layers_nonzero=_told(found, tasks),
    )


def _by_task(found: CorrectedCosines, values: FloatArray, tasks: Sequence[str]) -> FloatArray:
    """Values [k] of the focal task's pairs as a row [t-1] in the order of the auxiliaries."""
    row = np.full(len(tasks) - 1, np.nan)
    for (_, other), value in zip(found.pairs, values, strict=True):
        row[tasks.index(other) - 1] = value
    return row


def _told(found: Sequence[CorrectedCosines], tasks: Sequence[str]) -> BoolArray:
    p_values = np.stack([_by_task(each, each.p_values, tasks) for each in found])
    return discoveries(p_values.ravel()).reshape(p_values.shape)
