"""Decisions: actions raced against averaging, by anyone's training or by a study's. No torch in here.

`rules` fixes what is asked before the first training, `course` replays the scores so far to what should be
trained next, `verdict` makes the decision of a course that is over, `loop` trains for it one by one.
"""

from gradprobe.decisions.candidates import AVERAGING, Candidate, candidates
from gradprobe.decisions.course import AVERAGE, Course, Run, course
from gradprobe.decisions.ledger import Ended, Ledger
from gradprobe.decisions.loop import Outer, decide
from gradprobe.decisions.predicted import ready_actions
from gradprobe.decisions.rules import Rules
from gradprobe.decisions.verdict import About, decided

__all__ = [
    "AVERAGE",
    "AVERAGING",
    "About",
    "Candidate",
    "Course",
    "Ended",
    "Ledger",
    "Outer",
    "Rules",
    "Run",
    "candidates",
    "course",
    "decide",
    "decided",
    "ready_actions",
]
