"""The tables of a report, as text: HTML and terminal show the same cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradprobe.reports.averages import Estimate
from gradprobe.reports.leverage import THRESHOLD
from gradprobe.reports.scores import CombinerScore
from gradprobe.reports.summary import EncoderSummary, Summary
from gradprobe.reports.wording import ABSENT, UNDEFINED, count, interval, join, number, spread
from gradprobe.trace import SplitName

SPLIT_NAMES = {"minibatch": "minibatch", "heldout": "held-out", "train": "train"}
QUANTITY_NAMES = {
    "cosine": "focal–auxiliary cosine",
    "norm_ratio": "norm ratio",
    "overlap": "gradient overlap",
    "conflict_energy": "conflict energy",
    "conflict_energy_per_pair": "conflict energy per pair",
    "negative_fraction": "negative fraction",
    "negative_mass": "negative mass",
}


@dataclass(frozen=True)
class Table:
    """Rows of text under `columns`; the first `names` columns hold names, the others numbers.

    `note` says what the numbers are; a `folded` table is background and may be hidden at first.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    names: int = 1
    folded: bool = False


def encoders(summary: Summary) -> Table:
    """Encoders side by side."""
    metric = summary.metric
    score = () if metric is None else (f"{metric.name}, averaging",)
    rows = tuple(
        (
            encoder.name,
            _maybe(encoder.cosine("minibatch")),
            *_start_and_end(encoder, "heldout"),
            *_start_and_end(encoder, "train"),
            _maybe(encoder.rank.raw if encoder.rank else None),
            _maybe(_mean_of(encoder, "overlap")),
            number(encoder.chance) if encoder.parameters else ABSENT,
            *(() if metric is None else (_average_score(encoder),)),
        )
        for encoder in summary.encoders
    )
    return Table(
        title="Encoders side by side" if summary.of_study else "The run",
        columns=(
            "encoder" if summary.of_study else "run",
            "cosine, minibatch",
            "cosine, held-out at start",
            "cosine, held-out at end",
            "cosine, train at start",
            "cosine, train at end",
            "effective rank",
            "overlap",
            "overlap by chance",
            *score,
        ),
        rows=rows,
        note=_encoders_note(summary),
    )


def _encoders_note(summary: Summary) -> str:
    parts = [
        "Cosines are means over auxiliaries; the minibatch column averages over the measured steps too, "
        "start is before the first update, end the last measurement.",
        "Brackets: lowest to highest seed.",
    ]
    for encoder in summary.encoders:
        if encoder.gradients is not None and summary.of_study:
            parts.append(f"{encoder.name}: trained with {encoder.combiner}, {count(len(encoder.seeds), 'seed')}.")
        if encoder.rank is not None:
            rank = encoder.rank
            parts.append(
                f"Effective rank of {encoder.name}: {SPLIT_NAMES[rank.split]}, at most {rank.most} "
                f"({rank.rows} rows, width {rank.width}); centred {spread(rank.centred)}."
            )
    return " ".join(parts)


def over_training(summary: Summary, names: Sequence[str], title: str) -> Table:
    """The quantities `names` on every measured split of every encoder, averaged over steps."""
    rows = []
    for encoder in summary.encoders:
        for split, found in encoder.gradients.splits.items() if encoder.gradients else ():
            rows.append(
                (
                    encoder.name,
                    SPLIT_NAMES[split],
                    *(spread(found.mean[name]) if found.mean[name].seeds else _why(found.mean[name], found.undefined, name) for name in names),
                    str(found.steps),
                )
            )
    columns = (*(QUANTITY_NAMES[name] for name in names), "measurements")
    note = "Means over the steps after the first update, then over seeds; brackets: lowest to highest seed."
    return Table(title, ("encoder", "split", *columns), tuple(rows), note, names=2)


def _why(estimate: Estimate, undefined: object, name: str) -> str:
    assert isinstance(undefined, dict)
    return UNDEFINED if any(quantity == name for quantity, _ in undefined) else ABSENT


def auxiliaries(summary: Summary) -> Table:
    """Every auxiliary of every encoder: its cosine with the focal task on each split, its norm ratio."""
    rows = []
    for encoder in summary.encoders:
        details = encoder.gradients.details if encoder.gradients is not None else {}
        for position, task in enumerate(summary.tasks[1:] if summary.focal else ()):
            cosines = [_pair(details, split, position) for split in ("minibatch", "heldout", "train")]
            ratio = number(float(details["minibatch"].ratios[position])) if "minibatch" in details else ABSENT
            rows.append((task, encoder.name, *cosines, ratio))
    return Table(
        title="Every auxiliary",
        columns=("auxiliary", "encoder", "cosine, minibatch", "cosine, held-out", "cosine, train", "norm ratio"),
        rows=tuple(rows),
        note="Means over steps after the first update, then over seeds. Norm ratio: focal over auxiliary, "
        "geometric mean over minibatches.",
        names=2,
        folded=True,
    )


def _pair(details: object, split: SplitName, position: int) -> str:
    assert isinstance(details, dict)
    return number(float(details[split].pairs[0, position + 1])) if split in details else ABSENT


def combiner_scores(summary: Summary) -> Table:
    """The focal test score of every combiner, and its paired difference from averaging."""
    metric = summary.metric
    assert metric is not None
    rows = []
    for encoder in summary.encoders:
        for score in encoder.scores:
            difference = score.difference
            rows.append(
                (
                    encoder.name,
                    score.combiner,
                    spread(score.estimate) if score.values else "no finished cell",
                    "" if difference is None else number(difference.mean, signed=True) if difference.seeds else ABSENT,
                    "" if difference is None else interval(difference) if difference.seeds > 1 else ABSENT,
                    str(difference.seeds if difference is not None else score.estimate.seeds),
                )
            )
    return Table(
        title=f"{metric.name} of {summary.focal} on the test fold ({metric.direction})",
        columns=("encoder", "combiner", metric.name, "minus averaging", "95% interval", "seeds"),
        rows=tuple(rows),
        note="Differences are paired by seed; the interval is Student's t over the paired seeds, and needs two.",
        names=2,
    )


def difference_of(score: CombinerScore) -> str:
    """A combiner's paired difference from averaging with its interval, where it has one."""
    found = score.difference
    if found is None or found.seeds == 0:
        return ABSENT
    value = number(found.mean, signed=True)
    return f"{value} ({interval(found)})" if found.seeds > 1 else f"{value} (one seed)"


def leverages(summary: Summary) -> Table:
    """The leverage of every combiner on every encoder."""
    rows = []
    for encoder in summary.encoders:
        for leverage in encoder.leverages:
            rows.append(
                (
                    encoder.name,
                    leverage.combiner,
                    number(leverage.mean) if leverage.steps else ABSENT,
                    number(leverage.largest) if leverage.steps else ABSENT,
                    f"{leverage.steps} of {leverage.measured}",
                    leverage.reason,
                )
            )
    return Table(
        title="Leverage: 1 − cos(update, averaging's update)",
        columns=("encoder", "combiner", "mean", "largest", "steps", "undefined because"),
        rows=tuple(rows),
        note=f"At the measured minibatch steps of the runs with averaging. At most {number(THRESHOLD)} at every "
        "step: the combiner cannot have mattered there. Only directions are compared, not step lengths.",
        names=2,
    )


def undefined_counts(summary: Summary) -> Table:
    """How often a quantity had no value, and why: undefined is skipped, never counted as zero."""
    rows = []
    for encoder in summary.encoders:
        for split, found in encoder.gradients.splits.items() if encoder.gradients else ():
            for (name, reason), times in found.undefined.items():
                rows.append((encoder.name, SPLIT_NAMES[split], QUANTITY_NAMES[name], f"{times} of {found.steps}", reason))
    columns = ("encoder", "split", "quantity", "undefined", "because")
    return Table("Undefined measurements", columns, tuple(rows), names=3)


def cells(summary: Summary) -> Table:
    """The cells that did not finish, with the reason or how far they have come."""
    rows = tuple((cell.cell, cell.state, cell.note) for cell in summary.provenance.unfinished)
    return Table("Cells without a result", ("cell", "state", "why, or how far"), rows, names=3)


def damages(summary: Summary) -> Table:
    """Traces that could not be read, or not in full."""
    rows = tuple((cell.cell, cell.state, cell.note) for cell in summary.provenance.damaged)
    return Table("Damaged traces", ("cell", "state", "why"), rows, names=3)


def tasks(summary: Summary) -> Table:
    """The tasks of a study."""
    rows = tuple(
        (name, "focal" if name == summary.focal else "auxiliary", entry.kind, str(entry.n))
        for name, entry in ((name, summary.entries[name]) for name in summary.tasks if name in summary.entries)
    )
    return Table("Tasks", ("task", "role", "kind", "labelled molecules"), rows, names=3, folded=True)


def pairs_table(title: str, pairs: Sequence[tuple[str, str]], *, folded: bool = False) -> Table:
    """A table of names and values."""
    return Table(title, ("", ""), tuple(pairs), names=2, folded=folded)


def trunks(summary: Summary) -> Table:
    """The trunk of every encoder."""
    rows = tuple(
        (encoder.name, str(encoder.parameters), join(encoder.gradients.layers))
        for encoder in summary.encoders
        if encoder.gradients is not None
    )
    return Table("Trunks", ("encoder", "parameters", "layers"), rows, names=3, folded=True)


def _maybe(estimate: Estimate | None) -> str:
    return ABSENT if estimate is None else spread(estimate)


def _mean_of(encoder: EncoderSummary, name: str) -> Estimate | None:
    found = encoder.gradients.splits.get("minibatch") if encoder.gradients is not None else None
    return None if found is None else found.mean[name]


def _start_and_end(encoder: EncoderSummary, split: SplitName) -> tuple[str, str]:
    """Cosines before training and at the last measurement; a dash where that was not measured."""
    found = encoder.gradients.splits.get(split) if encoder.gradients is not None else None
    if found is None:
        return ABSENT, ABSENT
    course = found.course["cosine"].steps
    start = spread(found.before["cosine"]) if -1 in course else ABSENT
    return start, spread(found.end["cosine"]) if any(step >= 0 for step in course) else ABSENT


def _average_score(encoder: EncoderSummary) -> str:
    found = next((score for score in encoder.scores if score.combiner == "average"), None)
    return spread(found.estimate) if found is not None and found.values else ABSENT
