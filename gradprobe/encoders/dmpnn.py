"""chemprop's directed message passing network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from gradprobe.encoders.features import EncoderOptions
from gradprobe.encoders.graphs import GraphBatch, GraphFeatures, molecular_graphs
from gradprobe.errors import missing_extra

if TYPE_CHECKING:
    from chemprop.data import BatchMolGraph


class DMPNNOptions(EncoderOptions):
    """The size of the message passing, and how atoms become a molecule.

    `aggregation="norm"` divides the sum over atoms by 100, as chemprop does by default.
    """

    width: int = Field(300, ge=1)
    depth: int = Field(3, ge=1)
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    aggregation: Literal["mean", "norm"] = "mean"


class DMPNN(nn.Module):
    """chemprop's `BondMessagePassing` and an aggregation; a BatchMolGraph to [b, width]."""

    def __init__(self, atom_width: int, bond_width: int, options: DMPNNOptions) -> None:
        super().__init__()
        try:
            from chemprop.nn import BondMessagePassing, MeanAggregation, NormAggregation
        except ImportError as error:
            raise missing_extra("chemprop", "molecules") from error

        self.width = options.width
        self.message_passing = BondMessagePassing(
            d_v=atom_width, d_e=bond_width, d_h=options.width, depth=options.depth, dropout=options.dropout
        )
        self.aggregation = {"mean": MeanAggregation, "norm": NormAggregation}[options.aggregation]()

    def forward(self, inputs: BatchMolGraph) -> Tensor:
        """The representation [b, width] of b molecular graphs."""
        representation: Tensor = self.aggregation(self.message_passing(inputs), inputs.batch)
        return representation


def featurise(smiles: Sequence[str], options: DMPNNOptions, cache: Path | None) -> GraphFeatures:  # noqa: ARG001
    """Molecular graphs that are batched as chemprop's BatchMolGraph."""
    return GraphFeatures(molecular_graphs(smiles, cache), to_chemprop)


def build(options: DMPNNOptions, features: GraphFeatures) -> DMPNN:
    """A freshly initialised network."""
    return DMPNN(features.atom_width, features.bond_width, options)


def to_chemprop(graphs: GraphBatch) -> BatchMolGraph:
    """Some graphs as chemprop's own batch, without its loop over molecules."""
    from chemprop.data import BatchMolGraph, MolGraph

    # The two directions of a bond are neighbours: 0 and 1, 2 and 3, ...
    reverse = np.arange(len(graphs.bonds)) ^ 1
    whole = MolGraph(graphs.atoms, graphs.bonds, graphs.ends, reverse)
    batch: Any = BatchMolGraph([whole, *[_nothing(whole)] * (len(graphs.first_atom) - 2)])
    # To chemprop, whose batch counts the graphs it was given, the first is everything and the others
    # are empty; only whose atom is whose remains to be said.
    batch.batch = torch.from_numpy(graphs.owner)
    return batch


def _nothing(like: Any) -> Any:
    """A graph without atoms."""
    return type(like)(like.V[:0], like.E[:0], like.edge_index[:, :0], like.rev_edge_index[:0])
