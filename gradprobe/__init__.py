"""gradprobe: what your task gradients do to each other.

The public names are handed on lazily, so that importing gradprobe loads neither torch nor plotting
nor chemistry.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradprobe.decisions import Rules, decide, ready_actions
    from gradprobe.probes import (
        DepthProbe,
        GradientProbe,
        KernelProbe,
        NodeGradientProbe,
        RepresentationProbe,
        by_task,
    )
    from gradprobe.reports import report
    from gradprobe.trace import Trace
    from gradprobe.trace.molecule_table import molecule_table
    from gradprobe.training import CombinedUpdate

__version__ = "0.1.0"
__all__ = [
    "CombinedUpdate",
    "DepthProbe",
    "GradientProbe",
    "KernelProbe",
    "NodeGradientProbe",
    "RepresentationProbe",
    "Rules",
    "Trace",
    "__version__",
    "by_task",
    "decide",
    "molecule_table",
    "ready_actions",
    "report",
]

_HOMES = {
    "CombinedUpdate": "gradprobe.training",
    "DepthProbe": "gradprobe.probes",
    "GradientProbe": "gradprobe.probes",
    "KernelProbe": "gradprobe.probes",
    "NodeGradientProbe": "gradprobe.probes",
    "RepresentationProbe": "gradprobe.probes",
    "Rules": "gradprobe.decisions",
    "Trace": "gradprobe.trace",
    "by_task": "gradprobe.probes",
    "decide": "gradprobe.decisions",
    "molecule_table": "gradprobe.trace.molecule_table",
    "ready_actions": "gradprobe.decisions",
    "report": "gradprobe.reports",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gradprobe' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
