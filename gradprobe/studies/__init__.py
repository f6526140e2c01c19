"""Studies: grids of cells that are planned, run side by side, resumed and collected."""

from gradprobe.studies.axes import read_axes
from gradprobe.studies.compare import plan_study
from gradprobe.studies.config import StudyConfig, make_config, read_config
from gradprobe.studies.demo import demo_config
from gradprobe.studies.grid import Outcome, run_study
from gradprobe.studies.plan import Plan
from gradprobe.studies.presets import Preset, list_presets, read_preset

__all__ = [
    "Outcome",
    "Plan",
    "Preset",
    "StudyConfig",
    "demo_config",
    "list_presets",
    "make_config",
    "plan_study",
    "read_axes",
    "read_config",
    "read_preset",
    "run_study",
]
