"""Anchors: gradients of disjoint parts of the training items, taken once and kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from gradprobe.errors import InputError
from gradprobe.geometry import FloatArray
from gradprobe.graphs.editing.classifier import Classifier


@dataclass(frozen=True, eq=False)
class Anchors:
    """Gradients [K, P] of the mean losses of K disjoint parts of `counts` [K] training items."""

    gradients: Tensor
    counts: tuple[int, ...]

    @cached_property
    def whole(self) -> Anchors:
        """One anchor of all their items: the mean of the gradients, weighted by their counts."""
        shares = torch.tensor(self.counts, dtype=self.gradients.dtype, device=self.gradients.device)
        return Anchors((shares / shares.sum() @ self.gradients)[None], (sum(self.counts),))

    @cached_property
    def gramian(self) -> FloatArray:
        """Inner products [K, K] of the gradients."""
        return np.stack([self.products(row) for row in self.gradients])

    def products(self, vector: Tensor) -> FloatArray:
        """Inner products [K] with a vector [P], in float64 one by one: no second copy of all anchors."""
        wide = vector.double()
        return np.array([float(row.double() @ wide) for row in self.gradients])

    def cosines(self, vector: Tensor) -> FloatArray:
        """Cosines [K] with a vector [P]; NaN where either is zero."""
        lengths = np.sqrt(np.diagonal(self.gramian)) * float(vector.double().norm())
        undefined = np.full(len(lengths), np.nan)
        return np.asarray(np.divide(self.products(vector), lengths, out=undefined, where=lengths > 0.0))

    @property
    def bytes(self) -> int:
        """The memory of the stored gradients, K P numbers and P for the whole."""
        size = self.gradients.element_size()
        return (self.gradients.numel() + self.gradients.shape[-1]) * size


def take_anchors(classifier: Classifier, parts: tuple[Tensor, ...]) -> Anchors:
    """The gradient of the mean loss of each part, in the mode the model is in: K backward passes.

    Raises:
        MeasurementError: a gradient is NaN or infinite.
    """
    rows = [classifier.gradient(classifier.loss(part)) for part in parts]
    return Anchors(torch.stack(rows), tuple(len(part) for part in parts))


def split_training(train: Tensor, labels: Tensor, *, count: int, seed: int = 0) -> tuple[Tensor, ...]:
    """`count` disjoint parts of the training ids [t] that cover them, alike in size and classes.

    `labels` [t] are the classes of those ids. Ids are shuffled within their class by the seed and dealt
    out in turn, so sizes differ by at most one and so do the counts of each class. (Released code cuts
    the ids where they stand, and node order often follows class.)

    Raises:
        InputError: fewer training items than parts.
    """
    if not 1 <= count <= len(train):
        raise InputError(
            f"anchors: expected from 1 to {len(train)} parts of as many training items, got {count}"
        )
    shuffled = np.random.default_rng(seed).permutation(len(train))
    classes = labels.cpu().numpy()[shuffled]
    dealt = torch.from_numpy(shuffled[np.argsort(classes, kind="stable")]).to(train.device)
    return tuple(train[dealt[start::count]] for start in range(count))
