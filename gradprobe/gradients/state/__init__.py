"""Mutable state that hangs on a model, a loader or a graph: kept, and put back bit for bit."""

from gradprobe.gradients.state.containers import KeptDict
from gradprobe.gradients.state.generators import random_state, rewind
from gradprobe.gradients.state.snapshot import Reach, Snapshot
from gradprobe.gradients.state.tensors import KeptTensor

__all__ = ["KeptDict", "KeptTensor", "Reach", "Snapshot", "random_state", "rewind"]
