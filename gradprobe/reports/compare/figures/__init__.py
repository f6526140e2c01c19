"""The figures of a report: one a file, and its line here."""

from gradprobe.reports.compare.figures import (
    affinities,
    batch_size,
    conflict,
    corrected,
    corrected_heat,
    cosines,
    differences,
    focal_weight,
    gains,
    layers,
    leverage,
    norm_ratios,
    overlap,
    pairs,
    rank,
    scores,
)
from gradprobe.reports.compare.figures.plate import Plate

PLATES: tuple[Plate, ...] = (
    Plate("cosines", cosines.draw, cosines.describe),
    Plate("corrected", corrected.draw, corrected.describe),
    Plate("corrected_layers", corrected_heat.draw_layers, corrected_heat.describe_layers),
    Plate("corrected_pairs", corrected_heat.draw_pairs, corrected_heat.describe_pairs),
    Plate("batch_size", batch_size.draw, batch_size.describe),
    Plate("layers", layers.draw, layers.describe),
    Plate("pairs", pairs.draw, pairs.describe),
    Plate("effective_rank", rank.draw, rank.describe),
    Plate("overlap", overlap.draw, overlap.describe),
    Plate("norm_ratios", norm_ratios.draw, norm_ratios.describe),
    Plate("conflict", conflict.draw, conflict.describe),
    Plate("scores", scores.draw, scores.describe),
    Plate("differences", differences.draw, differences.describe),
    Plate("gains", gains.draw, gains.describe),
    Plate("focal_weight", focal_weight.draw, focal_weight.describe),
    Plate("affinities", affinities.draw, affinities.describe),
    Plate("leverage", leverage.draw, leverage.describe),
)

__all__ = ["PLATES", "Plate"]
