"""Grids of runs (encoder x combiner x seed): planned, run side by side, resumed, collected."""

from gradprobe.studies.config import StudyConfig, make_config, read_config
from gradprobe.studies.demo import demo_config
from gradprobe.studies.plan import Plan, plan_study
from gradprobe.studies.run import Outcome, run_study

__all__ = [
    "Outcome",
    "Plan",
    "StudyConfig",
    "demo_config",
    "make_config",
    "plan_study",
    "read_config",
    "run_study",
]
