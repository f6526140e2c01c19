"""Nine families of 24 problems. Every third keeps its focal task apart, so that nothing has an effect.

The rules here were written before any policy was valued on the bank.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .problem import Array, Problem, Recipe

EACH = 24
FEATURES = 6


def problems() -> tuple[Problem, ...]:
    """All of them, family by family."""
    return tuple(problem(family, number) for family in FAMILIES for number in range(EACH))


def problem(family: str, number: int) -> Problem:
    """One problem, drawn from its family and number alone."""
    rng = np.random.default_rng([3, list(FAMILIES).index(family), number])
    recipe = FAMILIES[family](rng)
    changes = {"apart": number % 3 == 0, "own_order": bool(number % 2)}
    return Problem(family, number, Recipe(**{**recipe, **changes}))


def _helpful(rng: np.random.Generator) -> dict[str, object]:
    """Few focal rows, auxiliaries that learn nearly the same function from many."""
    own = _teacher(rng)
    near = rng.uniform(0.1, 0.5)
    return _recipe(rng, [own, *(own + near * _teacher(rng) for _ in range(3))], focal=rng.integers(40, 70))


def _irrelevant(rng: np.random.Generator) -> dict[str, object]:
    """Functions that have nothing to do with the focal one, and room for all."""
    return _recipe(rng, [_teacher(rng) for _ in range(4)], hidden=32, split=True)


def _crowded(rng: np.random.Generator) -> dict[str, object]:
    """The same in a trunk too narrow for all."""
    hidden = int(rng.integers(3, 6))
    return _recipe(rng, [_teacher(rng) for _ in range(5)], hidden=hidden, split=True, focal=200)


def _mixed(rng: np.random.Generator) -> dict[str, object]:
    """One auxiliary helps, one harms in a narrow trunk, one does neither much."""
    own, other = _teacher(rng), _teacher(rng)
    tasks = [own, own + 0.2 * _teacher(rng), other, 0.2 * _teacher(rng)]
    scale = (1.0, 1.0, float(rng.uniform(3.0, 8.0)), 1.0)
    return _recipe(rng, tasks, hidden=5, focal=rng.integers(50, 90), scale=scale, split=[2])


def _loud(rng: np.random.Generator) -> dict[str, object]:
    """Labels of auxiliaries in other units: their gradients are ten to hundred times as long."""
    own = _teacher(rng)
    loud = float(rng.uniform(5.0, 20.0))
    tasks = [own, _teacher(rng), own + _teacher(rng)]
    return _recipe(rng, tasks, scale=(1.0, loud, 1.0), hidden=8)


def _noisy(rng: np.random.Generator) -> dict[str, object]:
    """Auxiliaries whose labels are mostly error."""
    own = _teacher(rng)
    noise = (0.3, *rng.uniform(2.0, 6.0, size=3))
    return _recipe(rng, [own, *(0.3 * _teacher(rng) for _ in range(3))], noise=noise)


def _early_conflict(rng: np.random.Generator) -> dict[str, object]:
    """The coarse part of two auxiliaries is opposite, the fine part is shared."""
    own = _teacher(rng)
    tasks = [own, *(own + 0.2 * _teacher(rng) for _ in range(2)), _teacher(rng)]
    linear = [1.5, -1.5, -1.0, 0.0]
    return _recipe(rng, tasks, linear=linear, focal=rng.integers(50, 90))


def _late_conflict(rng: np.random.Generator) -> dict[str, object]:
    """The coarse part is shared, the fine part is opposite in a narrow trunk."""
    own = _teacher(rng)
    tasks = [own, *(-own + 0.2 * _teacher(rng) for _ in range(2)), _teacher(rng)]
    return _recipe(rng, tasks, linear=[1.5, 1.5, 1.5, 0.0], hidden=int(rng.integers(4, 8)))


def _many(rng: np.random.Generator) -> dict[str, object]:
    """Seven auxiliaries, each a little noise: under Adam they shorten the focal task's steps."""
    own = _teacher(rng)
    tasks = [own, *(0.5 * _teacher(rng) for _ in range(7))]
    return _recipe(rng, tasks, noise=(0.3, *[float(rng.uniform(0.5, 2.0))] * 7), hidden=24, rate=3e-3)


FAMILIES: dict[str, Callable[[np.random.Generator], dict[str, object]]] = {
    "helpful": _helpful,
    "irrelevant": _irrelevant,
    "crowded": _crowded,
    "mixed": _mixed,
    "loud": _loud,
    "noisy": _noisy,
    "early conflict": _early_conflict,
    "late conflict": _late_conflict,
    "many": _many,
}


def _teacher(rng: np.random.Generator) -> Array:
    weights = rng.normal(size=FEATURES)
    return weights / np.linalg.norm(weights)


def _recipe(
    rng: np.random.Generator,
    teachers: list[Array],
    *,
    focal: int = 120,
    hidden: int = 16,
    noise: tuple[float, ...] | None = None,
    scale: tuple[float, ...] | None = None,
    linear: list[float] | None = None,
    rate: float = 1e-2,
    split: bool | list[int] = False,
) -> dict[str, object]:
    """The tasks on common features; those to `split` off have features that the focal task does not use."""
    size = len(teachers)
    own = [task for task in range(1, size) if split is True or (split and task in split)]
    placed = np.zeros((size, 2 * FEATURES))
    for task, weights in enumerate(teachers):
        start = FEATURES if task in own else 0
        placed[task, start : start + FEATURES] = 2.0 * weights
    return {
        "teachers": placed,
        "linear": np.array(linear or [0.0] * size),
        "rows": (int(focal), *(int(n) for n in rng.integers(120, 240, size=size - 1))),
        "noise": noise or (0.5,) * size,
        "scale": scale or (1.0,) * size,
        "hidden": hidden,
        "rate": rate,
    }
