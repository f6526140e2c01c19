"""A race of actions against averaging, judged by trained scores: pure functions, no training and no I/O.

`Plan` fixes the looks and splits the level before the first training; `standing` reads a race off the paired
differences so far; `fresh_mean` gives the winner's effect from seeds that did not choose it; `outer_part`
holds the choice against rows that nothing was chosen on.
"""

from gradprobe.race.confirm import Confirmation, outer_part
from gradprobe.race.differences import Interval, fresh_mean, paired_interval
from gradprobe.race.plan import Plan
from gradprobe.race.standing import Entry, Outcome, Standing, Status, standing

__all__ = [
    "Confirmation",
    "Entry",
    "Interval",
    "Outcome",
    "Plan",
    "Standing",
    "Status",
    "fresh_mean",
    "outer_part",
    "paired_interval",
    "standing",
]
