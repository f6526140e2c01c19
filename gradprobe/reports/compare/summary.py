"""Every number of a report, decided once: HTML, figures and terminal show what stands here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradprobe.data.audit import Audit
from gradprobe.geometry import overlap_by_chance
from gradprobe.records.compare import SINGLE_TASK, TaskEntry
from gradprobe.records.decision import ActionLine
from gradprobe.records.study import StoredStudy
from gradprobe.reports.compare.actions import actions_of
from gradprobe.reports.compare.audit import read_audit
from gradprobe.reports.compare.axes.lines import Sweep, sweep_of
from gradprobe.reports.compare.axes.points import at_reference
from gradprobe.reports.compare.candidates import AVERAGE
from gradprobe.reports.compare.corrected import Corrected, corrected_of
from gradprobe.reports.compare.decision import Decision, decision_of
from gradprobe.reports.compare.gradients import Gradients, gradients_of
from gradprobe.reports.compare.leverage import Leverage, leverages
from gradprobe.reports.compare.measured import NO_FOCAL
from gradprobe.reports.compare.provenance import Provenance, provenance_of
from gradprobe.reports.compare.ranks import Rank, rank_of
from gradprobe.reports.compare.scores import CombinerScore, Metric, focal_metric, in_order, scores
from gradprobe.reports.compare.source import Cell, Source, read_source
from gradprobe.reports.compare.task_scores import TaskScores, cut_short, task_scores
from gradprobe.reports.compare.verdict import Verdict, decide
from gradprobe.reports.statistics.seeds import NAN
from gradprobe.trace import Trace

NO_AVERAGING = "no minibatch of a run with averaging was measured"
OWN_UPDATES = "it rests on this run having been trained on the mean or the sum of its task losses"


@dataclass(frozen=True, eq=False)
class EncoderSummary:
    """One encoder, or the run behind a bare trace.

    Its gradients were measured while training with `combiner` (`""`: unknown) over `seeds`;
    `gradients` are empty and `rank` is None where nothing was measured. `chance` is the overlap of random
    directions in the `parameters` dimensions of the trunk. `cut_short` counts the finished runs that were
    best at their last epoch, and all that have finished.
    """

    name: str
    combiner: str
    seeds: tuple[int, ...]
    parameters: int
    chance: float
    gradients: Gradients
    corrected: Corrected
    decision: Decision
    rank: Rank | None
    leverages: tuple[Leverage, ...]
    scores: tuple[CombinerScore, ...]
    task_scores: tuple[TaskScores, ...]
    cut_short: tuple[int, int]
    verdict: Verdict
    actions: tuple[ActionLine, ...]


@dataclass(frozen=True, eq=False)
class Summary:
    """What a report says. `metric` is None for a bare trace; `tasks` names the focal task first."""

    name: str
    focal: str
    tasks: tuple[str, ...]
    entries: tuple[TaskEntry, ...]
    metric: Metric | None
    combiners: tuple[str, ...]
    encoders: tuple[EncoderSummary, ...]
    cells: int
    finished: int
    failed: int
    provenance: Provenance
    folder: Path | None
    audit: Audit | None = None
    sweep: Sweep | None = None

    @property
    def auxiliaries(self) -> tuple[str, ...]:
        """All tasks but the focal one; none where no focal task was named."""
        return self.tasks[1:] if self.focal else ()

    @property
    def of_study(self) -> bool:
        """Whether this is a study rather than a bare trace."""
        return self.metric is not None

    @property
    def provisional(self) -> bool:
        """Whether cells are still missing that have not failed."""
        return self.finished + self.failed < self.cells


def summarise(source: Trace | StoredStudy[Any, Any] | str | Path) -> Summary:
    """The summary of a trace, of the folder of a trace, or of a comparison or its folder, finished or not.

    Raises:
        InputError: there is neither a trace nor a study, or the study's description cannot be read.
        TraceError: a bare trace cannot be read.
    """
    found = read_source(source)
    manifest = found.manifest
    tasks = _tasks(found)
    metric = None if manifest is None else focal_metric(manifest)
    shown = at_reference(found.cells)
    names = dict.fromkeys(cell.key.encoder for cell in shown)
    encoders = tuple(
        _encoder(name, [cell for cell in shown if cell.key.encoder == name], found, tasks, metric)
        for name in names
    )
    engines = sorted({engine for e in encoders for engine in e.gradients.engines})
    states = [cell.state for cell in found.cells]
    return Summary(
        name=found.name,
        focal=found.focal,
        tasks=tasks,
        entries=() if manifest is None else manifest.tasks,
        metric=metric,
        combiners=() if manifest is None else in_order(manifest.combiners),
        encoders=encoders,
        cells=len(states),
        finished=states.count("finished"),
        failed=states.count("failed"),
        provenance=provenance_of(found, engines),
        folder=found.folder,
        audit=read_audit(found.folder) if manifest is not None else None,
        sweep=sweep_of(found.cells, manifest, metric),
    )


def _tasks(source: Source) -> tuple[str, ...]:
    """All tasks of the source, the focal one first."""
    names = dict.fromkeys([source.focal] if source.focal else [])
    if source.manifest is not None:
        names |= dict.fromkeys(entry.name for entry in source.manifest.tasks)
    for cell in source.cells:
        if cell.trace is not None:
            names |= dict.fromkeys(cell.trace.header.tasks)
            names |= dict.fromkeys(task for record in cell.trace.gramians for task in record.gramian.tasks)
    return tuple(names)


def _encoder(
    name: str, cells: Sequence[Cell], source: Source, tasks: Sequence[str], metric: Metric | None
) -> EncoderSummary:
    combiner, chosen = _measured_cells(cells)
    traces = [cell.trace for cell in chosen if cell.trace is not None]
    gradients = gradients_of(traces, tasks, focal=source.focal)
    parameters = sum(gradients.parameters)
    found = _leverages(gradients, combiner, source)
    nothing = "" if combiner in (AVERAGE, "") else NO_AVERAGING
    decision = decision_of(traces, focal=source.focal, options=_combiner_options(source), nothing=nothing)
    compared: tuple[CombinerScore, ...] = ()
    if source.manifest is not None and metric is not None:
        compared = scores(cells, source.manifest, metric)
    return EncoderSummary(
        name=name,
        combiner=combiner,
        seeds=tuple(cell.key.seed for cell in chosen),
        parameters=parameters,
        chance=overlap_by_chance(parameters) if parameters else NAN,
        gradients=gradients,
        corrected=corrected_of(traces, tasks, focal=source.focal),
        decision=decision,
        rank=rank_of(traces),
        leverages=found,
        scores=compared,
        task_scores=() if source.manifest is None else task_scores(cells, source.manifest),
        cut_short=cut_short(cells),
        verdict=decide(
            found,
            compared,
            metric,
            decision=decision,
            assuming="" if source.manifest is not None else OWN_UPDATES,
        ),
        actions=()
        if nothing
        else actions_of(chosen, cells, source, compared, metric, options=_combiner_options(source)),
    )


def _measured_cells(cells: Sequence[Cell]) -> tuple[str, list[Cell]]:
    """The cells whose traces speak for an encoder: those trained by averaging, else by the first other.

    Failed cells are left out: what went wrong with them may have gone wrong before. So are traces of
    another trunk than the first one's.
    """
    usable = [
        cell
        for cell in cells
        if cell.state != "failed"
        and cell.key.combiner != SINGLE_TASK
        and cell.trace is not None
        and (cell.trace.gramians or cell.trace.quantities)
    ]
    if not usable:
        return "", []
    names = [cell.key.combiner for cell in usable]
    combiner = AVERAGE if AVERAGE in names else names[0]
    chosen = [cell for cell in usable if cell.key.combiner == combiner]
    return combiner, [cell for cell in chosen if _layers(cell) == _layers(chosen[0])]


def _layers(cell: Cell) -> tuple[str, ...]:
    return () if cell.trace is None else cell.trace.header.layers


def _leverages(gradients: Gradients, combiner: str, source: Source) -> tuple[Leverage, ...]:
    nothing = NO_AVERAGING
    minibatches = gradients.minibatches if combiner in (AVERAGE, "") else ()
    if not source.focal:
        nothing, minibatches = NO_FOCAL, ()
    return leverages(minibatches, options=_combiner_options(source), nothing=nothing)


def _combiner_options(source: Source) -> dict[str, dict[str, Any]]:
    """Options by combiner, with an entry for each combiner of the study."""
    if source.manifest is None:
        return {}
    given = source.manifest.options.get("combiner_options")
    given = given if isinstance(given, dict) else {}
    return {name: given.get(name, {}) for name in source.manifest.combiners if name != SINGLE_TASK}
