"""Windows that go round a table of molecules, itself drawn from a population whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from _populations import COSINES

from gradprobe.geometry import FloatArray, FoldProducts, Influences


@dataclass(frozen=True)
class Cycling:
    """`steps` of `batch` molecules out of `number`, shuffled anew for every pass.

    Rows are their task's mean gradient of length `signal` plus heavy-tailed noise, most of it shared by a
    molecule's tasks. A part `twins` of the molecules stands in the table twice; with `series`, half of the
    noise belongs to one of so many chemical series instead of the molecule. `cosines` [m, m] are the tasks'.
    """

    name: str
    steps: int
    number: int = 163
    batch: int = 16
    signal: float = 1.0
    twins: float = 0.0
    series: int = 0
    width: int = 20
    cosines: FloatArray | None = None

    @property
    def products(self) -> FloatArray:
        """The population's inner products [m, m]."""
        cosines = COSINES if self.cosines is None else self.cosines
        return self.signal**2 * cosines

    def draw(self, rng: np.random.Generator) -> tuple[FoldProducts, Influences, int]:
        """Folds of a window, the influence of each row on focal pairs, and how many clusters there are."""
        rows, cluster = self._table(rng)
        gradients, members = [], []
        while len(gradients) < self.steps:
            for batch in np.array_split(rng.permutation(self.number), -(-self.number // self.batch)):
                order = rng.permutation(batch)
                half = len(order) // 2 + (len(order) % 2) * int(rng.integers(2))
                members.append((order[:half], order[half:]))
                gradients.append([rows[chosen].mean(axis=0) for chosen in members[-1]])
        folds = _folds(np.array(gradients[: self.steps]), members[: self.steps])
        changes = [_leaving_out(rows, gradients[s], members[s]) for s in range(self.steps)]
        influences = Influences(
            np.repeat(np.arange(self.steps), [len(change) for change in changes]),
            np.concatenate([cluster[np.concatenate(m)] for m in members[: self.steps]]),
            np.concatenate(changes),
        )
        return folds, influences, int(np.unique(cluster).size)

    def _table(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        tasks = len(self.products)
        means = np.zeros((tasks, self.width))
        means[:, :tasks] = np.linalg.cholesky(self.products + 1e-12 * np.eye(tasks))
        common = rng.normal(size=(self.number, 1, self.width)) * rng.standard_t(5, size=(self.number, 1, 1))
        own = rng.normal(size=(self.number, tasks, self.width)) * rng.standard_t(
            5, size=(self.number, tasks, 1)
        )
        noise, cluster = common + 0.5 * own, np.arange(self.number)
        if self.twins:
            number = int(self.twins * self.number / 2)
            noise[-number:], cluster[-number:] = noise[:number], cluster[:number]
        if self.series:
            cluster = rng.integers(0, self.series, size=self.number)
            shared = rng.normal(size=(self.series, tasks, self.width)) * np.sqrt(5 / 3 * 1.25)
            noise = np.sqrt(0.5) * (noise + shared[cluster])
        return means + noise, cluster


def _folds(gradients: FloatArray, members: list[tuple[FloatArray, FloatArray]]) -> FoldProducts:
    """Products of fold gradients [t, 2, m, d]."""
    steps, _, tasks, width = gradients.shape
    flat = gradients.reshape(steps, 2 * tasks, width)
    values = (flat @ flat.transpose(0, 2, 1)).reshape(steps, 2, tasks, 2, tasks).transpose(0, 1, 3, 2, 4)
    rows = np.array([[[float(len(fold))] * tasks for fold in folds] for folds in members])
    return FoldProducts(tuple(f"t{k}" for k in range(tasks)), values, rows)


def _leaving_out(
    rows: FloatArray, gradients: list[FloatArray], members: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """What each row of a step would change [b, m - 1, 3] of the focal task's products across folds."""
    found = []
    for own, other, chosen in ((0, 1, members[0]), (1, 0, members[1])):
        moved = (gradients[own] - rows[chosen]) / max(len(chosen) - 1, 1)
        far = gradients[other]
        focal = moved[:, 0] @ far[1:].T + moved[:, 1:] @ far[0]
        squares = 2.0 * np.einsum("bmd,md->bm", moved, far)
        found.append(np.stack([focal, np.repeat(squares[:, :1], focal.shape[1], 1), squares[:, 1:]], axis=-1))
    return np.concatenate(found)
