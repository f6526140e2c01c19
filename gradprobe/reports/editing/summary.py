"""The numbers that an editing report shows, decided once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradprobe.records.editing import (
    EditKey,
    EditManifest,
    EditOptions,
    EditRun,
    Method,
    MethodRun,
    ModelKind,
    Protocol,
)
from gradprobe.records.graph import GraphRecord
from gradprobe.records.study import StoredStudy
from gradprobe.reports.statistics.paired import Paired, paired_difference
from gradprobe.reports.statistics.seeds import NAN, OverSeeds, mean_defined, over_seeds

BASELINES: Mapping[Method, Method] = {
    "gre": "gd",
    "gre_plus": "gd",
    "egnn": "gd",
    "egnn_gre": "egnn",
    "egnn_gre_plus": "egnn",
}
"""What each method is compared with: rewiring with the same model without it, EGNN with plain fine-tuning."""


@dataclass(frozen=True, eq=False)
class Drawdown:
    """What editing took away, of one score in one seed: positive is harm.

    `course` has one value an edit; `mean` and `worst` are over edits, `last` after the last one.
    """

    course: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over edits."""
        return float(mean_defined(np.array(self.course)))

    @property
    def worst(self) -> float:
        """The largest over edits."""
        return NAN if np.isnan(self.course).all() else float(np.nanmax(self.course))

    @property
    def last(self) -> float:
        """After the last edit."""
        return self.course[-1]


@dataclass(frozen=True)
class Saved:
    """A baseline's mean harm over edits minus a method's, paired by seed: positive where it harms less.

    Harm is the fall of test and of training accuracy, and the rise of the training loss.
    """

    test: Paired
    train: Paired
    loss: Paired


@dataclass(frozen=True, eq=False)
class MethodSummary:
    """One method under one protocol on one model; estimates are over seeds, of means over each seed's edits.

    `test` and `train` are its courses by seed; `lost` and `worst` the mean and the largest fall over edits.
    `saved` is what it saves against its baseline; None for the baseline. `opposed_before` and
    `opposed_after` are shares of the anchors that the edit opposes at its first step.
    """

    model: ModelKind
    protocol: Protocol
    method: Method
    seeds: tuple[int, ...]
    runs: tuple[MethodRun, ...]
    success: OverSeeds
    retained: OverSeeds
    steps: OverSeeds
    seconds: OverSeeds
    test: tuple[Drawdown, ...]
    train: tuple[Drawdown, ...]
    test_lost: OverSeeds
    test_worst: OverSeeds
    train_lost: OverSeeds
    train_worst: OverSeeds
    loss_rise: OverSeeds
    opposed_before: OverSeeds
    opposed_after: OverSeeds
    freshness: OverSeeds
    saved: Saved | None


@dataclass(frozen=True, eq=False)
class Inconsistency:
    """Gradients of nodes against the training gradient: of nodes predicted wrongly, and of as many right.

    Estimates are over seeds, of medians over nodes. `opposed` is the share of nodes whose gradient
    opposes the training gradient.
    """

    model: ModelKind
    rmse: tuple[OverSeeds, OverSeeds]
    relative: tuple[OverSeeds, OverSeeds]
    cosine: tuple[OverSeeds, OverSeeds]
    opposed: tuple[OverSeeds, OverSeeds]


@dataclass(frozen=True, eq=False)
class EditSummary:
    """An editing study: its cells, what each method did, and how far targets stood from training."""

    graph: GraphRecord
    options: EditOptions
    runs: tuple[EditRun, ...]
    methods: tuple[MethodSummary, ...]
    inconsistency: tuple[Inconsistency, ...]
    failures: Mapping[str, str]

    @property
    def models(self) -> tuple[ModelKind, ...]:
        """The models with a finished cell."""
        return tuple(dict.fromkeys(run.key.model for run in self.runs))

    def of(self, model: ModelKind, protocol: Protocol) -> tuple[MethodSummary, ...]:
        """The methods tried on a model under a protocol."""
        return tuple(found for found in self.methods if (found.model, found.protocol) == (model, protocol))


def of_study(study: StoredStudy[EditManifest, EditRun]) -> EditSummary:
    """The summary of what lies in the folder of an editing study."""
    manifest = study.manifest
    return summarise_edits(manifest.graph, manifest.shared, list(study.results.values()), study.problems())


def summarise_edits(
    graph: GraphRecord,
    options: EditOptions,
    runs: Sequence[EditRun],
    failures: Mapping[EditKey, str] | None = None,
) -> EditSummary:
    """The summary of finished cells, and of why others failed."""
    models = tuple(dict.fromkeys(run.key.model for run in runs))
    methods = [
        _method(model, protocol, method, [run for run in runs if run.key.model == model])
        for model in models
        for protocol in options.protocols
        for method in options.methods
    ]
    return EditSummary(
        graph=graph,
        options=options,
        runs=tuple(runs),
        methods=tuple(methods),
        inconsistency=tuple(
            _inconsistency(model, [r for r in runs if r.key.model == model]) for model in models
        ),
        failures={key.id: reason for key, reason in (failures or {}).items()},
    )


def test_drawdown(run: MethodRun) -> Drawdown:
    """The fall of test accuracy after each edit; NaN where no test node is left to score."""
    before = _number(run.before.test)
    return Drawdown(tuple(before - _number(edit.after.test) for edit in run.edits))


def train_drawdown(run: MethodRun) -> Drawdown:
    """The fall of training accuracy after each edit."""
    return Drawdown(tuple(run.before.train - edit.after.train for edit in run.edits))


def loss_rise(run: MethodRun) -> float:
    """The rise of the training loss, mean over edits."""
    return float(np.mean([edit.after.loss for edit in run.edits])) - run.before.loss


def cosines(run: MethodRun) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of the edits' first steps with their anchors before and after rewiring, of all edits."""
    return (
        np.array([_number(value) for edit in run.edits for value in edit.cosines_before]),
        np.array([_number(value) for edit in run.edits for value in edit.cosines_after]),
    )


def _method(model: ModelKind, protocol: Protocol, method: Method, cells: Sequence[EditRun]) -> MethodSummary:
    runs = {cell.key.seed: _find(cell, protocol, method) for cell in cells}

    def over(value: Callable[[MethodRun], float]) -> OverSeeds:
        return over_seeds([value(run) for run in runs.values()])

    return MethodSummary(
        model=model,
        protocol=protocol,
        method=method,
        seeds=tuple(runs),
        runs=tuple(runs.values()),
        success=over(lambda run: sum(e.right for e in run.edits) / sum(e.asked for e in run.edits)),
        retained=over(lambda run: run.retained),
        steps=over(lambda run: float(np.mean([edit.steps for edit in run.edits]))),
        seconds=over(lambda run: float(np.mean([edit.seconds for edit in run.edits]))),
        test=tuple(test_drawdown(run) for run in runs.values()),
        train=tuple(train_drawdown(run) for run in runs.values()),
        test_lost=over(lambda run: test_drawdown(run).mean),
        test_worst=over(lambda run: test_drawdown(run).worst),
        train_lost=over(lambda run: train_drawdown(run).mean),
        train_worst=over(lambda run: train_drawdown(run).worst),
        loss_rise=over(loss_rise),
        opposed_before=over(lambda run: _share_negative(cosines(run)[0])),
        opposed_after=over(lambda run: _share_negative(cosines(run)[1])),
        freshness=over(_last_freshness),
        saved=_saved(protocol, method, cells),
    )


def _saved(protocol: Protocol, method: Method, cells: Sequence[EditRun]) -> Saved | None:
    baseline = BASELINES.get(method)
    if baseline is None or baseline not in {run.method for cell in cells for run in cell.runs}:
        return None
    name = baseline

    def paired(harm: Callable[[MethodRun], float]) -> Paired:
        own, other = (
            {cell.key.seed: harm(_find(cell, protocol, which)) for cell in cells} for which in (method, name)
        )
        return paired_difference(other, own)

    return Saved(
        test=paired(lambda run: test_drawdown(run).mean),
        train=paired(lambda run: train_drawdown(run).mean),
        loss=paired(loss_rise),
    )


def _inconsistency(model: ModelKind, cells: Sequence[EditRun]) -> Inconsistency:
    def over(value: Callable[[np.ndarray], float], field: str) -> tuple[OverSeeds, OverSeeds]:
        wrong, right = (
            over_seeds([value(_values(cell, field, right=hit)) for cell in cells]) for hit in (False, True)
        )
        return wrong, right

    return Inconsistency(
        model=model,
        rmse=over(_median, "rmse"),
        relative=over(_median, "relative"),
        cosine=over(_median, "cosine"),
        opposed=over(_share_negative, "cosine"),
    )


def _values(cell: EditRun, field: str, *, right: bool) -> np.ndarray:
    return np.array([_number(getattr(node, field)) for node in cell.gradients if node.right is right])


def _find(cell: EditRun, protocol: Protocol, method: Method) -> MethodRun:
    return next(run for run in cell.runs if (run.protocol, run.method) == (protocol, method))


def _last_freshness(run: MethodRun) -> float:
    known = [edit.freshness for edit in run.edits if edit.freshness is not None]
    return known[-1] if known else NAN


def _share_negative(values: np.ndarray) -> float:
    """The share below zero of the defined values; rounding of a projection is no opposition."""
    defined = values[~np.isnan(values)]
    return float(np.mean(defined < -1e-6)) if defined.size else NAN


def _median(values: np.ndarray) -> float:
    return NAN if np.isnan(values).all() else float(np.nanmedian(values))


def _number(value: float | None) -> float:
    return NAN if value is None else value
