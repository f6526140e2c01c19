"""A study of combiners on five tasks of whole graphs (Table 2 of the GraGR paper, well defined)."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from gradprobe import combiners
from gradprobe.data.task_labels import IntArray
from gradprobe.errors import TrainingError, missing_extra
from gradprobe.geometry import FloatArray, conflict_energy
from gradprobe.gradients import LoopEngine
from gradprobe.graphs.multitask import TASKS, GraphEncoder, GraphSet
from gradprobe.records.graph_tasks import GraphTasksKey, GraphTasksManifest, GraphTasksRun, TaskScores
from gradprobe.records.kinds import GRAPH_TASKS
from gradprobe.studies.desk import Desk
from gradprobe.studies.grid import Outcome, Watch, run_study
from gradprobe.studies.identity import GRAPH_PACKAGES
from gradprobe.studies.options import Count, Positive
from gradprobe.studies.plan import plan_cells
from gradprobe.training import CombinedUpdate, MultiTaskModel, build_model, classification_metrics

COMBINERS = ("average", "pcgrad", "cagrad", "gradnorm", "mgda", "gragr")


class GraphTasksConfig(BaseModel):
    """What all runs of the study share; nothing is tuned for any combiner."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    combiners: tuple[str, ...] = COMBINERS
    seeds: Count = 5
    epochs: Count = 30
    batch_size: Count = 32
    width: Count = 32
    depth: Count = 3
    learning_rate: Positive = 1e-3

    def keys(self) -> list[GraphTasksKey]:
        """The runs, all combiners of a seed before the next seed."""
        return [
            GraphTasksKey(combiner=combiner, seed=seed)
            for seed in range(self.seeds)
            for combiner in self.combiners
        ]


def run_graph_tasks(
    data: GraphSet, config: GraphTasksConfig, out: Path, *, jobs: int = 0, watch: Watch | None = None
) -> Outcome[GraphTasksManifest, GraphTasksKey, GraphTasksRun]:
    """Run what has not finished yet; the same folder takes other combiners and seeds.

    Raises:
        InputError: the folder holds another study, or an unknown combiner.
    """
    for name in config.combiners:
        combiners.get(name)
    plan = plan_cells(
        GRAPH_TASKS,
        out,
        identity={
            "graphs": data.name,
            "data": _digest(data),
            **config.model_dump(mode="json", exclude={"combiners", "seeds"}),
        },
        options=config.model_dump(mode="json"),
        cells=config.keys(),
        work=GraphTasksWork(data, config),
        packages=GRAPH_PACKAGES,
        graphs=data.name,
    )
    return run_study(plan, jobs=jobs, watch=watch)


@dataclass(frozen=True, eq=False)
class GraphTasksWork:
    """Trains and scores one run; the seed draws the split, the weights and the batches."""

    data: GraphSet
    config: GraphTasksConfig

    def prepare(self, cache: Path) -> None:
        """Nothing: every cell has its graphs with it."""

    def __call__(self, key: GraphTasksKey, desk: Desk) -> GraphTasksRun:
        """One run."""
        data, config = self.data, self.config
        train, validation, test = data.split(key.seed)
        targets = torch.from_numpy(data.targets(train)).float()
        usual = float(np.mean(data.values[train, TASKS.index("size")]))
        model = build_model(
            lambda: GraphEncoder(data.features, width=config.width, depth=config.depth, nodes=usual),
            TASKS,
            seed=key.seed,
        )
        options = {"seed": key.seed} if "seed" in combiners.options_of(key.combiner) else {}
        update = CombinedUpdate(
            model,
            combiners.get(key.combiner, **options),
            tasks=TASKS,
            focal=TASKS[0],
            shared=model.encoder,
            # Every graph has every task: the rows of a batch belong to all of them.
            engine=LoopEngine(),
        )
        started = time.perf_counter()
        course = _train(
            model, update, _Graphs(data.graphs, targets), train, validation, config, key.seed, desk
        )
        seconds = time.perf_counter() - started
        graphs = _Graphs(data.graphs, targets)
        last = _energy(model, graphs, train)
        model.load_state_dict(course.best_state)
        scores, loss = _score(model, graphs, test)
        return GraphTasksRun(
            key=key,
            scores=scores,
            loss=loss,
            best_epoch=course.best_epoch,
            validation=tuple(course.validation),
            energy=(course.first_energy, last),
            seconds=seconds,
        )


@dataclass(frozen=True, eq=False)
class _Graphs:
    graphs: Sequence[Any]
    targets: Tensor

    def losses(self, model: MultiTaskModel, rows: IntArray) -> dict[str, Tensor]:
        """The mean loss of each task that some of the graphs have."""
        found = self.outputs(model, rows)
        return {
            task: binary_cross_entropy_with_logits(outputs, labels)
            for task, (outputs, labels) in found.items()
        }

    def outputs(self, model: MultiTaskModel, rows: IntArray) -> dict[str, tuple[Tensor, Tensor]]:
        """Each task's outputs and labels [k] on the graphs that have it."""
        try:
            from torch_geometric.data import Batch
        except ImportError as error:
            raise missing_extra("torch_geometric", "molecules") from error

        labels = self.targets[torch.from_numpy(rows)]
        positions = {
            task: torch.nonzero(~labels[:, place].isnan()).squeeze(1) for place, task in enumerate(TASKS)
        }
        positions = {task: where for task, where in positions.items() if len(where)}
        outputs = model(Batch.from_data_list([self.graphs[row] for row in rows]), positions)
        return {task: (outputs[task], labels[where, TASKS.index(task)]) for task, where in positions.items()}


@dataclass(eq=False)
class _Course:
    best_state: dict[str, Tensor]
    best_epoch: int
    validation: list[float]
    first_energy: float | None


def _train(
    model: MultiTaskModel,
    update: CombinedUpdate,
    graphs: _Graphs,
    train: IntArray,
    validation: IntArray,
    config: GraphTasksConfig,
    seed: int,
    desk: Desk,
) -> _Course:
    random = np.random.default_rng(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    course = _Course({}, 0, [], _energy(model, graphs, train))
    for epoch in range(1, config.epochs + 1):
        order = random.permutation(train)
        for start in range(0, len(order), config.batch_size):
            optimizer.zero_grad()
            update(graphs.losses(model, order[start : start + config.batch_size]))
            optimizer.step()
        with torch.no_grad():
            loss = float(torch.stack(list(graphs.losses(model, validation).values())).mean())
        if not math.isfinite(loss):
            raise TrainingError(f"the validation loss: expected a finite number, got {loss} at epoch {epoch}")
        if not course.validation or loss < min(course.validation):
            course.best_epoch = epoch
            course.best_state = {name: value.detach().clone() for name, value in model.state_dict().items()}
        course.validation.append(loss)
        desk.progress(epoch - 1, config.epochs, loss=loss)
    return course


def _energy(model: MultiTaskModel, graphs: _Graphs, rows: IntArray) -> float | None:
    losses = graphs.losses(model, rows)
    parameters = list(model.encoder.parameters())
    gradients = [
        torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, parameters, retain_graph=True)]).double()
        for loss in losses.values()
    ]
    stacked = torch.stack(gradients).numpy()
    mean = float(conflict_energy(stacked @ stacked.T)[1].values)
    return None if math.isnan(mean) else mean


@torch.no_grad()
def _score(model: MultiTaskModel, graphs: _Graphs, rows: IntArray) -> tuple[tuple[TaskScores, ...], float]:
    scores, losses = [], []
    for task, (outputs, labels) in graphs.outputs(model, rows).items():
        right = (outputs > 0) == (labels > 0.5)
        metrics = classification_metrics(_array(labels), _array(outputs.sigmoid()))
        losses.append(binary_cross_entropy_with_logits(outputs, labels).item())
        scores.append(
            TaskScores(
                task=task,
                n=len(labels),
                ones=float(labels.mean()),
                accuracy=float(right.double().mean()),
                auroc=None if math.isnan(metrics.auroc) else metrics.auroc,
            )
        )
    return tuple(scores), float(np.mean(losses))


def _array(values: Tensor) -> FloatArray:
    return values.double().numpy()


def _digest(data: GraphSet) -> str:
    digest = hashlib.sha256(data.values.tobytes())
    for graph in data.graphs:
        digest.update(graph.edge_index.numpy().tobytes())
        digest.update(graph.x.numpy().tobytes())
    return digest.hexdigest()[:10]
