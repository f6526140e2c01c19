"""The figures of a report: one a file, and its line here."""

from gradprobe.reports.figures import (
    conflict,
    corrected,
    cosines,
    differences,
    layers,
    leverage,
    norm_ratios,
    overlap,
    pairs,
    rank,
    scores,
)
from gradprobe.reports.figures.plate import Plate

PLATES: tuple[Plate, ...] = (
    Plate("cosines", cosines.draw, cosines.describe),
    Plate("corrected", corrected.draw, corrected.describe),
    Plate("layers", layers.draw, layers.describe),
    Plate("pairs", pairs.draw, pairs.describe),
    Plate("effective_rank", rank.draw, rank.describe),
    Plate("overlap", overlap.draw, overlap.describe),
    Plate("norm_ratios", norm_ratios.draw, norm_ratios.describe),
    Plate("conflict", conflict.draw, conflict.describe),
    Plate("scores", scores.draw, scores.describe),
    Plate("differences", differences.draw, differences.describe),
    Plate("leverage", leverage.draw, leverage.describe),
)

__all__ = ["PLATES", "Plate"]
