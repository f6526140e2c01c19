"""Engines: the losses of a live model in, the Gramian of their gradients out.

The only place that calls autograd for tasks.
"""

from gradprobe.gradients.accumulate import JacobianSum
from gradprobe.gradients.beside import JudgedCapture
from gradprobe.gradients.diagonal import check_optimizer, diagonal
from gradprobe.gradients.engine import Capture, Engine
from gradprobe.gradients.finite import check_finite
from gradprobe.gradients.jacobian import JacobianCapture, Row, UndefinedDiagonalError
from gradprobe.gradients.loop import LoopEngine, differentiate
from gradprobe.gradients.outputs import OutputAxis, output_axes
from gradprobe.gradients.preflight import check_parameters, nodes_behind
from gradprobe.gradients.ranks import all_ready
from gradprobe.gradients.rates import learning_rates
from gradprobe.gradients.reach import (
    check_losses_reach_model,
    check_trunk_reached,
    mark_unreached,
    reach_note,
)
from gradprobe.gradients.row_products import RowProductEngine, RowProducts
from gradprobe.gradients.rowwise import RowwiseCapture, RowwiseEngine
from gradprobe.gradients.shared import (
    LayerNaming,
    SharedParameters,
    all_parameters,
    parameter_names,
    select_parameters,
)
from gradprobe.gradients.sinks import without_ddp_reduction
from gradprobe.gradients.trunk import find_trunk
from gradprobe.gradients.update_step import as_step
from gradprobe.gradients.walks import reusable, walk

__all__ = [
    "Capture",
    "Engine",
    "JacobianCapture",
    "JacobianSum",
    "JudgedCapture",
    "LayerNaming",
    "LoopEngine",
    "OutputAxis",
    "Row",
    "RowProductEngine",
    "RowProducts",
    "RowwiseCapture",
    "RowwiseEngine",
    "SharedParameters",
    "UndefinedDiagonalError",
    "all_parameters",
    "all_ready",
    "as_step",
    "check_finite",
    "check_losses_reach_model",
    "check_optimizer",
    "check_parameters",
    "check_trunk_reached",
    "diagonal",
    "differentiate",
    "find_trunk",
    "learning_rates",
    "mark_unreached",
    "nodes_behind",
    "output_axes",
    "parameter_names",
    "reach_note",
    "reusable",
    "select_parameters",
    "walk",
    "without_ddp_reduction",
]
