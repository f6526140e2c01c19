"""What would settle a verdict that the evidence leaves open."""

from __future__ import annotations

from collections.abc import Sequence

from gradprobe.reports.compare.candidates import AVERAGE
from gradprobe.reports.compare.evidence import Evidence, Finding
from gradprobe.reports.compare.measured import NO_FOCAL
from gradprobe.reports.compare.prospect import FEWEST_STEPS, Outlook, steps_to_settle
from gradprobe.reports.compare.scores import CombinerScore, Metric
from gradprobe.reports.kit.words import join
from gradprobe.reports.statistics.paired import Paired, seeds_to_settle

_MOST_SEEDS = 200
_MOST_STEPS = 1_000_000


def what_would_settle(
    evidence: Sequence[Evidence], scores: Sequence[CombinerScore], metric: Metric | None
) -> tuple[str, ...]:
    """Advice, one sentence each; `metric` is None for a bare trace, which has no scores."""
    still_open = [entry for entry in evidence if entry.finding is Finding.OPEN]
    if any(entry.leverage is not None and entry.leverage.reason == NO_FOCAL for entry in still_open):
        return ("Name the focal task when attaching the probe: GradientProbe(model, focal=...).",)
    steps = max((entry.leverage.steps for entry in still_open if entry.leverage is not None), default=0)
    advice = []
    if steps < FEWEST_STEPS:
        advice.append(f"Measure at least {FEWEST_STEPS} minibatch steps of a run with averaging.")
    advice += _more_steps([entry.outlook for entry in still_open if entry.outlook is not None])
    if metric is None:
        advice.append("Train with averaging and with the combiners in question over several seeds.")
        return tuple(advice)
    finished = {score.combiner for score in scores if score.estimate.seeds}
    missing = [name for name in (AVERAGE, *(entry.combiner for entry in still_open)) if name not in finished]
    if missing:
        advice.append(f"Run {join(missing)} over at least 3 seeds.")
    more: dict[str, list[str]] = {}
    for entry in still_open:
        if entry.difference is not None and entry.difference.seeds:
            more.setdefault(_more_seeds(entry.difference), []).append(entry.combiner)
    return (*advice, *(f"For {join(names)}, {text}." for text, names in more.items()))


def _more_steps(outlooks: Sequence[Outlook]) -> list[str]:
    """Measured steps that would settle all of the predicted gains that are open, and which they would not."""
    if not outlooks:
        return []
    outcome = outlooks[0].outcome
    needed = {found.combiner: steps_to_settle(found, most=_MOST_STEPS) for found in outlooks}
    known = {name: steps for name, steps in needed.items() if steps is not None}
    advice = []
    if known:
        rows = "; more held-out rows at each step narrow intervals too" if outcome.rows == "heldout" else ""
        advice.append(
            f"For the predicted gain of {join(list(known))}, measure about {_rounded(max(known.values()))} "
            f"minibatch steps with averaging (now {outcome.steps}; more seeds, or denser measurements), if "
            f"gain and spread stay as they are{rows}."
        )
    if any(bool(found.gain.apart) or bool(found.over_control.apart) for found in outlooks):
        advice.append("Run averaging over more seeds: the predicted gains differ between runs.")
    if outcome.rows == "fresh":
        advice.append(
            "Measure held-out rows of the focal task, which judge the updates of whole minibatches: "
            "with probe.heldout()."
        )
    return advice


def _rounded(steps: int) -> int:
    """A number of steps to two digits, upwards."""
    scale: int = 10 ** max(len(str(steps)) - 2, 0)
    return -(-steps // scale) * scale


def _more_seeds(difference: Paired) -> str:
    if difference.seeds == 1:
        return "run at least 3 seeds"
    if difference.excludes_zero:
        return "run more seeds and measure more steps, to see which of the two was chance"
    needed = seeds_to_settle(difference, most=_MOST_SEEDS)
    if needed is None:
        return f"{_MOST_SEEDS} seeds would not settle a difference this small against its spread"
    return (
        f"run about {needed} seeds, if difference and spread stay as {difference.seeds} seeds have them, "
        "which few seeds tell only roughly"
    )
