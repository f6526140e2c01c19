"""The tables of an editing report."""

from __future__ import annotations

from gradprobe.records.editing import NAMES, ModelKind, Protocol
from gradprobe.reports.editing.summary import (
    BASELINES,
    EditSummary,
    Inconsistency,
    MethodSummary,
)
from gradprobe.reports.kit.document import Table, facts
from gradprobe.reports.kit.numbers import ABSENT, cell, difference, number
from gradprobe.reports.kit.words import count
from gradprobe.reports.statistics.seeds import over_seeds


def outcomes(summary: EditSummary, model: ModelKind, protocol: Protocol) -> Table:
    """What each method reached and what it cost elsewhere."""
    return Table(
        f"{NAMES[model]}, {protocol} edits",
        (
            "method",
            "success",
            "right at the end",
            "test lost, mean",
            "test lost, worst",
            "train lost, mean",
            "train lost, worst",
            "training loss, change",
            "steps",
            "seconds",
        ),
        tuple(_outcome(found) for found in summary.of(model, protocol)),
        note="Means over seeds, lowest and highest seed below. Lost: accuracy before the first edit minus "
        "accuracy after an edit; mean and worst over a seed's edits. Test accuracy leaves the targets out. "
        "Change of the training loss, steps and seconds: mean over edits.",
    )


def savings(summary: EditSummary) -> Table:
    """Paired differences of the mean harm of edits."""
    rows = [
        (
            NAMES[found.model],
            found.protocol,
            NAMES[found.method],
            NAMES[BASELINES[found.method]],
            *(difference(part) for part in (found.saved.test, found.saved.train, found.saved.loss)),
            number(1.0 - found.opposed_after.mean) if found.opposed_after.seeds else ABSENT,
            cell(found.freshness) if found.freshness.seeds else ABSENT,
        )
        for found in summary.methods
        if found.saved is not None
    ]
    return Table(
        "What a method saves against its baseline",
        (
            "model",
            "protocol",
            "method",
            "against",
            "test accuracy",
            "training accuracy",
            "training loss",
            "anchors unopposed",
            "freshness at the end",
        ),
        tuple(rows),
        note="Mean harm over edits of what a method is compared with, minus that of the method: accuracy "
        "lost, training loss gained; positive: the method harms less. Paired by seed, 95% t interval. "
        "Anchors unopposed: share at the first step of an edit. Freshness: cosine of the stored "
        "training gradient with the true one before the last edit at which it was measured; 1 is fresh.",
        names=4,
    )


def inconsistencies(summary: EditSummary) -> Table:
    """Discrepancy of single nodes' gradients from the training gradient."""
    return Table(
        "Gradients of single nodes against the training gradient",
        ("model", "nodes", "RMSE", "relative", "cosine", "share opposed"),
        tuple(row for found in summary.inconsistency for row in _inconsistency(found)),
        note="Of the trained, unedited model. Medians over nodes, mean over seeds, lowest and highest seed "
        "below. RMSE: distance over the root of the number of parameters (the source's text); relative: "
        "distance over the length of the training gradient (its released code). Both grow with a node's "
        "loss; the cosine does not.",
        names=2,
    )


def options(summary: EditSummary) -> Table:
    """The graph, and what all cells have in common."""
    graph, shared = summary.graph, summary.options
    rows = [
        ("graph", f"{graph.name}: {graph.nodes} nodes, {graph.edges} edges, {graph.classes} classes"),
        *(("note", note) for note in graph.notes),
        (
            "models",
            f"{count(shared.layers, 'layer')}, {shared.width} wide, Adam 0.01 for at most {shared.epochs} "
            "epochs, weight decay 0.0005, dropout 0.5, best validation epoch; rows of features sum to 1",
        ),
        (
            "targets",
            f"{shared.edits} at most, drawn by the seed from validation and test nodes predicted wrongly",
        ),
        (
            "edits",
            f"plain SGD, learning rate {shared.learning_rate:g}, at most {shared.max_steps} steps, eval mode "
            "for targets and anchors",
        ),
        (
            "anchors",
            f"{count(shared.anchors, 'part')} of the training nodes, stratified and shuffled, taken "
            + (f"every {count(shared.refresh, 'edit')}" if shared.refresh else "once, before the first edit"),
        ),
        *_trained(summary),
        ("seconds", number(sum(run.seconds for run in summary.runs))),
    ]
    return facts("The runs", tuple(rows))


def failures(summary: EditSummary) -> Table:
    """Cells that did not finish, and why."""
    return Table("Cells that failed", ("cell", "why"), tuple(summary.failures.items()), names=2)


def _outcome(found: MethodSummary) -> tuple[str, ...]:
    return (
        NAMES[found.method],
        cell(found.success),
        cell(found.retained),
        *map(cell, (found.test_lost, found.test_worst, found.train_lost, found.train_worst)),
        cell(found.loss_rise),
        cell(found.steps),
        cell(found.seconds),
    )


def _inconsistency(found: Inconsistency) -> list[tuple[str, ...]]:
    fields = (found.rmse, found.relative, found.cosine, found.opposed)
    return [
        (NAMES[found.model], name, *(cell(field[side]) for field in fields))
        for side, name in enumerate(("predicted wrongly", "predicted right"))
    ]


def _trained(summary: EditSummary) -> list[tuple[str, str]]:
    rows = []
    for model in summary.models:
        cells = [run for run in summary.runs if run.key.model == model]
        scores = (over_seeds([getattr(run, part) for run in cells]) for part in ("train", "test"))
        said = ", ".join(
            f"{name} accuracy {number(score.mean)}"
            for name, score in zip(("training", "test"), scores, strict=True)
        )
        wrong = over_seeds([float(run.wrong) for run in cells])
        run = cells[0].runs[0]
        sizes = f"{run.parameters} parameters edited, {run.anchor_bytes / 2**20:.2f} MiB of anchors"
        rows.append((NAMES[model], f"{said}; {number(wrong.mean)} wrong predictions; {sizes}"))
    return rows
