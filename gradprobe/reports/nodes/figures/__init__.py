"""The figures of the report of node methods: one a file, and its line here."""

from __future__ import annotations

from types import MappingProxyType

from gradprobe.reports.nodes.figures import (
    ablation,
    alignment,
    attention,
    curves,
    degree,
    differences,
    embedding,
    energy,
    trajectories,
)

__all__ = ["FIGURES"]

# Each module has `draw(summary)`, None where there is nothing to draw, and `describe(summary)`.
FIGURES = MappingProxyType(
    {
        "differences": differences,
        "curves": curves,
        "starts": trajectories,
        "ablation": ablation,
        "energy": energy,
        "embedding": embedding,
        "degree": degree,
        "alignment": alignment,
        "attention": attention,
    }
)
