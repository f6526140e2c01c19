"""Combiners: from the Gramian of the task gradients to one weight a task; the update is `weights @ J`.

NumPy float64 only; nothing here knows tensors or models.
"""

from gradprobe.combiners.protocol import Combiner
from gradprobe.combiners.registry import get, names, options_of

__all__ = ["Combiner", "get", "names", "options_of"]
