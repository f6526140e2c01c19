"""Tables along an axis and of the claims."""

from __future__ import annotations

from gradprobe.records.claims import Contrast
from gradprobe.reports.compare.axes.claims import ClaimOutcome
from gradprobe.reports.compare.axes.lines import Axis, Sweep
from gradprobe.reports.compare.axes.measures import NAMES
from gradprobe.reports.compare.axes.words import text
from gradprobe.reports.kit.document import Table
from gradprobe.reports.kit.numbers import ABSENT, cell, number, ranged, signed, two_digits
from gradprobe.reports.statistics.paired import Paired

_SHOWN = ("error", "minibatch", "minibatch_corrected", "train", "heldout", "rank", "overlap")
_EXPECTED = {"above": "above {}", "below": "below −{}", "within": "within ±{}"}


def along(axis: Axis) -> Table:
    """The measures at every value of an axis, by encoder and combiner."""
    return Table(
        title=f"Along {axis.name}",
        columns=(axis.name, "encoder", "combiner", *(NAMES[name] for name in _SHOWN)),
        rows=tuple(
            (
                text(value),
                line.encoder,
                line.combiner,
                *(cell(line.at(value, name), number) for name in _SHOWN),
            )
            for value in axis.values
            for line in axis.lines
            if value in line.values
        ),
        note="Mean over seeds, with the lowest and the highest.",
        names=3,
    )


def changes(axis: Axis) -> Table:
    """Differences from the first value of the axis, paired by seed."""
    return Table(
        title=f"Differences along {axis.name}",
        columns=(axis.name, "encoder", "combiner", "focal test error", "minibatch cosine", "train cosine"),
        rows=tuple(
            (
                f"{text(value)} less {text(line.values[0])}",
                line.encoder,
                line.combiner,
                *(_difference(line.change(value, name)) for name in ("error", "minibatch", "train")),
            )
            for line in axis.lines
            for value in line.values[1:]
        ),
        note="Mean over seeds with its 95 % t interval; both cells of a seed have the same split and start.",
        names=3,
        folded=True,
    )


def claims(sweep: Sweep) -> Table:
    """Every claim of the study's presets with its outcome."""
    return Table(
        title="Claims",
        columns=("preset", "claim", "measure", "outcome", "expected", "found", "seeds"),
        rows=tuple(row for claim in sweep.claims for row in _claim_rows(claim)),
        note="Confirmed: the 95 % t interval over seeds lies where the claim expects it; a claim about "
        "several encoders or combiners is confirmed if each is. Not testable here: fewer than two seeds, or "
        "cells that the study lacks.",
        names=5,
    )


def kinships(sweep: Sweep) -> Table:
    """In which order auxiliaries are counted, and what they have in common with the focal task."""
    return Table(
        title=f"Auxiliaries in the order in which they are counted ({sweep.order})",
        columns=("auxiliary", "labels", "molecules shared with the focal task", "rank correlation over them"),
        rows=tuple(
            (
                kin.task,
                str(kin.labels),
                str(kin.shared),
                ABSENT if kin.correlation is None else signed(kin.correlation),
            )
            for kin in sweep.kinships
        ),
        note="Spearman's correlation over the labels of all folds; none from fewer than 20 molecules.",
        folded=True,
    )


def _claim_rows(found: ClaimOutcome) -> list[tuple[str, ...]]:
    claim = found.claim
    expected = (
        _EXPECTED[claim.expect].format(two_digits(claim.margin)) if claim.margin else f"{claim.expect} 0"
    )
    if not found.tested:
        return [
            (
                claim.preset,
                claim.text,
                ABSENT,
                f"{found.outcome.value}: {found.reason}",
                expected,
                ABSENT,
                "0",
            )
        ]
    rows: list[tuple[str, ...]] = []
    for each in found.tested:
        name = f"{claim.text} ({each.contrast.name})" if each.contrast.name else claim.text
        reason = f": {each.reason}" if each.reason else ""
        rows.append(
            (
                claim.preset,
                name,
                measures_in_words(each.contrast),
                f"{each.outcome.value}{reason}",
                expected,
                ranged(each.value, signed) if each.value.seeds else ABSENT,
                str(each.value.seeds),
            )
        )
    return rows


def measures_in_words(contrast: Contrast) -> str:
    """The measures that a contrast is made of."""
    return " and ".join(dict.fromkeys(NAMES[term.measure] for term in contrast.terms))


def _difference(found: Paired) -> str:
    return ranged(found, signed) if found.seeds else ABSENT
