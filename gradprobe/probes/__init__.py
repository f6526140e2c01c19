"""What is measured and when; each probe appends to a Trace and leaves the training state as it was."""

from gradprobe.probes.depth import DepthProbe
from gradprobe.probes.depth_profile import DepthProfile, SignalProfile
from gradprobe.probes.gradient import GradientProbe
from gradprobe.probes.inert import evaluating, inert
from gradprobe.probes.kernel import KernelMeasurement, KernelProbe
from gradprobe.probes.node_gradients import NodeGradients
from gradprobe.probes.nodes import NodeGradientProbe
from gradprobe.probes.representation import RepresentationProbe
from gradprobe.probes.tasks import by_task

__all__ = [
    "DepthProbe",
    "DepthProfile",
    "GradientProbe",
    "KernelMeasurement",
    "KernelProbe",
    "NodeGradientProbe",
    "NodeGradients",
    "RepresentationProbe",
    "SignalProfile",
    "by_task",
    "evaluating",
    "inert",
]
