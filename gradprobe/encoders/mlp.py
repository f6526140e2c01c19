"""A multi-layer perceptron on fingerprints or descriptors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from gradprobe.encoders.descriptors import DescriptorFeatures, descriptor_features
from gradprobe.encoders.features import EncoderOptions
from gradprobe.encoders.fingerprints import MorganFeatures, morgan_features


class MLPOptions(EncoderOptions):
    """Which features enter, and the size of the layers on top of them."""

    features: Literal["morgan", "rdkit2d"] = "morgan"
    width: int = Field(512, ge=1)
    depth: int = Field(2, ge=1)
    dropout: float = Field(0.0, ge=0.0, lt=1.0)


class MLP(nn.Module):
    """Layers of a linear map, ReLU and dropout; inputs [b, k] to a representation [b, width]."""

    def __init__(self, inputs: int, *, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        sizes = [inputs] + [width] * depth
        self.layers = nn.Sequential(
            *(nn.Sequential(nn.Linear(size, width), nn.ReLU(), nn.Dropout(dropout)) for size in sizes[:-1])
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """The representation [b, width] of features [b, k]."""
        representation: Tensor = self.layers(inputs)
        return representation


def featurise(
    smiles: Sequence[str], options: MLPOptions, cache: Path | None
) -> MorganFeatures | DescriptorFeatures:
    """Fingerprints or descriptors, as the options say."""
    if options.features == "morgan":
        return morgan_features(smiles, cache)
    return descriptor_features(smiles, cache)


def build(options: MLPOptions, features: MorganFeatures | DescriptorFeatures) -> MLP:
    """A freshly initialised perceptron for fitted features."""
    return MLP(features.width, width=options.width, depth=options.depth, dropout=options.dropout)
