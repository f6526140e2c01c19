"""Do predicted gains foretell test scores? Predictions from averaging against really trained combiners.

    python benchmarks/calibration.py STUDY... [--measured FOLDER] [--part 0.25] [--figure FILE] [--json FILE]

STUDY are folders of finished studies with averaging and other combiners. A setting is one study and
encoder. Predictions are read off the first part of the steps of its averaging runs; where another study
measured those runs, --measured is the folder that holds it under the same name.

Compared are, over settings and combiners, the predicted gain over averaging at equal step length and the
test score's improvement over averaging, paired by seed: Spearman's rank correlation, with an interval from
resampling whole settings, whose combiners are not independent.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from gradprobe.geometry import Gramian
from gradprobe.records.compare import SINGLE_TASK
from gradprobe.reports.compare.candidates import AVERAGE
from gradprobe.reports.compare.decision import Outcome, outcome_of
from gradprobe.reports.compare.prospect import outlooks, pooled_of
from gradprobe.reports.compare.scores import focal_metric, scores
from gradprobe.reports.compare.source import Cell, read_source
from gradprobe.reports.compare.trials import Rows
from gradprobe.reports.kit import colours
from gradprobe.reports.kit.plots.canvas import drawing, panels, png

ROWS: tuple[Rows, ...] = ("heldout", "fresh")
RESAMPLES = 2000


@dataclass(frozen=True)
class Point:
    """One combiner in one setting: what was predicted, and what came of training with it.

    Gains are first-order decreases of the focal loss per unit step, over averaging and (`control`) over
    averaging at the combiner's focal share; None where they could not be predicted. `improvement` is
    positive where the score is better than averaging's; `call` what the rule of the report says.
    """

    setting: str
    encoder: str
    combiner: str
    seeds: int
    steps: int
    heldout: float | None
    heldout_control: float | None
    fresh: float | None
    fresh_control: float | None
    improvement: float
    improvement_low: float
    improvement_high: float
    call: str


def main() -> None:
    """Read the studies, print the points and correlations, write figure and JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="+", type=Path, metavar="STUDY")
    parser.add_argument(
        "--measured", type=Path, help="folder with the measured averaging runs, by study name"
    )
    parser.add_argument(
        "--part", type=float, default=0.25, help="the first part of the steps to predict from"
    )
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    points = [
        point
        for study in options.studies
        for point in points_of(study, (options.measured or study.parent) / study.name, options.part)
    ]
    _show(points)
    found = {rows: correlation(points, rows) for rows in (*ROWS, *(f"{rows}_control" for rows in ROWS))}
    for rows, (rho, low, high, within) in found.items():
        interval = f"95% interval {low:.2f} to {high:.2f}"
        print(f"{rows}: Spearman {rho:.2f} ({interval}), mean within settings {within:.2f}")
    if options.figure:
        options.figure.write_bytes(figure(points))
    if options.json:
        content = {"points": [asdict(point) for point in points], "spearman": found}
        options.json.write_text(json.dumps(content, indent=1) + "\n")


def points_of(study: Path, measured: Path, part: float) -> list[Point]:
    """The points of all encoders of a study."""
    source, judge = read_source(study), read_source(measured)
    manifest = source.manifest
    assert manifest is not None
    given = manifest.options.get("combiner_options")
    options = given if isinstance(given, dict) else {}
    metric = focal_metric(manifest)
    points = []
    for encoder in manifest.encoders:
        cells = [cell for cell in source.cells if cell.key.encoder == encoder]
        finished = [cell.metrics.steps for cell in cells if cell.metrics and cell.key.combiner == AVERAGE]
        own = [c for c in judge.cells if (c.key.encoder, c.key.combiner) == (encoder, AVERAGE)]
        runs = [_first(cell, part * max(finished, default=0)) for cell in own]
        outcomes = {rows: outcome_of(runs, rows, focal=source.focal, options=options) for rows in ROWS}
        sign = -1.0 if metric.lower_is_better else 1.0
        for score in scores(cells, manifest, metric):
            found = score.difference
            if found is None or not found.seeds or score.combiner == SINGLE_TASK or not any(runs):
                continue
            ends = sorted((sign * found.low, sign * found.high))
            predicted = {rows: _gains(outcome, score.combiner) for rows, outcome in outcomes.items()}
            first = next((outcome for outcome in outcomes.values() if outcome is not None), None)
            points.append(
                Point(
                    setting=source.name,
                    encoder=encoder,
                    combiner=score.combiner,
                    seeds=found.seeds,
                    steps=0 if first is None else first.steps,
                    heldout=predicted["heldout"][0],
                    heldout_control=predicted["heldout"][1],
                    fresh=predicted["fresh"][0],
                    fresh_control=predicted["fresh"][1],
                    improvement=sign * found.mean,
                    improvement_low=ends[0],
                    improvement_high=ends[1],
                    call=_call(first, score.combiner),
                )
            )
    return points


def correlation(points: Sequence[Point], rows: str) -> tuple[float, float, float, float]:
    """Spearman's rank correlation, its interval over settings, and its mean within settings."""
    known = [point for point in points if getattr(point, rows) is not None]
    if len(known) < 3:
        return (float("nan"),) * 4
    settings = sorted({(point.setting, point.encoder) for point in known})
    groups = [[p for p in known if (p.setting, p.encoder) == setting] for setting in settings]
    generator = np.random.default_rng(0)
    drawn = generator.integers(0, len(groups), size=(RESAMPLES, len(groups)))
    resampled = [_spearman([p for place in chosen for p in groups[place]], rows) for chosen in drawn]
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    within = [_spearman(group, rows) for group in groups if len(group) > 2]
    return _spearman(known, rows), float(low), float(high), float(np.nanmean(within))


def figure(points: Sequence[Point]) -> bytes:
    """Predicted held-out gain against the improvement of the score, one panel an encoder, as PNG."""
    encoders = list(dict.fromkeys(point.encoder for point in points))
    with drawing():
        drawn, axes = panels([2.6] * len(encoders), extra=0.8)
        for panel, encoder in zip(axes, encoders, strict=True):
            for point in points:
                if point.encoder == encoder and point.heldout is not None:
                    colour = colours.of_combiner(point.combiner)
                    panel.plot(
                        [point.heldout] * 2,
                        [point.improvement_low, point.improvement_high],
                        color=colour,
                        linewidth=0.8,
                        alpha=0.5,
                    )
                    panel.plot(
                        [point.heldout],
                        [point.improvement],
                        "o",
                        color=colour,
                        label=point.combiner,
                        markersize=5,
                    )
            panel.axhline(0.0, color=colours.FAINT, linewidth=0.9)
            panel.axvline(0.0, color=colours.FAINT, linewidth=0.9)
            reach = 1.2 * max(abs(p.improvement) for p in points if p.encoder == encoder)
            panel.set_ylim(-reach, reach)
            panel.set_title(encoder)
            panel.set_ylabel("test score's improvement")
        axes[-1].set_xlabel("predicted held-out gain over averaging")
        handles, names = axes[0].get_legend_handles_labels()
        kept = dict(zip(names, handles, strict=True))
        drawn.legend(list(kept.values()), list(kept), loc="outside upper center", ncols=3)
        return png(drawn)


def _first(cell: Cell, steps: float) -> list[Gramian]:
    records = () if cell.trace is None else cell.trace.gramians
    return [r.gramian for r in records if r.split == "minibatch" and 0 <= r.step < steps]


def _gains(outcome: Outcome | None, combiner: str) -> tuple[float | None, float | None]:
    found = None if outcome is None else outcome.of(combiner)
    if found is None or found.gain is None:
        return None, None
    compared = found.gain.equal_length
    return _finite(float(pooled_of(compared.gain))), _finite(float(pooled_of(compared.gain_over_control)))


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _call(outcome: Outcome | None, combiner: str) -> str:
    """The report's rule, all combiners that could be tried judged together."""
    if outcome is None:
        return ""
    found = outlooks(outcome).get(combiner)
    return "" if found is None else found.prospect.value


def _spearman(points: Sequence[Point], rows: str) -> float:
    predicted = [getattr(point, rows) for point in points]
    if len(set(predicted)) < 2:
        return float("nan")
    return float(spearmanr(predicted, [point.improvement for point in points]).statistic)


def _show(points: Sequence[Point]) -> None:
    names = [name for name in Point.__dataclass_fields__ if name != "steps"]
    print("  ".join(f"{name:>16}" for name in names))
    for point in points:
        cells = [getattr(point, name) for name in names]
        print("  ".join(f"{c:>16.4f}" if isinstance(c, float) else f"{c!s:>16}" for c in cells))


if __name__ == "__main__":
    main()
