"""Pure functions of Gramians and representations: NumPy float64, no state, no I/O, no randomness."""

from gradprobe.geometry.conflict import (
    Conflicts,
    conflict_energy,
    conflicts,
    gradient_overlap,
    overlap_by_chance,
)
from gradprobe.geometry.cosines import cosines, focal_cosines, norm_ratios, norms, update_cosine
from gradprobe.geometry.gramian import BoolArray, FloatArray, Gramian, Group
from gradprobe.geometry.quantity import Quantity
from gradprobe.geometry.rank import EffectiveRank, effective_rank

__all__ = [
    "BoolArray",
    "Conflicts",
    "EffectiveRank",
    "FloatArray",
    "Gramian",
    "Group",
    "Quantity",
    "conflict_energy",
    "conflicts",
    "cosines",
    "effective_rank",
    "focal_cosines",
    "gradient_overlap",
    "norm_ratios",
    "norms",
    "overlap_by_chance",
    "update_cosine",
]
