"""The study of gradprobe graph depth: one graph, networks of many depths, with and without normalisation."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from gradprobe.data.graphs import NodeDataset, NodeSplit, load_graph
from gradprobe.geometry import FloatArray, components
from gradprobe.graphs import LipschitzNormalization, NodeModel, build_node_model, graph_tensors
from gradprobe.graphs.full_batch import full_batch, share
from gradprobe.probes import DepthProbe, DepthProfile, SignalProfile
from gradprobe.records.depth import (
    DepthGraph,
    DepthKey,
    DepthManifest,
    DepthOptions,
    DepthRun,
    Grid,
    SignalCourse,
)
from gradprobe.records.kinds import DEPTH
from gradprobe.reports.depth.summary import DepthSummary, of_study
from gradprobe.studies.desk import Desk
from gradprobe.studies.grid import Watch, run_study
from gradprobe.studies.identity import GRAPH_PACKAGES, graph_digest, graph_facts
from gradprobe.studies.options import Count, NotNegative, Positive, checked
from gradprobe.studies.plan import Plan, plan_cells

Depth = Annotated[int, Field(ge=2)]


class DepthConfig(BaseModel):
    """The options of `gradprobe graph depth`.

    Each option adds runs beside those that are there without it: at every depth, a plain network; with
    `residual`, one with skip connections as well; with `normalize`, the last of these again, its
    weight matrices at that Frobenius norm after every step.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str = "karate"
    model: Literal["gcn", "gat"] = "gcn"
    layers: Annotated[tuple[Depth, ...], Field(min_length=1)] = (2, 8, 32)
    residual: bool = False
    normalize: Positive | None = None
    seeds: Count = 3
    epochs: Count = 200
    width: Count = 32
    learning_rate: Positive = 0.001
    weight_decay: NotNegative = 5e-4
    probe_every: Count = 20

    def runs(self) -> list[DepthKey]:
        """The runs, shallow ones first."""
        variants: list[tuple[bool, float | None]] = [(False, None)]
        if self.residual:
            variants.append((True, None))
        if self.normalize is not None:
            variants.append((self.residual, self.normalize))
        return [
            DepthKey(layers=layers, residual=residual, norm=norm, seed=seed)
            for layers in sorted(set(self.layers))
            for residual, norm in variants
            for seed in range(self.seeds)
        ]


def depth_config(**values: object) -> DepthConfig:
    """A checked configuration.

    Raises:
        InputError: an option that is unknown or out of range, in one sentence.
    """
    return checked(DepthConfig, values)


def plan_depth(
    config: DepthConfig, out: Path, *, root: Path | None = None
) -> Plan[DepthManifest, DepthKey, DepthRun]:
    """Load the graph and open the study's folder.

    The same folder takes other depths, seeds and architectures; data and the other options are what
    identifies it.

    Raises:
        InputError: unknown or unreadable data, or a folder that holds another study.
    """
    dataset = load_graph(config.dataset, root=root)
    options = DepthOptions(**{name: getattr(config, name) for name in DepthOptions.model_fields})
    return plan_cells(
        DEPTH,
        out,
        identity={"data": graph_digest(dataset), "graph": dataset.name, **options.model_dump()},
        options=config.model_dump(mode="json"),
        cells=config.runs(),
        work=DepthWork(dataset, options),
        packages=GRAPH_PACKAGES,
        graph=_graph(dataset),
    )


def run_depth(
    config: DepthConfig, out: Path, *, root: Path | None = None, jobs: int = 0, watch: Watch | None = None
) -> DepthSummary:
    """Run what has not finished yet, and summarise all that the folder holds; see `plan_depth`."""
    outcome = run_study(plan_depth(config, out, root=root), jobs=jobs, watch=watch)
    return of_study(outcome.study)


@dataclass(frozen=True, eq=False)
class DepthWork:
    """Trains, measures and scores one run on the full graph; rows of features are scaled to sum to 1."""

    dataset: NodeDataset
    options: DepthOptions

    def prepare(self, cache: Path) -> None:
        """Nothing: every cell has its graph with it."""

    def __call__(self, key: DepthKey, desk: Desk) -> DepthRun:
        """One run; the seed draws the weights and chooses among the published splits."""
        data, options = self.dataset, self.options
        model = build_node_model(
            options.model,
            inputs=data.features.shape[1],
            classes=data.classes,
            width=options.width,
            layers=key.layers,
            dropout=0.0,
            residual=key.residual,
            seed=key.seed,
        )
        optimizer = torch.optim.Adam(
            model.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
        )
        if key.norm is not None:
            LipschitzNormalization(model, key.norm).attach(optimizer)
        started = time.perf_counter()
        log = _train(model, optimizer, data, data.splits[key.seed % len(data.splits)], options, desk)
        return log.run(key, seconds=time.perf_counter() - started)


@dataclass
class _Log:
    """What a run has recorded so far."""

    best: dict[str, float] = field(default_factory=lambda: {"validation": -1.0})
    best_epoch: int = 0
    train: float = 0.0
    loss: float = math.nan
    epochs: int = 0
    diverged: int | None = None
    measured: dict[int, DepthProfile] = field(default_factory=dict)

    def score(self, epoch: int, correct: Mapping[str, float]) -> None:
        """Keep the scores if they are the best on validation so far."""
        self.epochs = epoch + 1
        self.train = max(self.train, correct["train"])
        if correct["validation"] > self.best["validation"]:
            self.best, self.best_epoch = dict(correct), epoch

    def run(self, key: DepthKey, *, seconds: float) -> DepthRun:
        profiles = list(self.measured.values())
        return DepthRun(
            key=key,
            seconds=seconds,
            epochs=self.epochs,
            best_epoch=self.best_epoch,
            train=self.train,
            validation=self.best["validation"],
            test=self.best["test"],
            loss=_number(self.loss),
            diverged=self.diverged,
            measured=tuple(self.measured),
            representation=_course([profile.representation for profile in profiles]),
            gradient=_course([profile.gradient for profile in profiles]),
        )


def _train(
    model: NodeModel,
    optimizer: torch.optim.Optimizer,
    data: NodeDataset,
    split: NodeSplit,
    options: DepthOptions,
    desk: Desk,
) -> _Log:
    x, edges, labels = graph_tensors(data, normalise=True)
    nodes = {name: torch.as_tensor(getattr(split, name)) for name in ("train", "validation", "test")}
    for conv in model.convs:  # the same edges at every step: a GCN need not normalise them again
        setattr(conv, "cached", options.model == "gcn")  # noqa: B010
    probe, log = DepthProbe(model, layers=(), out=desk.trace), _Log()
    updates = full_batch(model, x, edges, labels, nodes["train"], optimizer, epochs=options.epochs)
    for update in updates:
        epoch = update.epoch
        # Without dropout, the pass that trains is also the one that scores.
        log.score(epoch, _accuracies(update.states[-1], labels, nodes))
        log.loss = update.loss.item()
        if epoch % options.probe_every == 0 or epoch == options.epochs - 1 or not math.isfinite(log.loss):
            profile = probe.measure(
                update.loss,
                states=_named(update.states),
                edges=edges,
                groups="components",
                split="train",
                step=epoch,
            )
            assert profile is not None
            log.measured[epoch] = profile
        desk.progress(epoch, options.epochs, loss=log.loss)
        if not math.isfinite(log.loss):
            log.diverged = epoch
            break
    probe.close()
    return log


def _named(states: list[Tensor]) -> dict[str, Tensor]:
    return {str(number): state for number, state in enumerate(states, start=1)}


@torch.no_grad()
def _accuracies(logits: Tensor, labels: Tensor, nodes: Mapping[str, Tensor]) -> dict[str, float]:
    correct = logits.argmax(dim=1) == labels
    return {name: share(correct, ids) for name, ids in nodes.items()}


def _course(profiles: list[SignalProfile]) -> SignalCourse:
    return SignalCourse(
        norm=_grid([profile.norms for profile in profiles]),
        relative=_grid([profile.relative() for profile in profiles]),
        smooth=_grid([profile.relative("group_degree") for profile in profiles]),
        zero_rows=tuple(float(share) for share in profiles[-1].zero_rows),
        findings=tuple(profile.diagnosis.finding for profile in profiles),
        reasons=tuple(profile.diagnosis.reason for profile in profiles),
    )


def _grid(rows: list[FloatArray]) -> Grid:
    return tuple(tuple(_number(value) for value in row) for row in rows)


def _number(value: float) -> float | None:
    """Five digits, which no figure exceeds; None for what is not finite, as JSON has no such number."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def _graph(data: NodeDataset) -> DepthGraph:
    labelled = np.bincount(data.labels[data.labels >= 0])
    return DepthGraph(
        **graph_facts(data),
        components=len(np.unique(components(data.edge_index, data.nodes))),
        largest_class=float(labelled.max() / labelled.sum()),
    )
