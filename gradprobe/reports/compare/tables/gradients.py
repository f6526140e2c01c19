"""What gradients do, what combiners score, what is undefined, and where the numbers come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradprobe.reports.compare.candidates import AVERAGE
from gradprobe.reports.compare.gradients import Detail
from gradprobe.reports.compare.leverage import THRESHOLD
from gradprobe.reports.compare.quantities import QUANTITY_NAMES, mean_cell, start_and_end_cells
from gradprobe.reports.compare.scores import CombinerScore, Metric
from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.kit.document import Table
from gradprobe.reports.kit.numbers import ABSENT, cell, number, signed, span
from gradprobe.reports.kit.words import SPLIT_NAMES, count, join

_MEANS = "Means over the steps from 0 on, then over seeds; second line: lowest to highest seed."


def encoders(summary: Summary) -> Table:
    """Encoders side by side, one a column, or the one run of a bare trace."""
    metric = summary.metric
    names = (
        "cosine, minibatch",
        "cosine, held-out, at the start",
        "cosine, held-out, at the end",
        "cosine, train, at the start",
        "cosine, train, at the end",
        "effective rank",
        "effective rank, centred",
        "gradient overlap",
        "overlap by chance",
        *((f"{metric.name} with averaging",) if metric is not None else ()),
    )
    by_encoder = [_encoder_cells(encoder) for encoder in summary.encoders]
    return Table(
        title="Focal–auxiliary cosines, effective rank, overlap"
        + (" and score" if metric is not None else ""),
        columns=("", *(encoder.name for encoder in summary.encoders)),
        rows=tuple((name, *cells) for name, *cells in zip(names, *by_encoder, strict=False)),
        note=_encoders_note(summary),
    )


def _encoder_cells(encoder: EncoderSummary) -> tuple[str, ...]:
    splits, rank = encoder.gradients.splits, encoder.rank
    average = next((score for score in encoder.scores if score.combiner == AVERAGE), None)
    return (
        mean_cell(splits.get("minibatch"), "cosine"),
        *start_and_end_cells(splits.get("heldout"), "cosine"),
        *start_and_end_cells(splits.get("train"), "cosine"),
        cell(rank.raw if rank is not None else None),
        cell(rank.centred if rank is not None else None),
        mean_cell(splits.get("minibatch"), "overlap"),
        number(encoder.chance) if encoder.parameters else ABSENT,
        cell(average.estimate if average is not None and average.values else None),
    )


def _encoders_note(summary: Summary) -> str:
    parts = [
        "Cosines and overlap on minibatches are means over the steps from 0 on; the start is "
        "before it, the end the last measurement. Second line: lowest to highest seed."
    ]
    for encoder in summary.encoders:
        if encoder.combiner and encoder.combiner != AVERAGE:
            parts.append(f"{encoder.name} was measured while training with {encoder.combiner}.")
    sizes: dict[str, list[str]] = {}
    for encoder in summary.encoders:
        if encoder.rank is not None:
            rank = encoder.rank
            size = f"at most {rank.most} ({SPLIT_NAMES[rank.split]}, {rank.rows} rows, width {rank.width})"
            sizes.setdefault(size, []).append(encoder.name)
    parts += [f"Effective rank of {join(names)}: {size}." for size, names in sizes.items()]
    return " ".join(parts)


def by_split(summary: Summary, names: Sequence[str], title: str, *, folded: bool = True) -> Table:
    """The quantities `names` on every measured split of every encoder, averaged over steps."""
    rows = tuple(
        (encoder.name, SPLIT_NAMES[split], *(mean_cell(found, name) for name in names), str(found.steps))
        for encoder in summary.encoders
        for split, found in encoder.gradients.splits.items()
    )
    columns = ("encoder", "split", *(QUANTITY_NAMES[name] for name in names), "measurements")
    return Table(title, columns, rows, _MEANS, names=2, folded=folded)


def auxiliaries(summary: Summary) -> Table:
    """Every auxiliary of every encoder: its cosine with the focal task on each split, its norm ratio."""
    rows = tuple(
        (
            task,
            encoder.name,
            *(
                _focal_pair(encoder.gradients.details, split, place)
                for split in ("minibatch", "heldout", "train")
            ),
            _norm_ratio(encoder.gradients.details, place),
        )
        for encoder in summary.encoders
        for place, task in enumerate(summary.auxiliaries)
    )
    return Table(
        title="Every auxiliary",
        columns=(
            "auxiliary",
            "encoder",
            "cosine, minibatch",
            "cosine, held-out",
            "cosine, train",
            "norm ratio",
        ),
        rows=rows,
        note="Means over the steps from 0 on, then over seeds. Norm ratio: focal over "
        "auxiliary, geometric mean over minibatches.",
        names=2,
        folded=True,
    )


def _focal_pair(details: Mapping[str, Detail], split: str, place: int) -> str:
    return number(float(details[split].pairs[0, place + 1])) if split in details else ABSENT


def _norm_ratio(details: Mapping[str, Detail], place: int) -> str:
    return number(float(details["minibatch"].ratios[place])) if "minibatch" in details else ABSENT


def combiner_scores(summary: Summary, metric: Metric) -> Table:
    """The focal test score of every combiner, and its paired difference from averaging."""
    rows = tuple(
        (
            encoder.name,
            score.combiner,
            cell(score.estimate) if score.values else ABSENT,
            *_difference_cells(score),
        )
        for encoder in summary.encoders
        for score in encoder.scores
    )
    return Table(
        title=f"{metric.name} of {summary.focal}, test fold ({metric.direction})",
        columns=("encoder", "combiner", metric.name, "minus averaging", "95% interval", "seeds"),
        rows=rows,
        note="Second line: lowest to highest seed. Differences are paired by seed; the interval is Student's "
        "t over the paired seeds and needs two.",
        names=2,
    )


def _difference_cells(score: CombinerScore) -> tuple[str, str, str]:
    found = score.difference
    if found is None:
        return "", "", str(score.estimate.seeds)
    mean = signed(found.mean) if found.seeds else ABSENT
    return mean, span(found.low, found.high, signed) if found.seeds > 1 else ABSENT, str(found.seeds)


def leverages(summary: Summary) -> Table:
    """The leverage of every combiner on every encoder."""
    rows = tuple(
        (
            encoder.name,
            leverage.combiner,
            number(leverage.mean) if leverage.steps else ABSENT,
            number(leverage.largest) if leverage.steps else ABSENT,
            f"{leverage.steps} of {leverage.measured}",
            leverage.reason,
        )
        for encoder in summary.encoders
        for leverage in encoder.leverages
    )
    columns = ("encoder", "combiner", "mean", "largest", "steps", "undefined because")
    note = (
        "1 − cos(update, averaging's update) at the measured minibatch steps of the runs with averaging. At "
        f"most {THRESHOLD:g} at every step: the combiner cannot have mattered there. Directions are "
        "compared, not step lengths. A combiner that visits tasks in random order draws from a fixed seed."
    )
    return Table("Leverage", columns, rows, note, names=2)


def undefined_counts(summary: Summary) -> Table:
    """How often a quantity had no value, and why: undefined is skipped, never counted as zero."""
    rows = tuple(
        (encoder.name, SPLIT_NAMES[split], QUANTITY_NAMES[name], f"{times} of {found.steps}", reason)
        for encoder in summary.encoders
        for split, found in encoder.gradients.splits.items()
        for (name, reason), times in found.undefined.items()
    )
    columns = ("encoder", "split", "quantity", "undefined", "because")
    return Table("Undefined measurements", columns, rows, names=5)


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
        (entry.name, "focal" if entry.name == summary.focal else "auxiliary", entry.kind, str(entry.n))
        for entry in summary.entries
    )
    return Table("Tasks", ("task", "role", "kind", "labelled molecules"), rows, names=3, folded=True)


def trunks(summary: Summary) -> Table:
    """The trunk of every encoder."""
    rows = tuple(
        (encoder.name, count(encoder.parameters, "parameter"), join(encoder.gradients.layers))
        for encoder in summary.encoders
        if encoder.parameters
    )
    return Table("Trunks", ("encoder", "parameters", "layers"), rows, names=3, folded=True)
