"""The numbers beneath a sweep's claims and figures, as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence

from gradprobe.records.claims import MEASURES
from gradprobe.reports.compare.axes.claims import ClaimOutcome
from gradprobe.reports.compare.axes.lines import Axis, Sweep
from gradprobe.reports.compare.axes.tables import measures_in_words
from gradprobe.reports.compare.axes.words import text

_CLAIMS = (
    *("preset", "claim", "expect", "margin", "claim_outcome", "reason"),
    *("contrast", "measure", "outcome", "mean", "low", "high", "seeds"),
)


def cells(sweep: Sweep) -> str:
    """The measures of every finished cell: axes and measures as columns, undefined ones empty."""
    manifest = sweep.manifest
    rows = (
        {
            "cell": key.id,
            **{"encoder": key.encoder, "combiner": key.combiner, "seed": key.seed},
            **{name: text(value) for name, value in manifest.settings(key).items()},
            **_defined(values),
        }
        for key, values in sweep.measures.items()
        if _defined(values)
    )
    return _written(("cell", "encoder", "combiner", "seed", *manifest.axes, *MEASURES), rows)


def along(axis: Axis, measures: Sequence[str]) -> str:
    """Some measures of every cell on an axis: one row a cell."""
    rows = (
        {
            **{axis.name: text(value), "encoder": line.encoder, "combiner": line.combiner, "seed": seed},
            **_defined({name: line.by_seed[value, name][seed] for name in measures}),
        }
        for value in axis.values
        for line in axis.lines
        if value in line.values
        for seed in sorted(line.by_seed[value, measures[0]])
    )
    return _written((axis.name, "encoder", "combiner", "seed", *measures), rows)


def claims(sweep: Sweep) -> str:
    """The claims with their outcomes, one row a contrast."""
    return _written(_CLAIMS, (row for found in sweep.claims for row in _claim(found)))


def _claim(found: ClaimOutcome) -> list[dict[str, object]]:
    claim = found.claim
    own: dict[str, object] = {
        **{"preset": claim.preset, "claim": claim.text, "expect": claim.expect, "margin": claim.margin},
        **{"claim_outcome": found.outcome.value, "reason": found.reason},
    }
    rows = [
        {
            **own,
            **{"contrast": each.contrast.name, "measure": measures_in_words(each.contrast)},
            **{"outcome": each.outcome.value, "seeds": each.value.seeds},
            **_defined({"mean": each.value.mean, "low": each.value.low, "high": each.value.high}),
        }
        for each in found.tested
    ]
    return rows or [own]


def _defined(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if not math.isnan(value)}


def _written(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    content = io.StringIO()
    writer = csv.DictWriter(content, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return content.getvalue()
