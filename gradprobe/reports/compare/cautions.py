"""What qualifies a verdict: comparisons made, controls that do as well, combiners not trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradprobe.records.compare import SINGLE_TASK
from gradprobe.reports.compare.decision import Outcome
from gradprobe.reports.compare.evidence import Evidence, Finding
from gradprobe.reports.compare.prospect import Outlook, Prospect, pooled_of, relative, reweighting
from gradprobe.reports.compare.scores import Metric
from gradprobe.reports.kit.numbers import number
from gradprobe.reports.kit.words import join
from gradprobe.reports.statistics.paired import Paired

# What does no surgery, and still may beat averaging.
_CONTROLS = {
    "weighted": "reweighted averaging, which does no surgery,",
    SINGLE_TASK: "the focal task trained alone",
}


def score_cautions(
    evidence: Sequence[Evidence], differences: Mapping[str, Paired], metric: Metric | None
) -> list[str]:
    """What scores leave to say: comparisons made, and controls that did better without surgery."""
    if metric is None:
        return []
    better = [entry for entry in evidence if entry.finding is Finding.BETTER]
    parts = []
    if better and len(evidence) > 1:
        compared = f"{len(evidence)} combiners were compared"
        parts.append(f"{compared}, and the intervals of scores are not corrected for that")
    if better and "weighted" not in differences:
        parts.append("no reweighted averaging was trained as a control")
    unforeseen = [
        e.combiner for e in better if e.outlook is not None and e.outlook.prospect is Prospect.NO_GAIN
    ]
    if unforeseen:
        parts.append(f"no gain was predicted for {join(unforeseen)}")
    for control, what in _CONTROLS.items():
        difference = differences.get(control)
        if difference is not None and difference.excludes_zero and metric.improves(difference.mean):
            parts.append(f"{what} did better than averaging{' too' if better else ''}")
    return parts


def gain_cautions(
    evidence: Sequence[Evidence], outcome: Outcome, outlooks: Mapping[str, Outlook]
) -> list[str]:
    """What predicted gains leave to say; `outlooks` are those of all combiners that could be tried."""
    parts = []
    used = {Finding.WOULD_GAIN, Finding.WOULD_NOT} & {entry.finding for entry in evidence}
    if used and outcome.runs == 1:
        parts.append("predicted gains rest on one run")
    judged = {entry.combiner for entry in evidence}
    untrained = [n for n, found in outlooks.items() if n not in judged and found.prospect is Prospect.GAIN]
    if untrained:
        parts.append(f"{join(untrained)}, not trained here, would have gained on {outcome.name}")
    found = reweighting(outcome)
    if found is not None:
        share, gain = found
        average = pooled_of(outcome.average.equal_length.effect)
        parts.append(
            f"steps of averaging with a focal share of {number(share, digits=1)}, which is no surgery, would "
            f"have gained {relative(gain, average)} on {outcome.name}"
        )
    return parts
