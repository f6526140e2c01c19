"""A graph isomorphism network with bond features, from PyG's layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from gradprobe.encoders.features import EncoderOptions
from gradprobe.encoders.graphs import GraphBatch, GraphFeatures, molecular_graphs
from gradprobe.errors import missing_extra

if TYPE_CHECKING:
    from torch_geometric.data import Batch


class GINEOptions(EncoderOptions):
    """The size of the layers, their normalisation, and how atoms become a molecule.

    There is no batch normalisation: it would let the rows of one task enter the gradient of another.
    """

    width: int = Field(300, ge=1)
    depth: int = Field(3, ge=1)
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    norm: Literal["layer", "none"] = "layer"
    pooling: Literal["mean", "add"] = "mean"


class GINE(nn.Module):
    """PyG's `GINEConv`, normalised and pooled; a PyG batch to [b, width]."""

    def __init__(self, atom_width: int, bond_width: int, options: GINEOptions) -> None:
        super().__init__()
        try:
            from torch_geometric.nn import GINEConv, global_add_pool, global_mean_pool
        except ImportError as error:
            raise missing_extra("torch_geometric", "molecules") from error

        width = options.width
        self.width = width
        self.embed = nn.Linear(atom_width, width)
        self.convolutions = nn.ModuleList(
            GINEConv(
                nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)),
                edge_dim=bond_width,
            )
            for _ in range(options.depth)
        )
        self.norms = nn.ModuleList(
            nn.LayerNorm(width) if options.norm == "layer" else nn.Identity() for _ in range(options.depth)
        )
        self.dropout = nn.Dropout(options.dropout)
        self._pool = {"mean": global_mean_pool, "add": global_add_pool}[options.pooling]

    def forward(self, inputs: Batch) -> Tensor:
        """The representation [b, width] of b molecular graphs."""
        atoms = self.embed(inputs.x)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            mixed = convolution(atoms, inputs.edge_index, inputs.edge_attr)
            atoms = self.dropout(torch.relu(norm(mixed)))
        representation: Tensor = self._pool(atoms, inputs.batch, inputs.num_graphs)
        return representation


def featurise(smiles: Sequence[str], options: GINEOptions, cache: Path | None) -> GraphFeatures:  # noqa: ARG001
    """Molecular graphs that are batched as PyG's Batch."""
    return GraphFeatures(molecular_graphs(smiles, cache), to_pyg)


def build(options: GINEOptions, features: GraphFeatures) -> GINE:
    """A freshly initialised network."""
    return GINE(features.atom_width, features.bond_width, options)


def to_pyg(graphs: GraphBatch) -> Batch:
    """Some graphs as PyG's own batch, without its loop over molecules."""
    from torch_geometric.data import Batch

    return Batch(
        x=torch.from_numpy(graphs.atoms),
        edge_index=torch.from_numpy(graphs.ends),
        edge_attr=torch.from_numpy(graphs.bonds),
        batch=torch.from_numpy(graphs.owner),
        ptr=torch.from_numpy(graphs.first_atom),
    )
