"""A graph with its labels and who may see which of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gradprobe.data.graphs import NodeDataset, NodeSplit
from gradprobe.errors import InputError
from gradprobe.graphs.models import graph_tensors

_SPARSE = 0.1


@dataclass(frozen=True, eq=False)
class NodeData:
    """Features [n, d], directed edges [2, E], labels [n], and the node ids of four disjoint parts.

    `train` trains. `selection` chooses the epoch and the random start. `meta` is what hypergradients of
    GraGR's weights look at, apart from `selection`: weights tuned on the nodes that choose the epoch would
    flatter it. `test` is looked at once, at the end.
    """

    x: Tensor
    edge_index: Tensor
    y: Tensor
    train: Tensor
    selection: Tensor
    meta: Tensor
    test: Tensor

    @classmethod
    def of(
        cls,
        dataset: NodeDataset,
        split: NodeSplit,
        *,
        seed: int,
        normalise: bool = True,
        sparse: bool = False,
    ) -> NodeData:
        """A split whose validation nodes are halved at random into `selection` (the larger half) and `meta`.

        Every method is given the same halves; those without weights to learn leave `meta` unused. With
        `normalise`, each node's features are divided by the sum of their absolute values. With `sparse`,
        features of which less than a tenth are nonzero are kept as a sparse matrix: several times
        faster in a first layer that starts with a linear map, unknown to the others.

        Raises:
            InputError: a part without nodes, fewer than two validation nodes, or nodes without label.
        """
        parts = {"train": split.train, "validation": split.validation, "test": split.test}
        for name, nodes in parts.items():
            least = 2 if name == "validation" else 1
            if len(nodes) < least:
                raise InputError(
                    f"split.{name}: expected at least {least} nodes, got {len(nodes)}; give another split"
                )
            if (np.asarray(dataset.labels)[nodes] < 0).any():
                raise InputError(f"split.{name}: expected nodes with a label, got some of class -1")
        shuffled = np.random.default_rng(seed).permutation(split.validation)
        half = (len(shuffled) + 1) // 2
        x, edge_index, y = graph_tensors(dataset, normalise=normalise)
        if sparse and float((x != 0).double().mean()) < _SPARSE:
            x = x.to_sparse().coalesce()
        return cls(
            x=x,
            edge_index=edge_index,
            y=y,
            train=torch.tensor(split.train),
            selection=torch.tensor(np.sort(shuffled[:half])),
            meta=torch.tensor(np.sort(shuffled[half:])),
            test=torch.tensor(split.test),
        )
