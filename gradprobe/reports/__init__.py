"""Reports of studies and traces: a summary decides every number, the rest shows it. No torch."""

from gradprobe.reports.compare.summary import Summary, summarise
from gradprobe.reports.kinds import Loaded, load
from gradprobe.reports.publish import report, show

__all__ = ["Loaded", "Summary", "load", "report", "show", "summarise"]
