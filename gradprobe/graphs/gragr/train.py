"""Training a node model: the base method, GraGR and GraGR++ through one loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gradprobe.graphs.gragr.learner import NodeLearner
from gradprobe.graphs.gragr.options import GraGROptions, NodeTrainingOptions
from gradprobe.graphs.gragr.selection import select_start
from gradprobe.graphs.metrics import ClassScores, class_scores
from gradprobe.graphs.models import NodeModel
from gradprobe.graphs.node_data import NodeData

BuildModel = Callable[[int], NodeModel]


@dataclass(frozen=True)
class NodeEpoch:
    """One epoch, counted from 1, which is one step on the whole graph.

    `loss` is the training loss of the step, with dropout; `validation_loss` and `accuracy` are of the
    selection nodes afterwards. `energy` is the mean over hidden layers of max(0, -cos) per edge of the
    step's node gradients; NaN for a model of one layer, which has none. `openness` is the pathways' mean
    beta. `seconds` is the processor time of the update and of its method's decisions, without scoring:
    time passed would depend on what else the machine does.
    """

    epoch: int
    loss: float
    validation_loss: float
    accuracy: float
    energy: float
    reasoning: bool
    openness: float
    gamma: tuple[float, ...]
    seconds: float


@dataclass(frozen=True, eq=False)
class NodeTrainingResult:
    """A trained node model, restored to its best epoch, and how it got there.

    `trials[s]` is the validation loss of start s over its trial, `chosen` the start that was continued;
    `history` is that start's. `validation` scores the selection nodes, `test` the test nodes.
    """

    model: NodeModel
    learner: NodeLearner
    history: tuple[NodeEpoch, ...]
    trials: tuple[tuple[NodeEpoch, ...], ...]
    chosen: int
    best_epoch: int
    validation: ClassScores
    test: ClassScores


class NodeObserver(Protocol):
    """Looks on after every epoch, without touching the run."""

    def __call__(self, start: int, epoch: NodeEpoch, learner: NodeLearner) -> None:
        """After an epoch of the start of that number."""
        ...


def train_nodes(
    build: BuildModel,
    data: NodeData,
    *,
    method: GraGROptions,
    training: NodeTrainingOptions,
    seed: int,
    observer: NodeObserver | None = None,
) -> NodeTrainingResult:
    """Train a node model on a graph and score its best epoch.

    Each of `training.candidates` random starts is trained for the trial; the one of lowest validation
    loss continues (9)-(11). The epoch of the highest accuracy on the selection nodes is kept, the lower
    loss deciding between equals, the earlier epoch between those.

    Args:
        build: a fresh model from a seed, such as `build_node_model` with everything else given.
        data: the graph and its parts; the test nodes are scored once.
        method: the parts of GraGR; `METHODS["base"]` for none.
        training: what all methods have in common.
        seed: of the starts and of dropout, which draws from torch's random state; that is put back.
        observer: called after every epoch.

    Raises:
        TrainingError: the loss is NaN or infinite, in the chosen start or in all of them.
    """
    runs = [
        _Run(build, data, method, training, _start_seed(seed, start), start, observer)
        for start in range(training.candidates)
    ]
    trial = min(training.trial_epochs, training.epochs)
    if len(runs) > 1:
        for run in runs:
            run.go_on(trial)
    chosen = select_start([run.final_loss for run in runs]) if len(runs) > 1 else 0
    trials = tuple(tuple(run.history) for run in runs) if len(runs) > 1 else ()
    run = runs[chosen]
    run.go_on(training.epochs - len(run.history))
    return run.result(trials, chosen)


class _Run:
    """One random start: its learner, its random state, its history and its best parameters."""

    def __init__(
        self,
        build: BuildModel,
        data: NodeData,
        method: GraGROptions,
        training: NodeTrainingOptions,
        seed: int,
        start: int,
        observer: NodeObserver | None,
    ) -> None:
        self._data = data
        self._start = start
        self._observer = observer
        self._learner = NodeLearner(build(seed), data, method, training)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._random = torch.get_rng_state()
        self._best: tuple[float, float] = (-math.inf, -math.inf)
        self._best_epoch = 0
        self._best_state: dict[str, Tensor] = {}
        self.history: list[NodeEpoch] = []

    @property
    def final_loss(self) -> float:
        return self.history[-1].validation_loss

    def go_on(self, epochs: int) -> None:
        with self._own_random_state():
            for _ in range(epochs):
                self._epoch(len(self.history) + 1)

    def result(self, trials: tuple[tuple[NodeEpoch, ...], ...], chosen: int) -> NodeTrainingResult:
        model = self._learner.model
        model.load_state_dict(self._best_state)
        probabilities = self._learner.logits().softmax(1).double().numpy()
        labels = self._data.y.numpy()
        scores = [
            class_scores(labels[nodes], probabilities[nodes])
            for nodes in (self._data.selection.numpy(), self._data.test.numpy())
        ]
        return NodeTrainingResult(
            model=model,
            learner=self._learner,
            history=tuple(self.history),
            trials=trials,
            chosen=chosen,
            best_epoch=self._best_epoch,
            validation=scores[0],
            test=scores[1],
        )

    def _epoch(self, epoch: int) -> None:
        started = time.process_time()
        step = self._learner.step()
        self._learner.update_schedule(epoch)
        seconds = time.process_time() - started
        logits, nodes = self._learner.logits()[self._data.selection], self._data.y[self._data.selection]
        loss = cross_entropy(logits, nodes).item()
        accuracy = (logits.argmax(1) == nodes).double().mean().item()
        energies = self._learner.energies()
        record = NodeEpoch(
            epoch=epoch,
            loss=step.loss,
            validation_loss=loss,
            accuracy=accuracy,
            energy=float(np.mean(energies)) if energies else math.nan,
            reasoning=step.reasoning,
            openness=step.openness,
            gamma=step.gamma,
            seconds=seconds,
        )
        self.history.append(record)
        self._keep_best(record)
        if self._observer is not None:
            self._observer(self._start, record, self._learner)

    def _keep_best(self, record: NodeEpoch) -> None:
        score = (record.accuracy, -record.validation_loss)
        if score > self._best:
            self._best, self._best_epoch = score, record.epoch
            state = self._learner.model.state_dict()
            self._best_state = {name: value.detach().clone() for name, value in state.items()}

    @contextmanager
    def _own_random_state(self) -> Iterator[None]:
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._random)
            yield
            self._random = torch.get_rng_state()


def _start_seed(seed: int, start: int) -> int:
    """Seeds of the starts, different for every seed and start; the first start is the seed's own."""
    return seed if start == 0 else int(np.random.SeedSequence([seed, start]).generate_state(1)[0])
