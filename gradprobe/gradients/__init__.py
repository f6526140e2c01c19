"""Engines: the losses of a live model in, the Gramian of their gradients out.

The only place that calls autograd for tasks.
"""

from gradprobe.gradients.accumulate import JacobianSum
from gradprobe.gradients.engine import Capture, Engine
from gradprobe.gradients.finite import check_finite
from gradprobe.gradients.jacobian import JacobianCapture
from gradprobe.gradients.loop import LoopEngine
from gradprobe.gradients.rowwise import RowwiseCapture, RowwiseEngine
from gradprobe.gradients.shared import LayerNaming, SharedParameters, all_parameters, select_parameters
from gradprobe.gradients.trunk import find_trunk

__all__ = [
    "Capture",
    "Engine",
    "JacobianCapture",
    "JacobianSum",
    "LayerNaming",
    "LoopEngine",
    "RowwiseCapture",
    "RowwiseEngine",
    "SharedParameters",
    "all_parameters",
    "check_finite",
    "find_trunk",
    "select_parameters",
]
