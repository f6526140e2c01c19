"""The study of `gradprobe demo`: small enough for two cores and a coffee."""

from __future__ import annotations

from gradprobe.studies.config import StudyConfig, make_config


def demo_config() -> StudyConfig:
    """Flash point, short of data, with the other measured properties of organics as auxiliaries."""
    return make_config(
        table="physchem",
        focal="flash_point",
        encoders=("mlp", "dmpnn"),
        combiners=("average", "pcgrad", "rcgrad"),
        seeds=3,
        epochs=6,
        encoder_options={"mlp": {"width": 256}, "dmpnn": {"width": 64}},
        probe_every=4,
        heldout_every=2,
        probe_rows=200,
    )
