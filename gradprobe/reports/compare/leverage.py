"""Leverage: how far a combiner's update is from averaging's, over the measured minibatches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradprobe import combiners
from gradprobe.combiners import Combiner
from gradprobe.errors import InputError
from gradprobe.geometry import leverage
from gradprobe.reports.compare.candidates import AVERAGE, candidates
from gradprobe.reports.compare.measured import Measured
from gradprobe.reports.statistics.seeds import NAN

THRESHOLD = 1e-3
ZERO_UPDATE = "an update of length zero has no direction"
# Solvers of some combiners take time cubic in the tasks: with hundreds of tasks, steps are thinned out.
_WORK = 4e7
_FEWEST_STEPS = 20


@dataclass(frozen=True)
class Leverage:
    """`1 - cos(u_c, u_avg)` of a combiner c at minibatch steps: mean and largest.

    `surgery` is False for combiners whose weights do not depend on the gradients. `steps` counts the
    steps where it was computed and defined, `undefined` those where an update has no direction,
    `measured` all measured minibatch steps. NaN, with the `reason`, where no step has one.
    """

    combiner: str
    surgery: bool
    mean: float
    largest: float
    steps: int
    undefined: int
    measured: int
    reason: str = ""


def leverages(
    measurements: Sequence[Measured], *, options: Mapping[str, Mapping[str, Any]], nothing: str
) -> tuple[Leverage, ...]:
    """Leverage of every registered combiner, and of those with `options`, at minibatch measurements.

    The focal task is the first one. `nothing` is the reason to give where there are no measurements.
    `options` holds the options of combiners by name. A combiner that
    visits tasks in random order draws them from its own fixed seed, so the result is reproducible.
    """
    chosen = _thinned(measurements)
    found = []
    for name, combiner, reason in candidates(options):
        if combiner is None:
            found.append(Leverage(name, False, NAN, NAN, 0, 0, len(measurements), reason))
        elif chosen:
            found.append(_leverage(name, combiner, chosen, len(measurements)))
        else:
            found.append(Leverage(name, combiner.needs_gramian, NAN, NAN, 0, 0, 0, nothing))
    return tuple(found)


def _leverage(name: str, combiner: Combiner, chosen: Sequence[Measured], measured: int) -> Leverage:
    average = combiners.get(AVERAGE)
    values, reasons = [], []
    for measurement in chosen:
        try:
            values.append(_at_step(combiner, average, measurement))
        except InputError as error:
            values.append(NAN)
            reasons.append(str(error))
    defined = [value for value in values if not np.isnan(value)]
    undefined = len(values) - len(defined)
    reason = "; ".join(dict.fromkeys(reasons)) or (ZERO_UPDATE if undefined else "")
    return Leverage(
        combiner=name,
        surgery=combiner.needs_gramian,
        mean=float(np.mean(defined)) if defined else NAN,
        largest=max(defined) if defined else NAN,
        steps=len(defined),
        undefined=undefined,
        measured=measured,
        reason=reason,
    )


def _at_step(combiner: Combiner, average: Combiner, measurement: Measured) -> float:
    own = combiner.weights(measurement.gramian, focal=0, present=measurement.present)
    mean = average.weights(measurement.gramian, focal=0, present=measurement.present)
    return leverage(measurement.gramian, own, mean)


def _thinned(measurements: Sequence[Measured]) -> Sequence[Measured]:
    """All measurements, or as many evenly spread ones as can be worked through in seconds."""
    if not measurements:
        return measurements
    limit = max(_FEWEST_STEPS, int(_WORK / measurements[0].present.size ** 3))
    if len(measurements) <= limit:
        return measurements
    index = np.unique(np.linspace(0, len(measurements) - 1, limit).astype(int))
    return [measurements[i] for i in index]
