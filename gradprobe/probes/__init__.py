"""What is measured and when; each probe appends to a Trace and leaves the training state as it was."""

from gradprobe.probes.gradient import GradientProbe
from gradprobe.probes.inert import evaluating, inert
from gradprobe.probes.representation import RepresentationProbe

__all__ = ["GradientProbe", "RepresentationProbe", "evaluating", "inert"]
