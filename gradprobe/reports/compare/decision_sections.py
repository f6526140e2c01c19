"""The parts of a report on what surgery would have done."""

from __future__ import annotations

from gradprobe.reports.compare import decision_table
from gradprobe.reports.compare.measured import NO_FOCAL
from gradprobe.reports.compare.summary import Summary
from gradprobe.reports.kit.numbers import capital
from gradprobe.reports.kit.section import Section


def decision_sections(summary: Summary) -> tuple[Section, ...]:
    """Predicted gains, the control of a larger focal weight, and the ranked auxiliaries."""
    empty = _empty(summary)
    return (
        Section(
            title="What surgery would have done",
            look_for="Look for dots to the right of the shaded band whose intervals leave it: combiners that "
            "would have gained more than a larger focal weight does. A diamond to the right with its dot at "
            "zero is a combiner that only gives the focal task more weight.",
            tables=(
                decision_table.gains(summary),
                decision_table.gains_at_equal_rate(summary),
                *(table for table in [decision_table.gains_preconditioned(summary)] if table.rows),
            ),
            plate="gains",
            caption="First-order gain for the focal task of a step of each combiner along the runs with "
            "averaging, on rows that did not make the step, at equal step length. Diamond: over averaging; "
            "dot: over averaging at the combiner's focal share; lines: 95% intervals. Shaded: too small to "
            "matter.",
            empty=empty,
        ),
        Section(
            title="Surgery or a larger focal weight",
            look_for="Look for dots above the line: only there does surgery do what no fixed focal weight "
            "does.",
            tables=(decision_table.focal_weights(summary),),
            plate="focal_weight",
            caption="Line: gain over averaging of averaging with a fixed focal share, auxiliaries alike, "
            "with its 95% interval; dots: combiners at their mean focal share.",
            empty=empty,
        ),
        Section(
            title="Which auxiliaries help",
            look_for="Look for full dots: auxiliaries whose own gradient helps (blue) or harms (red) the "
            "focal task, and at how far they are from the focal task's own.",
            tables=(decision_table.affinities(summary),),
            plate="affinities",
            caption="First-order decrease of the focal loss per unit step along each task's own gradient, on "
            "rows that did not make it, with 95% intervals. Dot: held-out rows; diamond: fresh ones; hollow: "
            "cannot be told apart from nothing.",
            empty=empty,
        ),
    )


def _empty(summary: Summary) -> str:
    decisions = [encoder.decision for encoder in summary.encoders]
    reasons = dict.fromkeys(r for each in decisions for r in (each.no_heldout, each.no_fresh) if r)
    if not summary.focal:
        reasons = {NO_FOCAL: None}
    return f"{capital('; '.join(reasons))}." if reasons else Section.empty
