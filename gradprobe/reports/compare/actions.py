"""What can be done instead of averaging: predicted from averaging's runs, trained where the study did."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gradprobe.decisions.candidates import SHARES
from gradprobe.decisions.predicted import ready_actions
from gradprobe.errors import InputError
from gradprobe.records.compare import SINGLE_TASK
from gradprobe.records.decision import ActionLine, Predicted, Range
from gradprobe.reports.compare.candidates import AVERAGE
from gradprobe.reports.compare.scores import CombinerScore, Metric
from gradprobe.reports.compare.source import Cell, Source
from gradprobe.reports.kit.numbers import signed_two_digits
from gradprobe.reports.statistics.paired import Paired

# Combiners to consider for a bare trace, which names none.
_USUAL = ("pcgrad", "cagrad", "rcgrad")
_MOST_STEPS = 200
_ALONE = "focal alone"


def actions_of(
    averaged: Sequence[Cell],
    cells: Sequence[Cell],
    source: Source,
    compared: Sequence[CombinerScore],
    metric: Metric | None,
    *,
    options: Mapping[str, Mapping[str, Any]],
) -> tuple[ActionLine, ...]:
    """The actions of an encoder, the most promising first; none where the traces cannot foretell any.

    `averaged` are the runs with averaging. A trained effect is the improvement of the score over averaging's,
    paired by seed, positive where better.
    """
    runs = [cell for cell in averaged if cell.trace is not None]
    use = [name for name in options if name not in (AVERAGE, SINGLE_TASK)] or list(_USUAL)
    try:
        found = ready_actions(
            [cell.trace for cell in runs if cell.trace is not None],
            focal=source.focal,
            use=_usable(use, options),
            shares=_shares(options),
            options=options,
            best=[_best_step(cell) for cell in runs],
            most=_MOST_STEPS,
        )
    except InputError:
        return ()
    trained = {_name(score.combiner, options): score for score in compared if score.difference is not None}
    lines = []
    for each in found:
        score = trained.get(each.name)
        paired = None if score is None or metric is None else _improvement(score.difference, metric)
        lines.append(
            ActionLine(
                action=each.name,
                status="cannot matter" if each.idle else "",
                predicted=each.predicted,
                trained=paired,
                refuted=_refuted(each.predicted, paired),
                relative_cost=None if score is None else _relative_cost(score.combiner, cells),
                rests_on=_rests_on(each.predicted, paired, len(runs)),
            )
        )
    return tuple(lines)


def next_step(actions: Sequence[ActionLine]) -> str:
    """What to do next, in a sentence."""
    if all(line.status == "cannot matter" for line in actions):
        return "No action can matter here: every one makes averaging's update. Keep averaging and stop."
    better = [line for line in actions if line.trained and (line.trained.low or 0.0) > 0.0]
    if better:
        best = max(better, key=lambda line: (line.trained and line.trained.mean) or 0.0)
        return (
            f"Training found {best.action} better than averaging. These runs chose it too, so confirm it on "
            "fresh seeds and molecules: gradprobe decide."
        )
    worse = {line.action for line in actions if line.trained and (line.trained.high or 0.0) < 0.0}
    promising = [
        line
        for line in actions
        if line.predicted and (line.predicted.effect or 0.0) > 0.0 and line.action not in worse
    ]
    if not promising:
        return "Nothing is predicted to help, or training refuted it. Keep averaging."
    first = promising[0]
    effect = signed_two_digits((first.predicted and first.predicted.effect) or 0.0)
    return (
        f"Not settled: keep averaging until then. The most promising is {first.action} (predicted {effect}); "
        "predictions rank, training decides: gradprobe decide."
    )


def _usable(names: Sequence[str], options: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Combiners that are no focal share in disguise, which stands among the actions already."""
    return [name for name in names if _name(name, options) == name and name != "weighted"]


def _shares(options: Mapping[str, Mapping[str, Any]]) -> list[float]:
    """The usual focal shares, and the study's own."""
    own = options.get("weighted", {}).get("focal_share")
    return sorted({*SHARES, *([] if own is None else [own])})


def _name(combiner: str, options: Mapping[str, Mapping[str, Any]]) -> str:
    """The action that a combiner of a study is."""
    if combiner == SINGLE_TASK:
        return _ALONE
    share = options.get(combiner, {}).get("focal_share") if combiner == "weighted" else None
    return combiner if share is None else f"focal share {share:g}"


def _best_step(cell: Cell) -> int | None:
    """The last step of the best epoch; None where the run has not ended."""
    if cell.metrics is None:
        return None
    return next((row.step for row in cell.metrics.history if row.epoch == cell.metrics.best_epoch), None)


def _improvement(found: Paired | None, metric: Metric) -> Range | None:
    if found is None or not found.seeds:
        return None
    sign = -1.0 if metric.lower_is_better else 1.0
    ends = sorted((sign * found.low, sign * found.high)) if found.seeds > 1 else [math.nan, math.nan]
    mean, low, high = (value if math.isfinite(value) else None for value in (sign * found.mean, *ends))
    return Range(mean=mean, low=low, high=high, pairs=found.seeds)


def _refuted(predicted: Predicted | None, trained: Range | None) -> bool:
    if predicted is None or trained is None or trained.low is None or trained.high is None:
        return False
    effect = predicted.effect or 0.0
    return (effect > 0.0 and trained.high < 0.0) or (effect < 0.0 and trained.low > 0.0)


def _relative_cost(combiner: str, cells: Sequence[Cell]) -> float | None:
    """Seconds a step over those of averaging, whose runs are probed as well; None where one is unknown."""
    own, other = (_seconds_a_step(name, cells) for name in (combiner, AVERAGE))
    return own / other if own and other else None


def _seconds_a_step(combiner: str, cells: Sequence[Cell]) -> float:
    done = [cell.metrics for cell in cells if cell.key.combiner == combiner and cell.metrics is not None]
    steps = sum(metrics.steps for metrics in done)
    return sum(metrics.seconds for metrics in done) / steps if steps else 0.0


def _rests_on(predicted: Predicted | None, trained: Range | None, runs: int) -> str:
    if trained is not None:
        return f"{trained.pairs} paired training{'' if trained.pairs == 1 else 's'}"
    if predicted is not None and predicted.effect is not None:
        return f"gradients of {runs} averaging run{'' if runs == 1 else 's'}"
    return "nothing yet"
