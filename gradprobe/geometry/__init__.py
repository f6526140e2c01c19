"""Pure functions of Gramians and representations: NumPy float64, no state, no I/O, no randomness."""

from gradprobe.geometry.actions import Action, combine, drop, focal_alone, focal_share
from gradprobe.geometry.conflict import (
    Conflicts,
    conflict_energy,
    conflicts,
    gradient_overlap,
    overlap_by_chance,
)
from gradprobe.geometry.corrected import CorrectedCosines, corrected_cosines
from gradprobe.geometry.cosines import cosines, focal_cosines, norm_ratios, norms, update_cosine
from gradprobe.geometry.decision import (
    Affinities,
    Comparison,
    Gain,
    ShareCurve,
    Trials,
    affinities,
    fresh_trials,
    gain,
    heldout_trials,
    leverage,
    share_curve,
)
from gradprobe.geometry.diagnosis import Diagnosis, diagnose
from gradprobe.geometry.effects import Effects, effects, harmful
from gradprobe.geometry.gramian import HELDOUT, NOT_REACHED, BoolArray, FloatArray, Gramian, Group
from gradprobe.geometry.intervals import Estimate, discoveries, mean_over_steps
from gradprobe.geometry.molecules import MoleculeEffects, molecule_effects
from gradprobe.geometry.moments import SecondMoments
from gradprobe.geometry.noise import Signal, predicted_cosines, signal
from gradprobe.geometry.oversmoothing import (
    GroupSpreads,
    RowSpread,
    components,
    looped_degrees,
    row_spread,
    row_spreads,
)
from gradprobe.geometry.pooling import Pooled, pooled
from gradprobe.geometry.population import Estimand, Influences
from gradprobe.geometry.quantity import Quantity
from gradprobe.geometry.rank import EffectiveRank, effective_rank
from gradprobe.geometry.spans import Span, window_of_steps
from gradprobe.geometry.window import FoldProducts, TaskProducts, heldout_products

__all__ = [
    "HELDOUT",
    "NOT_REACHED",
    "Action",
    "Affinities",
    "BoolArray",
    "Comparison",
    "Conflicts",
    "CorrectedCosines",
    "Diagnosis",
    "EffectiveRank",
    "Effects",
    "Estimand",
    "Estimate",
    "FloatArray",
    "FoldProducts",
    "Gain",
    "Gramian",
    "Group",
    "GroupSpreads",
    "Influences",
    "MoleculeEffects",
    "Pooled",
    "Quantity",
    "RowSpread",
    "SecondMoments",
    "ShareCurve",
    "Signal",
    "Span",
    "TaskProducts",
    "Trials",
    "affinities",
    "combine",
    "components",
    "conflict_energy",
    "conflicts",
    "corrected_cosines",
    "cosines",
    "diagnose",
    "discoveries",
    "drop",
    "effective_rank",
    "effects",
    "focal_alone",
    "focal_cosines",
    "focal_share",
    "fresh_trials",
    "gain",
    "gradient_overlap",
    "harmful",
    "heldout_products",
    "heldout_trials",
    "leverage",
    "looped_degrees",
    "mean_over_steps",
    "molecule_effects",
    "norm_ratios",
    "norms",
    "overlap_by_chance",
    "pooled",
    "predicted_cosines",
    "row_spread",
    "row_spreads",
    "share_curve",
    "signal",
    "update_cosine",
    "window_of_steps",
]
