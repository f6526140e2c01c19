"""Reports of studies and traces: `summarise` decides every number, the rest shows it. No torch."""

from gradprobe.reports.publish import report
from gradprobe.reports.summary import Summary, summarise
from gradprobe.reports.text import show

__all__ = ["Summary", "report", "show", "summarise"]
