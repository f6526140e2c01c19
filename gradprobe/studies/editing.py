"""The study of gradprobe graph edit: one graph, trained models, every editing method under every protocol."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gradprobe.data.graphs import NodeDataset, load_graph
from gradprobe.graphs.editing import (
    Classifier,
    Editor,
    EditScores,
    ScoredEdit,
    SideNetwork,
    fit_side_network,
    measure_discrepancies,
    run_protocol,
)
from gradprobe.graphs.editing.editor import Rewiring
from gradprobe.records.editing import (
    EditKey,
    EditManifest,
    EditOptions,
    EditRecord,
    EditRun,
    Method,
    MethodRun,
    ModelKind,
    NodeGradient,
    Protocol,
    Scores,
)
from gradprobe.records.graph import GraphRecord
from gradprobe.records.kinds import EDIT
from gradprobe.reports.editing.summary import EditSummary, of_study
from gradprobe.studies.desk import Desk
from gradprobe.studies.editing_models import TrainedModel, train_model
from gradprobe.studies.grid import Watch, run_study
from gradprobe.studies.identity import GRAPH_PACKAGES, graph_digest, graph_facts
from gradprobe.studies.options import Count, NotNegative, Positive, Share, checked
from gradprobe.studies.plan import Plan, plan_cells

# How each method changes the gradient of an edit, and whether it edits EGNN's perceptron beside the model.
_REWIRING: dict[Method, Rewiring] = {
    "gd": "gd",
    "gre": "gre",
    "gre_plus": "gre_plus",
    "egnn": "gd",
    "egnn_gre": "gre",
    "egnn_gre_plus": "gre_plus",
}
_BESIDE: dict[Method, bool] = {
    "gd": False,
    "gre": False,
    "gre_plus": False,
    "egnn": True,
    "egnn_gre": True,
    "egnn_gre_plus": True,
}


class EditConfig(BaseModel):
    """The options of `gradprobe graph edit`; see `EditOptions` for what they mean."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str = "karate"
    models: Annotated[tuple[ModelKind, ...], Field(min_length=1)] = ("gcn",)
    methods: Annotated[tuple[Method, ...], Field(min_length=1)] = ("gd", "gre", "gre_plus")
    protocols: Annotated[tuple[Protocol, ...], Field(min_length=1)] = ("sequential",)
    edits: Count = 50
    seeds: Count = 5
    anchors: Count = 5
    learning_rate: Positive = 0.01
    max_steps: Count = 100
    refresh: Annotated[int, Field(ge=0)] = 0
    width: Count = 32
    layers: Count = 2
    epochs: Count = 200
    training_rate: Positive = 0.01
    weight_decay: NotNegative = 5e-4
    dropout: Share = 0.5
    look_every: Count = 5
    freshness_every: Count = 10

    def keys(self) -> list[EditKey]:
        """The cells, seed by seed."""
        return [
            EditKey(model=model, seed=seed)
            for seed in range(self.seeds)
            for model in dict.fromkeys(self.models)
        ]


def edit_config(**values: object) -> EditConfig:
    """A checked configuration.

    Raises:
        InputError: an option that is unknown or out of range, in one sentence.
    """
    return checked(EditConfig, values)


def plan_edits(
    config: EditConfig, out: Path, *, root: Path | None = None
) -> Plan[EditManifest, EditKey, EditRun]:
    """Load the graph and open the study's folder.

    The same folder takes other models and seeds; data and the other options are what identifies it.

    Raises:
        InputError: unknown or unreadable data, or a folder that holds another study.
    """
    graph = load_graph(config.dataset, root=root)
    options = EditOptions(**{name: getattr(config, name) for name in EditOptions.model_fields})
    return plan_cells(
        EDIT,
        out,
        identity={"graph": graph.name, "data": graph_digest(graph), **options.model_dump(mode="json")},
        options=config.model_dump(mode="json"),
        cells=config.keys(),
        work=EditWork(graph, options),
        packages=GRAPH_PACKAGES,
        graph=GraphRecord(**graph_facts(graph)),
    )


def run_edits(
    config: EditConfig, out: Path, *, root: Path | None = None, jobs: int = 0, watch: Watch | None = None
) -> EditSummary:
    """Run what has not finished yet, and summarise all that the folder holds; see `plan_edits`."""
    study = run_study(plan_edits(config, out, root=root), jobs=jobs, watch=watch).study
    return of_study(study)


@dataclass(frozen=True, eq=False)
class EditWork:
    """Trains one model, then edits it by every method under every protocol, each from the trained state."""

    graph: NodeDataset
    options: EditOptions

    def prepare(self, cache: Path) -> None:
        """Nothing: every cell has its graph with it."""

    def __call__(self, key: EditKey, desk: Desk) -> EditRun:
        """One cell; the seed draws the model, the targets and the parts of the training nodes."""
        started = time.perf_counter()
        trained = train_model(key.model, self.graph, self.options, seed=key.seed, desk=desk)
        side, side_seconds = self._side(trained, key.seed)
        runs = [
            self._run(trained, side, method, protocol, key.seed)
            for protocol in self.options.protocols
            for method in self.options.methods
        ]
        return EditRun(
            key=key,
            train=trained.accuracies[0],
            validation=trained.accuracies[1],
            test=trained.accuracies[2],
            wrong=len(trained.wrong),
            targets=trained.targets,
            gradients=_gradients(trained),
            runs=tuple(runs),
            seconds=time.perf_counter() - started,
            side_seconds=side_seconds,
        )

    def _side(self, trained: TrainedModel, seed: int) -> tuple[SideNetwork | None, float | None]:
        if not any(_BESIDE[method] for method in self.options.methods):
            return None, None
        started = time.perf_counter()
        side = fit_side_network(
            trained.model,
            trained.x,
            trained.edge_index,
            trained.labels,
            trained.train,
            width=self.options.width,
            seed=seed,
        )
        return side, time.perf_counter() - started

    def _run(
        self, trained: TrainedModel, side: SideNetwork | None, method: Method, protocol: Protocol, seed: int
    ) -> MethodRun:
        classifier = _classifier(trained, side if _BESIDE[method] else None)
        state = {name: value.clone() for name, value in classifier.model.state_dict().items()}
        options = self.options
        editor = Editor(
            classifier,
            method=_REWIRING[method],
            anchors=min(options.anchors, len(trained.train)),
            learning_rate=options.learning_rate,
            max_steps=options.max_steps,
            refresh_every=options.refresh or None,
            seed=seed,
        )
        found = run_protocol(
            protocol, editor, trained.targets, test=trained.rest, freshness_every=options.freshness_every
        )
        classifier.model.load_state_dict(state)
        return MethodRun(
            method=method,
            protocol=protocol,
            before=_scores(found.before),
            edits=tuple(_record(scored) for scored in found.edits),
            retained=found.retained,
            parameters=sum(parameter.numel() for parameter in classifier.parameters),
            anchor_bytes=editor.anchor_bytes,
        )


def _classifier(trained: TrainedModel, side: SideNetwork | None) -> Classifier:
    x, edge_index, labels, train = trained.x, trained.edge_index, trained.labels, trained.train
    if side is not None:
        return side.classifier(x, edge_index, labels, train)
    return Classifier.of_nodes(trained.model, x, edge_index, labels, train, hops=trained.hops)


def _gradients(trained: TrainedModel) -> tuple[NodeGradient, ...]:
    nodes = [*trained.targets, *trained.right]
    found = measure_discrepancies(_classifier(trained, None), nodes)
    return tuple(
        NodeGradient(
            node=node,
            right=place >= len(trained.targets),
            rmse=discrepancy.rmse,
            relative=_known(discrepancy.relative),
            cosine=_known(discrepancy.cosine),
        )
        for place, (node, discrepancy) in enumerate(zip(nodes, found, strict=True))
    )


def _record(scored: ScoredEdit) -> EditRecord:
    edit = scored.edit
    return EditRecord(
        asked=len(edit.items),
        right=edit.right,
        steps=edit.steps,
        seconds=edit.seconds,
        rewired=edit.rewired,
        after=_scores(scored.scores),
        cosines_before=tuple(_known(float(value)) for value in edit.cosines_before),
        cosines_after=tuple(_known(float(value)) for value in edit.cosines_after),
        freshness=_known(scored.freshness),
    )


def _scores(found: EditScores) -> Scores:
    return Scores(train=found.train_accuracy, test=_known(found.test_accuracy), loss=found.train_loss)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
