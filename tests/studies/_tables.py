"""A small table of real molecules with labels that a model can learn."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from gradprobe.studies import StudyConfig, make_config

ENDS = ("O", "N", "Cl", "Br", "C=O", "C#N", "OC", "S", "C(=O)O", "c1ccccc1")


def molecules() -> list[str]:
    """A hundred and twenty distinct SMILES: chains of one to twelve carbons with ten different ends."""
    return ["C" * length + end for length, end in product(range(1, 13), ENDS)]


def write_table(path: Path) -> Path:
    """Three tasks on overlapping molecules: two regressions and a classification."""
    smiles = molecules()
    size = np.array([len(text) for text in smiles], dtype=float)
    kind = np.array(
        [ENDS.index(text.lstrip("C") or "C") if text.lstrip("C") in ENDS else 4 for text in smiles]
    )
    noise = np.random.default_rng(0).normal(size=(len(smiles), 2))
    frame = pd.DataFrame(
        {
            "smiles": smiles,
            "boiling": size + 0.1 * noise[:, 0],
            "polar": -size + kind + 0.1 * noise[:, 1],
            "long": (size > 7).astype(float),
        }
    )
    frame.loc[::3, "boiling"] = np.nan
    frame.to_csv(path, index=False)
    return path


def small_config(table: Path, **changes: object) -> StudyConfig:
    """Two combiners and two seeds of a tiny network for two epochs."""
    options: dict[str, object] = {
        "table": str(table),
        "focal": "boiling",
        "encoders": ("mlp",),
        "combiners": ("average", "pcgrad"),
        "seeds": 2,
        "epochs": 2,
        "batch_size": 16,
        "probe_every": 2,
        "encoder_options": {"mlp": {"width": 8, "depth": 1}},
    }
    return make_config(**(options | changes))
