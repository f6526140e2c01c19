"""The study of gradprobe graph nodes: one graph, several models, with and without GraGR."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gradprobe.data.graphs import NodeDataset
from gradprobe.errors import InputError
from gradprobe.graphs import NodeModel, NodeModelKind, build_node_model
from gradprobe.graphs.footprint import peak_tensor_memory
from gradprobe.graphs.gragr import (
    ABLATION,
    GraGROptions,
    NodeEpoch,
    NodeLearner,
    NodeTrainingOptions,
    NodeTrainingResult,
    is_whole,
    method_options,
    train_nodes,
)
from gradprobe.graphs.metrics import ClassScores
from gradprobe.graphs.models import starts_linear
from gradprobe.graphs.node_data import NodeData
from gradprobe.records.kinds import NODES
from gradprobe.records.nodes import (
    NodeEpochRow,
    NodeGraph,
    NodeKey,
    NodeRun,
    NodeScores,
    NodesManifest,
    NodesStudy,
    NodeTrial,
)
from gradprobe.reports.nodes.summarise import nodes_study
from gradprobe.studies.desk import Desk
from gradprobe.studies.grid import Watch, run_study
from gradprobe.studies.identity import GRAPH_PACKAGES, graph_digest, graph_facts
from gradprobe.studies.nodes_snapshot import EarlierState, take_snapshot
from gradprobe.studies.options import Count, NotNegative, Positive, Share, checked, sentence
from gradprobe.studies.plan import Plan, plan_cells


class NodesConfig(BaseModel):
    """The options of `gradprobe graph nodes`.

    Every method gets the same epochs, the same number of random starts and the same nodes. `gragr` holds
    numbers of `GraGROptions` that all methods but the base use instead of the defaults. `ablate` adds
    GraGR and GraGR++ without one part each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[NodeModelKind, ...] = ("gcn",)
    methods: tuple[str, ...] = ("base", "gragr", "gragr++")
    seeds: Count = 3
    ablate: bool = False
    epochs: Count = 100
    candidates: Count = 3
    trial_epochs: Count = 20
    width: Count = 64
    layers: Annotated[int, Field(ge=2)] = 2
    dropout: Share = 0.5
    learning_rate: Positive = 0.01
    weight_decay: NotNegative = 5e-4
    normalise: bool = True
    gragr: dict[str, Any] = Field(default_factory=dict)

    @field_validator("methods")
    @classmethod
    def _known(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        for method in methods:
            method_options(method)
        return methods

    @property
    def all_methods(self) -> tuple[str, ...]:
        """The methods to run, in order, those of the ablation last."""
        return tuple(dict.fromkeys([*self.methods, *(ABLATION if self.ablate else ())]))

    def keys(self) -> list[NodeKey]:
        """The runs, all methods of a seed before the next seed, so that an unfinished study is paired."""
        return [
            NodeKey(model=model, method=method, seed=seed)
            for model in dict.fromkeys(self.models)
            for seed in range(self.seeds)
            for method in self.all_methods
        ]

    def method(self, name: str) -> GraGROptions:
        """The options of a method, the base's as they are."""
        return method_options(name, **({} if name == "base" else self.gragr))

    def shared(self) -> dict[str, Any]:
        """What every run has in common: all but which models, methods and seeds there are."""
        return self.model_dump(mode="json", exclude={"models", "methods", "seeds", "ablate"})


def nodes_config(**values: object) -> NodesConfig:
    """A checked configuration.

    Raises:
        InputError: an option that is unknown or out of range, in one sentence.
    """
    config = checked(NodesConfig, values)
    try:
        for name in config.all_methods:
            config.method(name)
    except ValidationError as error:
        raise InputError(sentence(error, GraGROptions)) from error
    return config


def plan_nodes(graph: NodeDataset, config: NodesConfig, out: Path) -> Plan[NodesManifest, NodeKey, NodeRun]:
    """Open the study's folder.

    The same folder takes other models, methods and seeds; the graph and the other options are what
    identifies it. Seed s uses the graph's split s, beginning again after the last.

    Raises:
        InputError: the folder holds another study.
    """
    return plan_cells(
        NODES,
        out,
        identity={"graph": graph.name, "data": graph_digest(graph), **config.shared()},
        options=config.model_dump(mode="json"),
        cells=config.keys(),
        work=NodesWork(graph, config),
        packages=GRAPH_PACKAGES,
        graph=NodeGraph(**graph_facts(graph), splits=len(graph.splits)),
        methods={name: config.method(name).model_dump(mode="json") for name in config.all_methods},
    )


def run_nodes(
    graph: NodeDataset, config: NodesConfig, out: Path, *, jobs: int = 0, watch: Watch | None = None
) -> NodesStudy:
    """Run what has not finished yet, and return all that the folder holds; see `plan_nodes`."""
    return nodes_study(run_study(plan_nodes(graph, config, out), jobs=jobs, watch=watch).study)


@dataclass(frozen=True, eq=False)
class NodesWork:
    """Trains, scores and, for the first seed of a whole method, dissects one run."""

    graph: NodeDataset
    config: NodesConfig

    def prepare(self, cache: Path) -> None:
        """Nothing: every cell has its graph with it."""

    def __call__(self, key: NodeKey, desk: Desk) -> NodeRun:
        """One run; the seed draws the starts, the meta nodes and chooses among the splits."""
        config, graph = self.config, self.graph
        options = config.method(key.method)
        # The Hessian of the implicit hypergradient needs dense features.
        linear = starts_linear(key.model) and graph.features.shape[1] > config.width
        data = NodeData.of(
            graph,
            graph.splits[key.seed % len(graph.splits)],
            seed=key.seed,
            normalise=config.normalise,
            sparse=linear and options.neumann_terms == 1,
        )
        earlier = EarlierState()
        result = train_nodes(
            lambda seed: self._model(key.model, seed),
            data,
            method=options,
            training=NodeTrainingOptions(
                **{name: getattr(config, name) for name in NodeTrainingOptions.model_fields}
            ),
            seed=key.seed,
            observer=_Observer(earlier, desk, config.epochs),
        )
        wanted = key.seed == 0 and is_whole(key.method)
        snapshot = take_snapshot(graph, data, result, earlier.of(result.chosen), options) if wanted else None
        return _record(key, data, result, snapshot=snapshot)

    def _model(self, kind: Any, seed: int) -> NodeModel:
        config = self.config
        return build_node_model(
            kind,
            inputs=self.graph.features.shape[1],
            classes=self.graph.classes,
            width=config.width,
            layers=config.layers,
            dropout=config.dropout,
            seed=seed,
        )


@dataclass(frozen=True, eq=False)
class _Observer:
    """Keeps an earlier state for the snapshot, and shows the progress."""

    earlier: EarlierState
    desk: Desk
    epochs: int

    def __call__(self, start: int, epoch: NodeEpoch, learner: NodeLearner) -> None:
        self.earlier(start, epoch, learner)
        self.desk.progress(epoch.epoch - 1, self.epochs, loss=epoch.loss)


def _record(key: NodeKey, data: NodeData, result: NodeTrainingResult, **more: Any) -> NodeRun:
    parts = {part: len(getattr(data, part)) for part in ("train", "selection", "meta", "test")}
    return NodeRun(
        key=key,
        parts=parts,
        parameters=sum(parameter.numel() for parameter in result.model.parameters()),
        test=_scores(result.test),
        validation=_scores(result.validation),
        best_epoch=result.best_epoch,
        chosen=result.chosen,
        trials=tuple(
            NodeTrial(
                accuracy=tuple(_short(epoch.accuracy) for epoch in trial),
                loss=tuple(_short(epoch.validation_loss) for epoch in trial),
            )
            for trial in result.trials
        ),
        history=tuple(_epoch_row(epoch) for epoch in result.history),
        seconds=float(np.median([epoch.seconds for epoch in result.history])),
        # One more update, in the state in which training ended; the scores are taken already.
        memory=peak_tensor_memory(result.learner.step),
        **more,
    )


def _epoch_row(epoch: NodeEpoch) -> NodeEpochRow:
    values = dataclasses.asdict(epoch)
    rounded = {name: _short(values[name]) for name in ("loss", "validation_loss", "accuracy", "openness")}
    gamma = tuple(_short(weight) for weight in epoch.gamma)
    energy = None if math.isnan(epoch.energy) else _short(epoch.energy)
    return NodeEpochRow(
        **{**values, **rounded, "energy": energy, "gamma": gamma, "seconds": _short(epoch.seconds)}
    )


def _scores(scores: ClassScores) -> NodeScores:
    values = dataclasses.asdict(scores)
    return NodeScores.model_validate(
        {name: None if math.isnan(value) else value for name, value in values.items()}
    )


def _short(value: float) -> float:
    """Six digits, which no figure exceeds."""
    return float(f"{value:.6g}")
