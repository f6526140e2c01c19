"""A tanh trunk with a linear head a task, for several seeds at once, with its gradients by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .problem import Array


@dataclass
class Network:
    """Parameters of s networks: `trunk` [s, d + 1, h], the last row its bias, and `heads` [s, h + 1, m].

    `mask` [h, m] is 0 where a head must not read a hidden unit.
    """

    trunk: Array
    heads: Array
    mask: Array

    @classmethod
    def start(cls, seeds: Array, *, inputs: int, hidden: int, tasks: int, apart: bool) -> Network:
        """Networks at their initial parameters, drawn from each seed."""
        trunk, heads = [], []
        for seed in seeds:
            rng = np.random.default_rng([11, int(seed)])
            trunk.append(rng.normal(size=(inputs + 1, hidden)) / np.sqrt(inputs))
            heads.append(0.5 * rng.normal(size=(hidden + 1, tasks)) / np.sqrt(hidden))
        mask = np.ones((hidden, tasks))
        if apart:
            units = max(hidden // 2, 1)
            mask[:units, 1:] = 0.0
            mask[units:, 0] = 0.0
        found = cls(np.stack(trunk), np.stack(heads), mask)
        found.heads[:, -1] = 0.0
        return found

    def predict(self, inputs: Array, task: int) -> Array:
        """Predictions [s, n] of a task for inputs [n, d] or [s, n, d]."""
        hidden = np.tanh(inputs @ self.trunk[:, :-1] + self.trunk[:, None, -1])
        weights = self.heads[:, :-1, task] * self.mask[:, task]
        return (hidden @ weights[..., None])[..., 0] + self.heads[:, -1, task, None]

    def gradients(self, inputs: Array, labels: Array) -> tuple[Array, Array]:
        """Gradients of each task's mean squared error on its own rows.

        For inputs [s, m, b, d] and labels [s, m, b]: of the trunk [s, m, d + 1, h], and of the heads
        [s, h + 1, m], to which every task contributes its own column.
        """
        seeds, tasks, rows, width = inputs.shape
        hidden = np.tanh((inputs.reshape(seeds, -1, width) @ self.trunk[:, :-1]) + self.trunk[:, None, -1])
        hidden = hidden.reshape(seeds, tasks, rows, -1)
        weights = (self.heads[:, :-1] * self.mask).transpose(0, 2, 1)
        outputs = (hidden @ weights[..., None])[..., 0] + self.heads[:, -1, :, None]
        errors = 2.0 * (outputs - labels) / rows
        own = (errors[:, :, None, :] @ hidden)[:, :, 0] * self.mask.T
        heads = np.concatenate([own.transpose(0, 2, 1), errors.sum(axis=2)[:, None]], axis=1)
        back = errors[..., None] * weights[:, :, None, :] * (1.0 - hidden**2)
        trunk = np.concatenate([inputs.transpose(0, 1, 3, 2) @ back, back.sum(axis=2, keepdims=True)], axis=2)
        return trunk, heads

    def copy(self) -> Network:
        """The same parameters, apart."""
        return Network(self.trunk.copy(), self.heads.copy(), self.mask)


@dataclass
class Adam:
    """Adam on a list of arrays, in place (Kingma & Ba 2015)."""

    rate: float
    first: list[Array]
    second: list[Array]
    steps: int = 0

    @classmethod
    def of(cls, parameters: list[Array], rate: float) -> Adam:
        """Before the first step."""
        return cls(rate, [np.zeros_like(p) for p in parameters], [np.zeros_like(p) for p in parameters])

    def step(self, parameters: list[Array], gradients: list[Array]) -> None:
        """One step."""
        self.steps += 1
        ahead = self.rate * np.sqrt(1.0 - 0.999**self.steps) / (1.0 - 0.9**self.steps)
        for place, gradient in enumerate(gradients):
            self.first[place] *= 0.9
            self.first[place] += 0.1 * gradient
            self.second[place] *= 0.999
            self.second[place] += 0.001 * gradient * gradient
            parameters[place] -= ahead * self.first[place] / (np.sqrt(self.second[place]) + 1e-8)

    def diagonal(self, place: int) -> Array:
        """The diagonal by which the coming step multiplies a gradient, as of the last one."""
        return 1.0 / (np.sqrt(self.second[place] / (1.0 - 0.999**self.steps)) + 1e-8)
