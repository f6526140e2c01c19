"""The measures along each axis of a study, over seeds, by encoder and combiner."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradprobe.records.claims import MEASURES
from gradprobe.records.compare import AUXILIARIES, SINGLE_TASK, CellKey, Kinship, Scalar, StudyManifest
from gradprobe.reports.compare.axes.claims import ClaimOutcome, Measures, outcomes
from gradprobe.reports.compare.axes.measures import measures_of
from gradprobe.reports.compare.axes.points import at_reference
from gradprobe.reports.compare.scores import Metric
from gradprobe.reports.compare.source import Cell
from gradprobe.reports.statistics.paired import Paired, paired_difference
from gradprobe.reports.statistics.seeds import OverSeeds, over_seeds


@dataclass(frozen=True, eq=False)
class Line:
    """One encoder and combiner along an axis: for each of its values, every measure by seed.

    `values` are the places on the axis where cells have finished.
    """

    encoder: str
    combiner: str
    values: tuple[Scalar, ...]
    by_seed: Mapping[tuple[Scalar, str], Mapping[int, float]]

    def at(self, value: Scalar, measure: str) -> OverSeeds:
        """A measure at one value of the axis, over seeds."""
        return over_seeds(list(self.by_seed.get((value, measure), {}).values()))

    def change(self, value: Scalar, measure: str) -> Paired:
        """A measure's difference from the line's first value, paired by seed: same split, same start."""
        first = self.by_seed.get((self.values[0], measure), {})
        return paired_difference(self.by_seed.get((value, measure), {}), first)


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis, its values in order and its lines; every other axis stands at `elsewhere`.

    Encoders that were asked for at one value only, for another preset, have no line here.
    """

    name: str
    values: tuple[Scalar, ...]
    lines: tuple[Line, ...]
    elsewhere: Mapping[str, Scalar]


@dataclass(frozen=True, eq=False)
class Sweep:
    """A study's axes, the claims of its presets, and the measures of every cell beneath both."""

    axes: tuple[Axis, ...]
    claims: tuple[ClaimOutcome, ...]
    kinships: tuple[Kinship, ...]
    order: str
    measures: Measures
    manifest: StudyManifest


def sweep_of(cells: Sequence[Cell], manifest: StudyManifest | None, metric: Metric | None) -> Sweep | None:
    """The axes and claims of a study; None where it has neither."""
    if manifest is None or metric is None or not (manifest.axes or manifest.claims):
        return None
    measures = {cell.key: measures_of(cell, metric, manifest.focal) for cell in cells}
    return Sweep(
        axes=tuple(_axis(name, cells, measures, manifest) for name in manifest.axes),
        claims=outcomes(manifest.claims, measures),
        kinships=manifest.kinships,
        order=str(manifest.options.get("order", "given")),
        measures=measures,
        manifest=manifest,
    )


def _axis(name: str, cells: Sequence[Cell], measures: Measures, manifest: StudyManifest) -> Axis:
    """The cells that differ from the reference in this axis alone."""
    reference = at_reference(cells)
    trained = [cell for cell in reference if cell.key.combiner != SINGLE_TASK] or list(reference)
    here = manifest.settings(trained[0].key) if trained else dict(manifest.base)
    elsewhere = {other: value for other, value in here.items() if other != name}
    chosen: dict[tuple[str, str], list[CellKey]] = {}
    for cell in cells:
        own = manifest.settings(cell.key)
        alone = cell.key.combiner == SINGLE_TASK
        if all(own[other] == value or (alone and other == AUXILIARIES) for other, value in elsewhere.items()):
            chosen.setdefault((cell.key.encoder, cell.key.combiner), []).append(cell.key)
    found = (_line(name, keys, measures, manifest) for keys in chosen.values())
    lines = _along([line for line in found if line.values])
    values = _in_order({value for line in lines for value in line.values}, manifest.axes[name])
    return Axis(name, values, lines, elsewhere)


def _along(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines of encoders that have more than one place on the axis; all where none has yet."""
    long = {line.encoder for line in lines if len(line.values) > 1}
    return tuple(line for line in lines if line.encoder in long or not long)


def _line(name: str, keys: Sequence[CellKey], measures: Measures, manifest: StudyManifest) -> Line:
    by_seed: dict[tuple[Scalar, str], dict[int, float]] = {}
    values: dict[Scalar, None] = {}
    for key in keys:
        value = manifest.settings(key)[name]
        for measure in MEASURES:
            by_seed.setdefault((value, measure), {})[key.seed] = measures[key][measure]
        if not all(map(math.isnan, measures[key].values())):
            values[value] = None
    return Line(keys[0].encoder, keys[0].combiner, _in_order(values, manifest.axes[name]), by_seed)


def _in_order(values: Mapping[Scalar, None] | set[Scalar], asked: Sequence[Scalar]) -> tuple[Scalar, ...]:
    """Numbers ascending, other values as they were asked for."""
    if all(isinstance(value, int | float) for value in values):
        return tuple(sorted(values))  # type: ignore[type-var]
    return tuple(sorted(values, key=lambda v: (list(asked).index(v) if v in asked else len(asked), str(v))))
