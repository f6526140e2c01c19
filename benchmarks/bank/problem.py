"""One problem: its table, its network, and the actions that compete on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray
FOCAL = "focal"
AVERAGE = "average"
POPULATION = 2000


@dataclass(frozen=True)
class Choice:
    """An action: `factors` [m] on averaging's weights, or the name of a combiner that sets them."""

    name: str
    factors: tuple[float, ...] = ()
    combiner: str = ""


@dataclass(frozen=True)
class Recipe:
    """What a family draws for a problem; lists run over tasks, the focal one first.

    `teachers` [m, r] weigh r features `tanh(u x)` of the inputs, `linear` [m] one linear direction. `rows`
    count the labels of each task's table, `noise` is the standard deviation of their errors, `scale` a factor
    on the labels. `hidden` is the trunk's width. Where `apart`, the focal task has hidden units of its own,
    so that no action has any effect. Where `own_order`, every action draws its own order of minibatches,
    so that trainings differ by chance even then.
    """

    teachers: Array
    linear: Array
    rows: tuple[int, ...]
    noise: tuple[float, ...]
    scale: tuple[float, ...]
    hidden: int
    inputs: int = 10
    batch: int = 16
    rate: float = 1e-2
    apart: bool = False
    own_order: bool = False


@dataclass(frozen=True)
class Problem:
    """A named problem of a family; `number` seeds its table. `null` where no action has a true effect."""

    family: str
    number: int
    recipe: Recipe

    @property
    def name(self) -> str:
        """Family and number."""
        return f"{self.family} {self.number}"

    @property
    def null(self) -> bool:
        """Whether no action has a true effect."""
        return self.recipe.apart

    @property
    def tasks(self) -> tuple[str, ...]:
        """Their names, the focal one first."""
        return (FOCAL, *(f"aux{k}" for k in range(1, len(self.recipe.rows))))

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Averaging first: then shares, the focal task alone, each auxiliary left out, and two combiners."""
        size = len(self.tasks)
        ones = np.ones(size)
        found = [Choice(AVERAGE, tuple(ones))]
        for share in (0.5, 0.8):
            factor = (1.0 - share) / (size - 1) / share
            found.append(Choice(f"focal share {share:g}", (1.0, *([factor] * (size - 1)))))
        found.append(Choice("focal alone", (1.0, *([0.0] * (size - 1)))))
        for task in range(1, size):
            kept = ones.copy()
            kept[task] = 0.0
            found.append(Choice(f"drop {self.tasks[task]}", tuple(kept)))
        found += [Choice(name, combiner=name) for name in ("pcgrad", "rcgrad")]
        return tuple(found)

    def table(self) -> Table:
        """The labelled rows of every task, and the population that the truth is of."""
        recipe = self.recipe
        rng = np.random.default_rng([7, _number(self.family), self.number])
        features = rng.normal(size=(recipe.inputs, recipe.teachers.shape[1])) * 1.5 / np.sqrt(recipe.inputs)
        direction = rng.normal(size=recipe.inputs) / np.sqrt(recipe.inputs)

        def labels(inputs: Array, task: int) -> Array:
            nonlinear = np.tanh(inputs @ features) @ recipe.teachers[task]
            return nonlinear + recipe.linear[task] * (inputs @ direction)

        inputs = [rng.normal(size=(rows, recipe.inputs)) for rows in recipe.rows]
        noisy = [
            (labels(x, task) + recipe.noise[task] * rng.normal(size=len(x))) * recipe.scale[task]
            for task, x in enumerate(inputs)
        ]
        population = rng.normal(size=(POPULATION, recipe.inputs))
        return Table(tuple(inputs), tuple(noisy), population, labels(population, 0) * recipe.scale[0])


@dataclass(frozen=True)
class Table:
    """Inputs and labels of each task, and noise-free focal labels of rows that nobody trains on."""

    inputs: tuple[Array, ...]
    labels: tuple[Array, ...]
    population: Array
    truth: Array


def _number(text: str) -> int:
    return sum(ord(letter) * 31**place for place, letter in enumerate(text)) % 2**31
