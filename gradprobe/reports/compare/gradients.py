"""What one encoder's task gradients do to each other, over the seeds of its runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.geometry import FloatArray
from gradprobe.reports.compare.measured import SCALARS, Measured, geometric_mean, measure
from gradprobe.reports.statistics.seeds import Band, OverSeeds, band, mean_defined, over_seeds
from gradprobe.trace import SplitName, Trace, TraceHeader

SPLITS: tuple[SplitName, ...] = ("minibatch", "train", "heldout")


@dataclass(frozen=True)
class SplitSummary:
    """The quantities named in `SCALARS`, measured on one split.

    `mean` averages within a step, then over the steps from the first update on, then over seeds;
    `before` is step -1, `end` the last measured step; `course` runs over all steps. `steps` counts
    measurements of all seeds, `undefined` those where a quantity has no value, by quantity and reason.
    """

    split: SplitName
    steps: int
    mean: Mapping[str, OverSeeds]
    before: Mapping[str, OverSeeds]
    end: Mapping[str, OverSeeds]
    course: Mapping[str, Band]
    undefined: Mapping[tuple[str, str], int]


@dataclass(frozen=True, eq=False)
class Detail:
    """Averages over the steps of one split from the first update on, then over seeds, by task.

    `pairs` [t, t] are cosines, `by_layer` [l, t-1] cosines with the focal task for each layer,
    `ratios` [t-1] geometric means of focal over auxiliary norms. NaN where nothing is defined.
    """

    split: SplitName
    pairs: FloatArray
    by_layer: FloatArray
    ratios: FloatArray


@dataclass(frozen=True, eq=False)
class Gradients:
    """All that was measured of the task gradients of one encoder, task order as in the report.

    `layers` and their `parameters` are the trunk's. Splits that were not measured are missing.
    """

    layers: tuple[str, ...]
    parameters: tuple[int, ...]
    splits: Mapping[str, SplitSummary]
    details: Mapping[str, Detail]
    engines: tuple[str, ...]
    minibatches: tuple[Measured, ...]

    @property
    def detail(self) -> Detail | None:
        """The detail with the least noise: held-out, else train, else minibatch."""
        names = ("heldout", "train", "minibatch")
        return next((self.details[name] for name in names if name in self.details), None)


def gradients_of(traces: Sequence[Trace], tasks: Sequence[str], *, focal: str) -> Gradients:
    """The gradients of one encoder from the traces of its seeds, all of the same trunk; maybe none."""
    seeds = [[measure(record, tasks, focal=focal) for record in trace.gramians] for trace in traces]
    header = traces[0].header if traces else TraceHeader()
    splits = [split for split in SPLITS if any(m.split == split for seed in seeds for m in seed)]
    chosen = {split: [[m for m in seed if m.split == split] for seed in seeds] for split in splits}
    details = {split: _detail(split, chosen[split]) for split in splits}
    return Gradients(
        layers=header.layers,
        parameters=header.parameters,
        splits={split: _split(split, chosen[split]) for split in splits},
        details={split: detail for split, detail in details.items() if detail is not None},
        engines=tuple(sorted({m.engine for seed in seeds for m in seed if m.engine})),
        minibatches=tuple(m for seed in seeds for m in seed if m.split == "minibatch"),
    )


def _split(split: SplitName, seeds: Sequence[Sequence[Measured]]) -> SplitSummary:
    courses = {name: [{m.step: m.scalars[name] for m in seed} for seed in seeds] for name in SCALARS}
    reasons = Counter(reason for seed in seeds for m in seed for reason in m.reasons.items())
    return SplitSummary(
        split=split,
        steps=sum(len(seed) for seed in seeds),
        mean={name: over_seeds([_over_steps(name, seed) for seed in courses[name]]) for name in SCALARS},
        before={name: over_seeds([seed[-1] for seed in courses[name] if -1 in seed]) for name in SCALARS},
        end={
            name: over_seeds([seed[max(seed)] for seed in courses[name] if max(seed, default=-1) >= 0])
            for name in SCALARS
        },
        course={name: band(courses[name]) for name in SCALARS},
        undefined=dict(reasons),
    )


def _over_steps(name: str, course: Mapping[int, float]) -> float:
    values = [value for step, value in course.items() if step >= 0]
    return geometric_mean(values) if name == "norm_ratio" else float(mean_defined(np.array(values)))


def _detail(split: SplitName, seeds: Sequence[Sequence[Measured]]) -> Detail | None:
    updated = [[m for m in seed if m.step >= 0] for seed in seeds]
    # A run that has measured nothing but its random start still has something to show.
    used = [seed for seed in updated if seed] or [list(seed) for seed in seeds if seed]
    if not used:
        return None
    return Detail(
        split=split,
        pairs=_over_steps_and_seeds(used, lambda m: m.pairs),
        by_layer=_over_steps_and_seeds(used, lambda m: m.by_layer),
        ratios=np.exp(_over_steps_and_seeds(used, lambda m: _logarithms(m.ratios))),
    )


def _over_steps_and_seeds(
    seeds: Sequence[Sequence[Measured]], of: Callable[[Measured], FloatArray]
) -> FloatArray:
    return mean_defined(np.stack([mean_defined(np.stack([of(m) for m in seed])) for seed in seeds]))


def _logarithms(ratios: FloatArray) -> FloatArray:
    positive = np.where(ratios > 0.0, ratios, 1.0)
    return np.asarray(np.where(ratios > 0.0, np.log(positive), np.nan))
