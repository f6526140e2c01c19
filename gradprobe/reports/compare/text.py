"""The report for a terminal: the verdict and the main tables."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from gradprobe.reports.compare import decision_table, tables
from gradprobe.reports.compare.corrected_table import corrected
from gradprobe.reports.compare.headline import headline, subtitle, title
from gradprobe.reports.compare.ranking import ranking_in_words
from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.compare.verdict import Call
from gradprobe.reports.kit.numbers import capital
from gradprobe.reports.kit.terminal import rich_table

_STYLES = {Call.SAFE: "green", Call.WEIGHT: "yellow", Call.HELP: "yellow", Call.INSUFFICIENT: "cyan"}


def show(summary: Summary) -> RenderableType:
    """The summary for a rich console; every name and number is plain text, never markup."""
    shown = [tables.encoders(summary)]
    if summary.metric is not None:
        shown.append(tables.combiner_scores(summary, summary.metric))
    shown += [
        corrected(summary),
        decision_table.gains(summary),
        decision_table.affinities(summary),
        tables.leverages(summary),
        tables.cells(summary),
        tables.damages(summary),
    ]
    return Group(
        Text(title(summary), style="bold"),
        Text(subtitle(summary), style="dim"),
        show_verdicts(summary),
        *(rich_table(table) for table in shown if table.rows),
    )


def show_verdicts(summary: Summary) -> RenderableType:
    """The verdict on every encoder, for a rich console."""
    return Panel(
        Group(Text(headline(summary), style="bold"), *map(_verdict, summary.encoders)), box=box.ROUNDED
    )


def _verdict(encoder: EncoderSummary) -> Text:
    verdict = encoder.verdict
    text = Text()
    text.append(f"\n{encoder.name}: ", style="bold").append(verdict.call.value, style=_STYLES[verdict.call])
    text.append(f"\n{capital(verdict.sentence)}.")
    if verdict.caution:
        text.append(f" Note: {verdict.caution}.", style="italic")
    if verdict.auxiliaries:
        text.append(f"\nAuxiliaries: {ranking_in_words(verdict.auxiliaries)}.")
    for advice in verdict.settle:
        text.append(f"\n  → {advice}")
    return text
