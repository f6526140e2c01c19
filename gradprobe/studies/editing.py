"""The study of gradprobe edit: one graph, trained models, every editing method under every protocol."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gradprobe.data.graphs import NodeDataset, load_graph
from gradprobe.errors import InputError
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
    EditGraph,
    EditKey,
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
from gradprobe.reports.editing.summary import EditSummary, summarise_edits
from gradprobe.studies.editing_models import TrainedModel, train_model
from gradprobe.studies.grid import GridWatch, run_grid
from gradprobe.studies.identity import graph_digest

_FRESHNESS_EVERY = 10
Count = Annotated[int, Field(ge=1)]


class EditConfig(BaseModel):
    """The options of `gradprobe edit`; see `EditOptions` for what they mean."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str = "karate"
    models: Annotated[tuple[ModelKind, ...], Field(min_length=1)] = ("gcn",)
    methods: Annotated[tuple[Method, ...], Field(min_length=1)] = ("gd", "gre", "gre_plus")
    protocols: Annotated[tuple[Protocol, ...], Field(min_length=1)] = ("sequential",)
    edits: Count = 50
    seeds: Count = 5
    anchors: Count = 5
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01
    max_steps: Count = 100
    refresh: Annotated[int, Field(ge=0)] = 0
    width: Count = 32
    layers: Count = 2
    epochs: Count = 200

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
    try:
        return EditConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = first["loc"][0] if first["loc"] else "options"
        message = first["msg"][:1].lower() + first["msg"][1:]
        raise InputError(f"{name}: {message}, got {first['input']!r}") from error


def run_edits(
    config: EditConfig, out: Path, *, root: Path | None = None, jobs: int = 0, watch: GridWatch | None = None
) -> EditSummary:
    """Run what has not finished yet, and summarise all of it.

    The same folder goes on with other models and seeds; data and the other options are what identifies it.

    Raises:
        InputError: unknown or unreadable data, or a folder that holds another study.
    """
    graph = load_graph(config.dataset, root=root)
    options = EditOptions(**{name: getattr(config, name) for name in EditOptions.model_fields})
    outcome = run_grid(
        out,
        identity={"study": "edit", "graph": graph.name, "data": graph_digest(graph), **options.model_dump()},
        keys=config.keys(),
        work=EditWork(graph, options),
        result=EditRun,
        jobs=jobs,
        watch=watch,
    )
    facts = EditGraph(
        name=graph.name, nodes=graph.nodes, edges=graph.edges, classes=graph.classes, notes=graph.notes
    )
    return summarise_edits(facts, options, list(outcome.results.values()), outcome.failures)


@dataclass(frozen=True, eq=False)
class EditWork:
    """Trains one model, then edits it by every method under every protocol, each from the trained state."""

    graph: NodeDataset
    options: EditOptions

    def __call__(self, key: EditKey) -> EditRun:
        """One cell; the seed draws the model, the targets and the parts of the training nodes."""
        started = time.perf_counter()
        trained = train_model(key.model, self.graph, self.options, seed=key.seed)
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
        if not any(method.startswith("egnn") for method in self.options.methods):
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
        classifier = _classifier(trained, None if not method.startswith("egnn") else side)
        state = {name: value.clone() for name, value in classifier.model.state_dict().items()}
        options = self.options
        editor = Editor(
            classifier,
            method=_rewiring(method),
            anchors=min(options.anchors, len(trained.train)),
            learning_rate=options.learning_rate,
            max_steps=options.max_steps,
            refresh_every=options.refresh or None,
            seed=seed,
        )
        found = run_protocol(
            protocol, editor, trained.targets, test=trained.rest, freshness_every=_FRESHNESS_EVERY
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


def _rewiring(method: Method) -> Rewiring:
    """What an editor is told: `egnn` alone is plain descent on the perceptron."""
    return cast(Rewiring, method.removeprefix("egnn").removeprefix("_") or "gd")


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
