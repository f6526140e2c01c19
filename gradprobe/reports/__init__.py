"""Reports of studies and traces: `summarise` decides every number, the rest shows it. No torch."""

from gradprobe.reports.compare.summary import Summary, summarise
from gradprobe.reports.compare.text import show
from gradprobe.reports.publish import report

__all__ = ["Summary", "report", "show", "summarise"]
