"""The figure of a decision: what training said of each action, the margin shaded."""

from __future__ import annotations

from gradprobe.reports.decide import tables
from gradprobe.reports.decide.summary import DecideSummary
from gradprobe.reports.kit.colours import of_combiner
from gradprobe.reports.kit.document import Figure
from gradprobe.reports.kit.plots.forest import Forest, ForestPanel, Mark, Row
from gradprobe.reports.statistics.seeds import NAN


def effects(summary: DecideSummary) -> Figure | None:
    """Trained effects with their intervals, one row an action; None before there is one."""
    decision = summary.decision
    factor, unit = (100.0, ", %") if decision.unit == "relative" else (1.0, "")
    rows, said = [], []
    for line in decision.actions:
        if line.trained is None or line.trained.mean is None:
            continue
        low, high = (NAN if end is None else factor * end for end in (line.trained.low, line.trained.high))
        mark = Mark(factor * line.trained.mean, of_combiner(line.action), low, high)
        rows.append(Row(line.action, (mark,)))
        said.append(f"{line.action} {tables.trained(line.trained, decision)}".replace("\n", ", "))
    if not rows:
        return None
    panel = ForestPanel("", tuple(rows), shaded=factor * decision.margin)
    return Figure(
        name="effects",
        plot=Forest((panel,), f"improvement of {decision.score} over averaging{unit}"),
        words=f"Trained effects over averaging: {'; '.join(said)}.",
        caption="Dots: means of paired trainings. Lines: intervals at the level of the last look. Shaded: "
        "within the margin.",
    )
