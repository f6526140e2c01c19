"""From the records of a study of node methods to the numbers of its report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradprobe.geometry.gramian import FloatArray
from gradprobe.records.nodes import (
    EXPLANATIONS,
    NodeEpochRow,
    NodeExplanation,
    NodeExplanations,
    NodeMoment,
    NodeRun,
    NodesManifest,
    NodesStudy,
    Numbers,
)
from gradprobe.records.record import read_record
from gradprobe.records.study import StoredStudy
from gradprobe.reports.nodes.summary import (
    BASE,
    SCORES,
    GraphFacts,
    Moment,
    NodesSummary,
    RunSummary,
    Snapshot,
    Star,
    Starts,
)
from gradprobe.reports.statistics.paired import paired_difference
from gradprobe.reports.statistics.seeds import NAN, OverSeeds, band, over_seeds

_PARTS = {
    "train": "training",
    "selection": "validation (chooses epoch and start)",
    "meta": "validation (tunes weights)",
    "test": "test",
}
_MIB = 2.0**20


def of_study(study: StoredStudy[NodesManifest, NodeRun]) -> NodesSummary:
    """The summary of what lies in the folder of a study of node methods, with the words about its nodes."""
    summary = summarise_nodes(nodes_study(study))
    return replace(summary, explanations=_explanations(study, summary.snapshot))


def nodes_study(study: StoredStudy[NodesManifest, NodeRun]) -> NodesStudy:
    """What lies in the folder of a study of node methods."""
    manifest = study.manifest
    return NodesStudy(
        graph=manifest.graph,
        options={name: value for name, value in manifest.identity.items() if name not in ("graph", "data")},
        methods=manifest.methods,
        cells=len(manifest.cells),
        runs=tuple(study.results.values()),
        failures={key.id: problem for key, problem in study.problems().items()},
    )


def summarise_nodes(study: NodesStudy) -> NodesSummary:
    """Everything that the report says, from the runs that have finished."""
    by_pair: dict[tuple[str, str], list[NodeRun]] = {}
    for run in study.runs:
        by_pair.setdefault((run.key.model, run.key.method), []).append(run)
    models = list(dict.fromkeys(model for model, _ in by_pair))
    shown = [
        _run(model, method, by_pair[model, method], by_pair.get((model, BASE), []))
        for model in models
        for method in _in_families(study.methods)
        if (model, method) in by_pair
    ]
    # Where one run is looked at, it is of the first model and of its last whole method.
    whole = [by_pair[run.model, run.method] for run in shown if run.model == models[0] and not run.is_variant]
    return NodesSummary(
        graph=_facts(study),
        runs=tuple(shown),
        cells=study.cells,
        epochs=int(str(study.options["epochs"])),
        candidates=int(str(study.options["candidates"])),
        options=_options(study),
        starts=_starts(whole[-1] if whole else [], int(str(study.options["trial_epochs"]))),
        snapshot=_snapshot(whole),
        failed=study.failures,
    )


def _in_families(methods: Iterable[str]) -> list[str]:
    """Methods in their order, each followed by its variants that lack a part."""
    order = list(dict.fromkeys(method.partition("-no-")[0] for method in methods))
    return sorted(methods, key=lambda method: (order.index(method.partition("-no-")[0]), "-no-" in method))


def _facts(study: NodesStudy) -> GraphFacts:
    graph = study.graph
    parts = study.runs[0].parts if study.runs else {}
    return GraphFacts(
        name=graph.name,
        nodes=graph.nodes,
        edges=graph.edges,
        features=graph.features,
        classes=graph.classes,
        homophily=_number(graph.homophily),
        splits=graph.splits,
        parts={name: parts[part] for part, name in _PARTS.items() if part in parts},
        notes=graph.notes,
    )


def _run(model: str, method: str, runs: Sequence[NodeRun], base: Sequence[NodeRun]) -> RunSummary:
    reasoned = [float(np.mean([epoch.reasoning for epoch in run.history])) for run in runs]
    seconds, others = ({run.key.seed: run.seconds for run in found} for found in (runs, base))
    return RunSummary(
        model=model,
        method=method,
        seeds=len(runs),
        test={name: over_seeds([*_by_seed(runs, "test", name).values()]) for name in SCORES},
        validation={name: over_seeds([*_by_seed(runs, "validation", name).values()]) for name in SCORES},
        differences={
            name: paired_difference(_by_seed(runs, "test", name), _by_seed(base, "test", name))
            for name in SCORES
            if method != BASE
        },
        accuracy=band(_courses(runs, lambda epoch: epoch.accuracy)),
        energy=band(_courses(runs, lambda epoch: _number(epoch.energy))),
        untouched=0 if method == BASE else sum(_is_untouched(run) for run in runs),
        open=band(_courses(runs, lambda epoch: float(epoch.reasoning))),
        openness=band(_courses(runs, lambda epoch: epoch.openness)),
        open_share=over_seeds(reasoned),
        seconds=over_seeds(list(seconds.values())),
        memory=over_seeds([run.memory / _MIB for run in runs]),
        slowdown=OverSeeds(NAN, NAN, NAN, 0)
        if method == BASE
        else over_seeds([own / others[seed] for seed, own in seconds.items() if seed in others]),
    )


def _is_untouched(run: NodeRun) -> bool:
    """Whether no epoch up to the one whose parameters are scored reasoned."""
    return not any(epoch.reasoning for epoch in run.history if epoch.epoch <= run.best_epoch)


def _by_seed(runs: Sequence[NodeRun], part: str, name: str) -> dict[int, float]:
    """A score of each seed; `part` is test or validation."""
    return {run.key.seed: _number(getattr(getattr(run, part), name)) for run in runs}


def _courses(runs: Sequence[NodeRun], value: Callable[[NodeEpochRow], float]) -> list[Mapping[int, float]]:
    return [{epoch.epoch: value(epoch) for epoch in run.history} for run in runs]


def _options(study: NodesStudy) -> tuple[tuple[str, str], ...]:
    """What all runs share, the parts of each method, and the numbers that the methods share."""
    shared = [
        (name.replace("_", " "), str(value))
        for name, value in study.options.items()
        if name not in ("epochs", "candidates") and value != {}
    ]
    parts = [
        (f"parts of {method}", ", ".join(name for name, on in options.items() if on is True) or "none")
        for method, options in study.methods.items()
    ]
    last = list(study.methods.values())[-1] if study.methods else {}
    numbers = [
        f"{name.replace('_', ' ')} {value}" for name, value in last.items() if not isinstance(value, bool)
    ]
    return (*shared, *parts, ("numbers of the parts", ", ".join(numbers)))


def _starts(runs: Sequence[NodeRun], trial_epochs: int) -> Starts | None:
    run = next((run for run in runs if run.trials), None)
    if run is None:
        return None
    accuracies = tuple(trial.accuracy for trial in run.trials)
    return Starts(
        model=run.key.model,
        method=run.key.method,
        seed=run.key.seed,
        accuracies=accuracies,
        chosen=run.chosen,
        trial_epochs=min(trial_epochs, len(accuracies[0])),
    )


def _snapshot(methods: Sequence[Sequence[NodeRun]]) -> Snapshot | None:
    """The last method's, but rather one whose later moment is later: a gate may open after the best epoch."""
    detailed = [(run, run.snapshot) for runs in methods for run in runs if run.snapshot is not None]
    moved = [(run, found) for run, found in detailed if found.before.epoch < found.after.epoch]
    if not detailed:
        return None
    run, found = (moved or detailed)[-1]
    return Snapshot(
        model=run.key.model,
        method=run.key.method,
        seed=run.key.seed,
        total=found.total,
        nodes=np.array(found.nodes, dtype=np.int64),
        moments=(
            _moment(f"epoch {found.before.epoch}", found.before),
            _moment(f"epoch {found.after.epoch}, which is scored", found.after),
        ),
        degree=np.array(found.degree, dtype=np.int64),
        clustering=_numbers(found.clustering),
        alignment_before=_numbers(found.alignment_before),
        alignment_after=_numbers(found.alignment_after),
        zero_share=found.zero_share,
        star=None if found.neighbourhood is None else Star(**found.neighbourhood.model_dump()),
        features=np.stack([_numbers(row) for row in found.features]),
        predicted=np.array(found.predicted, dtype=np.int64),
        probability=_numbers(found.probability),
    )


def _explanations(
    study: StoredStudy[NodesManifest, NodeRun], snapshot: Snapshot | None
) -> tuple[NodeExplanation, ...]:
    """What was said of the snapshot's most conflicted nodes; words about others are out of date."""
    stored = read_record(study.folder.path / EXPLANATIONS, NodeExplanations)
    if snapshot is None or stored is None:
        return ()
    nodes = snapshot.nodes[snapshot.most_conflicted].tolist()
    return stored.entries if [entry.node for entry in stored.entries] == nodes else ()


def _moment(name: str, found: NodeMoment) -> Moment:
    return Moment(name, np.array(found.embedding), np.array(found.conflicting, dtype=bool))


def _number(value: float | None) -> float:
    return NAN if value is None else value


def _numbers(values: Numbers) -> FloatArray:
    return np.array([_number(value) for value in values], dtype=np.float64)
