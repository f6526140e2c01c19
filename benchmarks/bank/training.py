"""Training an action on a problem for several seeds at once, and probing averaging's run of one seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradprobe import combiners
from gradprobe.geometry import Gramian, Group, SecondMoments
from gradprobe.trace import GramianRecord, Trace, TraceHeader

from .network import Adam, Network
from .problem import AVERAGE, FOCAL, Array, Choice, Problem

STEPS = 400
EVERY_EVALUATION = 10
# What a probed training costs, in trainings (docs/results.md: 1.04 at one step in ten).
PROBE_COST = 1.1


@dataclass(frozen=True)
class Trained:
    """Results [s] of trainings, each at its best validation step.

    `risk` is the true excess risk of the focal task, `judged` its mean squared error on rows that neither
    trained nor stopped it. `cost` counts full trainings.
    """

    risk: Array
    judged: Array
    validation: Array
    best: Array
    cost: float


@dataclass(frozen=True)
class Probed:
    """A probed averaging run: its trace, its learning rate, its result, and products under own moments.

    `own_moments` [t, 1 + a, m] are `<g_i, D_c g_H>` for averaging and each other choice with fixed factors,
    in the order of `candidates`.
    """

    trace: Trace
    result: Trained
    rate: float
    own_moments: Array
    candidates: tuple[str, ...]


def train(problem: Problem, choice: Choice, seeds: Array, *, steps: int = STEPS) -> Trained:
    """Train a choice with each seed; every choice has the same number of steps, and its own best one."""
    return _run(problem, choice, np.asarray(seeds), steps)


def probed(problem: Problem, seed: int, *, steps: int = STEPS, every: int = 5) -> Probed:
    """Train averaging with one seed, and measure one step in `every`."""
    probe = _Probe(problem, every, steps)
    result = _run(problem, problem.choices[0], np.array([seed]), steps, probe)
    return Probed(
        probe.trace,
        Trained(result.risk, result.judged, result.validation, result.best, result.cost * PROBE_COST),
        problem.recipe.rate,
        np.array(probe.products),
        tuple(choice.name for choice in probe.candidates[1:]),
    )


def _run(problem: Problem, choice: Choice, seeds: Array, steps: int, probe: _Probe | None = None) -> Trained:
    recipe, table = problem.recipe, problem.table()
    parts = [_split(len(table.labels[0]), problem, int(seed)) for seed in seeds]
    size = len(recipe.rows)
    network = Network.start(seeds, inputs=recipe.inputs, hidden=recipe.hidden, tasks=size, apart=recipe.apart)
    optimizer = Adam.of([network.trunk, network.heads], recipe.rate)
    inputs, labels = _batches(problem, table, parts, seeds, choice, steps)
    held = [np.stack([values[part[kind]] for part in parts]) for kind in (1, 2)
            for values in (table.inputs[0], table.labels[0])]  # fmt: skip
    combiner = combiners.get(choice.combiner) if choice.combiner else None
    factors = np.array(choice.factors or np.ones(size)) / size
    best, at = np.full(len(seeds), np.inf), np.zeros(len(seeds), dtype=int)
    kept = network.copy()
    for step in range(steps):
        trunk, heads = network.gradients(inputs[:, step], labels[:, step])
        if probe is not None:
            probe.look(
                step, network, optimizer, inputs[0, step], labels[0, step], trunk[0], held[0][0], held[1][0]
            )
        weights = factors if combiner is None else _combined(combiner, trunk)
        update = (np.broadcast_to(weights, trunk.shape[:2])[:, :, None, None] * trunk).sum(axis=1)
        optimizer.step([network.trunk, network.heads], [update, heads])
        if (step + 1) % EVERY_EVALUATION == 0:
            scores = np.mean((network.predict(held[0], 0) - held[1]) ** 2, axis=1)
            better = scores < best
            best, at = np.where(better, scores, best), np.where(better, step, at)
            kept.trunk[better], kept.heads[better] = network.trunk[better], network.heads[better]
    risk = np.mean((kept.predict(table.population, 0) - table.truth) ** 2, axis=1)
    judged = np.mean((kept.predict(held[2], 0) - held[3]) ** 2, axis=1)
    return Trained(risk, judged, best, at, len(seeds) * steps / STEPS)


class _Probe:
    """Measures averaging's run of one seed into a trace, plain and with Adam's diagonal."""

    def __init__(self, problem: Problem, every: int, steps: int) -> None:
        recipe = problem.recipe
        self._tasks, self._every, self._steps = problem.tasks, every, steps
        self._parameters = (recipe.inputs + 1) * recipe.hidden
        self._folds = np.random.default_rng([13, problem.number])
        self._judges = np.random.default_rng([17, problem.number])
        self.candidates = tuple(choice for choice in problem.choices if choice.factors)
        self._weights = np.array([choice.factors for choice in self.candidates]) / len(problem.tasks)
        self._moments = SecondMoments.start(len(self.candidates), self._parameters, every=every)
        self.products: list[Array] = []
        self.trace = Trace(
            None,
            TraceHeader(
                focal=FOCAL,
                tasks=problem.tasks,
                layers=("trunk",),
                parameters=(self._parameters,),
                every=every,
            ),
        )

    def look(
        self, step: int, network: Network, optimizer: Adam, inputs: Array, labels: Array, whole: Array,
        held: Array, judged: Array,
    ) -> None:  # fmt: skip
        """Measure a step on its own batch [m, b, d], folded, and on up to 16 held-out focal rows."""
        if step % self._every or optimizer.steps == 0:
            return
        tasks, rows = labels.shape
        order = self._folds.permutation(rows)
        gradients, groups = [], []
        for fold, chosen in (("A", order[: rows // 2]), ("B", order[rows // 2 :])):
            part, _ = network.gradients(inputs[None, :, chosen], labels[None, :, chosen])
            gradients += list(part[0].reshape(tasks, -1))
            groups += [Group(task, fold) for task in self._tasks]
        rest = self._judges.permutation(len(judged))[:16]
        shape = (1, tasks, len(rest), inputs.shape[-1])
        own, _ = network.gradients(
            np.broadcast_to(held[rest], shape), np.broadcast_to(judged[rest], shape[:3])
        )
        heldout = own[0, 0].reshape(-1)
        jacobian = np.stack([*gradients, heldout])
        counts = (rows // 2,) * tasks + (rows - rows // 2,) * tasks + (len(rest),)
        diagonal = optimizer.diagonal(0)[0].reshape(-1)
        for geometry, scaled in (("plain", jacobian), ("preconditioned", jacobian * np.sqrt(diagonal))):
            gramian = Gramian(
                (*groups, Group(FOCAL, "H")),
                ("trunk",),
                (scaled @ scaled.T)[None],
                counts,
                (self._parameters,),
            )
            record = GramianRecord(
                step, "minibatch", "by hand", gramian, np.full(len(groups) + 1, np.nan), geometry=geometry
            )
            self.trace.append(record)
        flat = whole.reshape(tasks, -1)
        self._moments = self._moments.after(flat, self._weights)
        self.products.append(self._moments.products(flat, heldout))


def _split(rows: int, problem: Problem, seed: int) -> tuple[Array, Array, Array]:
    """The focal rows that a seed trains on (half), stops by (a quarter) and is judged by (a quarter)."""
    order = np.random.default_rng([19, problem.number, seed]).permutation(rows)
    return (
        order[: rows // 2],
        order[rows // 2 : rows // 2 + rows // 4],
        order[rows // 2 + rows // 4 :][: rows // 4],
    )


def _batches(
    problem: Problem, table: object, parts: list[tuple[Array, ...]], seeds: Array, choice: Choice, steps: int
) -> tuple[Array, Array]:
    """Inputs [s, t, m, b, d] and labels [s, t, m, b]: tasks go round their rows, shuffled each time."""
    recipe = problem.recipe
    label = [ord(letter) for letter in choice.name] if recipe.own_order and choice.name != AVERAGE else []
    all_inputs, all_labels = [], []
    for part, seed in zip(parts, seeds, strict=True):
        rng = np.random.default_rng([23, problem.number, int(seed), *label])
        inputs, labels = [], []
        for task in range(len(recipe.rows)):
            rows = part[0] if task == 0 else np.arange(recipe.rows[task])
            rounds = -(-steps * recipe.batch // len(rows))
            order = rng.permuted(np.tile(rows, (rounds, 1)), axis=1).reshape(-1)[: steps * recipe.batch]
            inputs.append(table.inputs[task][order].reshape(steps, recipe.batch, -1))
            labels.append(table.labels[task][order].reshape(steps, recipe.batch))
        all_inputs.append(np.stack(inputs, axis=1))
        all_labels.append(np.stack(labels, axis=1))
    return np.stack(all_inputs), np.stack(all_labels)


def _combined(combiner: combiners.Combiner, trunk: Array) -> Array:
    """Weights [s, m] of a combiner on each seed's own Gramian."""
    flat = trunk.reshape(*trunk.shape[:2], -1)
    return np.stack([combiner.weights(own @ own.T, focal=0) for own in flat])


Trainer = Callable[[Problem, Choice, Array], Trained]
