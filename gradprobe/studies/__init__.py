"""Studies: grids of cells that are planned, run side by side, resumed and collected."""

from gradprobe.studies.axes import read_axes
from gradprobe.studies.compare import plan_study
from gradprobe.studies.config import StudyConfig, make_config, read_config
from gradprobe.studies.demo import demo_config
from gradprobe.studies.grid import Outcome, run_study
from gradprobe.studies.plan import Plan

__all__ = [
    "Outcome",
    "Plan",
    "StudyConfig",
    "demo_config",
    "make_config",
    "plan_study",
    "read_axes",
    "read_config",
    "run_study",
]
