"""The sections of a report on a study along its axes, and on the claims of its presets."""

from __future__ import annotations

from collections.abc import Iterator

from gradprobe.reports.compare.axes import figures, numbers, tables
from gradprobe.reports.compare.axes.claims import Outcome
from gradprobe.reports.compare.axes.lines import Axis, Sweep
from gradprobe.reports.compare.axes.words import text
from gradprobe.reports.compare.scores import Metric
from gradprobe.reports.kit.document import Section
from gradprobe.reports.kit.words import count, join

_EMPTY = "No cell along this axis has finished."


def sweep_sections(sweep: Sweep | None, metric: Metric | None) -> Iterator[Section]:
    """The claims first, then three sections an axis; none for a study that has neither."""
    if sweep is None or metric is None:
        return
    if sweep.claims:
        yield _claims(sweep)
    error = metric.name if metric.lower_is_better else f"1 − {metric.name}"
    for axis in sweep.axes:
        yield from _axis(sweep, axis, error)


def sweep_files(sweep: Sweep | None) -> dict[str, str]:
    """The numbers beneath claims and figures as CSV, by file name beside the report.

    Each figure has a file of its own name, with one row a cell on its axis.
    """
    if sweep is None:
        return {}
    files = {"cells.csv": numbers.cells(sweep)}
    if sweep.claims:
        files["claims.csv"] = numbers.claims(sweep)
    for axis in sweep.axes:
        for what, measures in figures.MEASURES_OF.items():
            files[f"figures/{axis.name}-{what}.csv"] = numbers.along(axis, measures)
    return files


def _claims(sweep: Sweep) -> Section:
    counts = [(sum(each.outcome is kind for each in sweep.claims), kind.value) for kind in Outcome]
    said = join([f"{number} {name}" for number, name in counts if number])
    return Section(
        title="Claims put to the test",
        look_for=f"Of {count(len(sweep.claims), 'claim')}: {said}. The rules were stored before the first "
        "cell ran. Look at the interval, not at the word alone: with few seeds it is wide.",
        tables=(tables.claims(sweep),),
    )


def _axis(sweep: Sweep, axis: Axis, error: str) -> Iterator[Section]:
    others = [f"{name} {text(value)}" for name, value in axis.elsewhere.items()]
    where = f" Elsewhere: {join(others)}." if others else ""
    kin = (tables.kinships(sweep),) if axis.name == "auxiliaries" and sweep.kinships else ()
    yield Section(
        title=f"Focal error along {axis.name}",
        look_for="Look for lines that part: there the combiner matters. All cells of a seed share one split, "
        f"so differences along the axis are paired.{where}",
        figure=figures.errors(axis, error),
        tables=(tables.along(axis), tables.changes(axis), *kin),
        empty=_EMPTY,
    )
    yield Section(
        title=f"Cosines along {axis.name}",
        look_for="Look for raw lines that move while corrected ones stay: that is noise. Train above "
        f"held-out is fit.{where}",
        figure=figures.cosines(axis),
        empty=_EMPTY,
    )
    yield Section(
        title=f"Rank and overlap along {axis.name}",
        look_for="Look for rank that falls while overlap rises: tasks are forced through a smaller "
        f"representation.{where}",
        figure=figures.sharing(axis),
        empty=_EMPTY,
    )
