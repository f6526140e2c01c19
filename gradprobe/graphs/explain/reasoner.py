"""The Reasoner, eq. (16): from a node's gradient features to an embedding that joins its logits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from gradprobe.errors import InputError
from gradprobe.geometry.gramian import BoolArray, FloatArray
from gradprobe.geometry.graph import FEATURES


@dataclass(frozen=True, eq=False)
class Standardisation:
    """Means [k] and scales [k] of the features over the training nodes where they are defined.

    The features span several powers of ten. A feature without spread, or nowhere defined, has scale 1, so
    that it becomes 0 on the training nodes and stays finite on others.
    """

    mean: FloatArray
    scale: FloatArray

    @classmethod
    def of(cls, features: FloatArray, train: npt.NDArray[np.integer]) -> Standardisation:
        """From the features [n, k] (NaN: undefined) of the training nodes only.

        Raises:
            InputError: no training node.
        """
        if train.size == 0:
            raise InputError("train: expected at least one training node to standardise on, got none")
        rows = features[train]
        low, high = np.fmin.reduce(rows), np.fmax.reduce(rows)
        spread = low < high
        known = ~np.isnan(rows)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, rows, 0.0).sum(axis=0) / count
        deviation = np.sqrt((np.where(known, rows - mean, 0.0) ** 2).sum(axis=0) / count)
        # Where all values are one, it is the mean to the last bit, and the deviation is no rounding error.
        return cls(np.where(spread, mean, np.nan_to_num(low)), np.where(spread, deviation, 1.0))

    def apply(self, features: FloatArray) -> FloatArray:
        """The features [n, k] in units of the training nodes' spread; 0, their mean, where undefined."""
        return np.nan_to_num((features - self.mean) / self.scale, nan=0.0)


class Reasoner(nn.Module):
    """The two-layer perceptron of eq. (16): e_v = W2 relu(W1 c_v + b1) + b2, for context vectors [n, 6].

    W2 and b2 start at zero, so that a model that e_v is added to starts as it was.
    """

    def __init__(self, outputs: int, *, width: int = 16, seed: int) -> None:
        super().__init__()
        for name, size in (("outputs", outputs), ("width", width)):
            if size < 1:
                raise InputError(f"{name}: expected a number of at least 1, got {size}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.first = nn.Linear(len(FEATURES), width)
            self.second = nn.Linear(width, outputs)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, context: Tensor) -> Tensor:
        """Embeddings [n, outputs] of standardised context vectors [n, 6]."""
        embedded: Tensor = self.second(torch.relu(self.first(context)))
        return embedded


class ReasonedModel(nn.Module):
    """A node model whose logits have the Reasoner's embedding added to them: the paper's auxiliary signal.

    The features of a step are known only after its backward pass. `remember` keeps them, detached, for the
    forward passes that follow, evaluation included; before the first call nothing is added. They come from
    the training loss alone, so no held-out label is in them; they do show a model which nodes were trained
    on, because only those and their surroundings have gradients. A state_dict holds them too; it loads into
    a model that has remembered features of the same graph.
    """

    context: Tensor | None

    def __init__(self, model: nn.Module, reasoner: Reasoner) -> None:
        super().__init__()
        self.model = model
        self.reasoner = reasoner
        self.register_buffer("context", None)

    def remember(self, features: FloatArray, defined: BoolArray, train: npt.NDArray[np.integer]) -> None:
        """Keep the context vectors [n, 6] of this step, standardised on the training nodes."""
        known = np.where(defined, features, np.nan)
        standard = Standardisation.of(known, train).apply(known)
        weight = self.reasoner.first.weight
        self.context = torch.tensor(standard, dtype=weight.dtype, device=weight.device)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Logits [n, classes] of features [n, d] and directed edges [2, E]."""
        logits: Tensor = self.model(x, edge_index)
        return logits if self.context is None else logits + self.reasoner(self.context)
