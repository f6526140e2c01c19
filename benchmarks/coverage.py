"""How often intervals hold the truth, and how often gains are found where there are none.

    python benchmarks/coverage.py [--quick] [--replicates 1000] [--json FILE]

Coverage: windows are drawn from populations with known gradients, and 95 % intervals of corrected
cosines, products, signal shares and predicted raw cosines are held against the truth. False gains: every
combiner whose weights depend on gradients is judged on pure noise, on a planted conflict, and, wrongly, on
the rows that made its update. One core, a few minutes.
"""

from __future__ import annotations

import argparse
import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from _populations import Population, gaussian, molecules, of_rows, pure_noise

from gradprobe import combiners
from gradprobe.geometry import (
    Estimate,
    FloatArray,
    FoldProducts,
    Trials,
    corrected_cosines,
    cosines,
    fresh_trials,
    gain,
    predicted_cosines,
    signal,
)
from gradprobe.reports.compare.candidates import candidates

Row = dict[str, object]
Counts = dict[str, float]
Draw = TypeVar("Draw")
# At this many standard errors of every squared norm the cosine's interval is held to 93-97 %.
TRUSTED = 3.0
PREDICTED_AT = 4.0
CONFLICT = np.array([[1.0, -0.7, -0.7], [-0.7, 1.0, 0.4], [-0.7, 0.4, 1.0]])


def main() -> None:
    """Run both studies, print their tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="40 replicates and no physchem, to see that it runs"
    )
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    replicates = 40 if options.quick else options.replicates
    cases = _coverage_cases() + ([] if options.quick else [_physchem_case()])
    found = {
        "coverage": _shown(coverage, coverage(cases, replicates)),
        "false_gains": _shown(false_gains, false_gains(replicates)),
    }
    if options.json:
        found = {study: [_without_nan(row) for row in rows] for study, rows in found.items()}
        options.json.write_text(json.dumps({"replicates": replicates, **found}, indent=1) + "\n")


def coverage(cases: Sequence[Population], replicates: int) -> Iterator[Row]:
    """Coverage of 95 % intervals, over all pairs of three tasks.

    `norm z` is the least squared norm in its standard errors; `cosine` counts defined ones, unbounded
    intervals included, against the population's, and `window` against the very window's, which differ where
    gradients drift; `short` are windows marked as too short for their autocorrelation; the trust rule
    passes `passed`, and `trusted` is the coverage of those; `p<.05` is over pairs whose true product is
    zero (nan: there are none). `true`, `raw` and `corrected` are mean cosines of the first pair.
    """
    for number, population in enumerate(cases):
        draws = _replicated(partial(_cover, population), replicates, seed=number)
        squares = np.array([d.pop("squares") for d in draws])
        z = float((squares.mean(axis=0) / squares.std(axis=0, ddof=1)).min())
        total = {key: float(np.sum([draw[key] for draw in draws])) for key in draws[0]}
        row = {"case": population.name, "steps": population.steps, "norm z": z, **_rates(total)}
        strict = z >= TRUSTED
        row["target"] = "93-97" if strict else ">=93"
        row["met"] = _met(total["cosine"] / max(total["defined"], 1), total["defined"], strict)
        yield row


def false_gains(replicates: int) -> Iterator[Row]:
    """Share of windows in which the interval of a combiner's gain lies above zero.

    At equal step length and at equal learning rate, over averaging and over reweighted averaging with the
    same mean focal share. Where there is no gain, 2.5 % is nominal.
    """
    tried = (combiner for _, combiner, _ in candidates({}) if combiner is not None)
    names = [combiner.name for combiner in tried if combiner.needs_gramian]
    for number, (label, population, same) in enumerate(_gain_cases()):
        judged = partial(_judge, population, names, same)
        count = replicates if not same and population.products.max() == 0.0 else max(replicates // 5, 10)
        draws = _replicated(judged, count, seed=1000 + number)
        for name in names:
            own = [draw[name] for draw in draws]
            row = {"case": label, "combiner": name, "windows": count}
            row |= {key: float(np.mean([each[key] for each in own])) for key in own[0]}
            yield row


def _coverage_cases() -> list[Population]:
    """Strong and weak signal, few steps and many; drifting gradients; molecules that tasks share."""
    return [
        gaussian("signal 30 %", steps=100, share=0.3),
        gaussian("signal 30 %, few steps", steps=20, share=0.3),
        gaussian("signal 5 %", steps=400, share=0.05),
        gaussian("signal 5 %, some steps", steps=100, share=0.05),
        gaussian("signal 5 %, few steps", steps=20, share=0.05),
        gaussian("shared rows, signal 15 %", steps=100, share=0.15, shared=0.8),
        gaussian("drift, memory 0.8", steps=200, share=0.3, drift=1.0, memory=0.8),
        gaussian("drift, memory 0.9, signal 10 %", steps=400, share=0.1, drift=1.0, memory=0.9),
        gaussian("drift, memory 0.97", steps=400, share=0.3, drift=1.0, memory=0.97),
        molecules("163 shared molecules", steps=100, signal=1.5),
        molecules("163 shared molecules, few steps", steps=20, signal=1.5),
        molecules("163 molecules, 60 % labelled", steps=150, signal=1.5, labelled=0.6),
        molecules("wrong: split task by task", steps=100, signal=1.5, split_by_task=True),
    ]


def _physchem_case() -> Population:
    """Rows of a real model; its imports are slow, so they wait until somebody asks."""
    from _physchem import physchem_rows

    rows = physchem_rows()
    return of_rows("physchem, frozen model", rows, np.ones(rows.shape[:2], dtype=np.bool_), steps=60, rows=16)


def _gain_cases() -> list[tuple[str, Population, bool]]:
    noise = pure_noise("noise", steps=24)
    shared = pure_noise("noise", steps=24, shared=0.6)
    conflict = gaussian("conflict", steps=60, share=0.5, cosines=CONFLICT)
    return [
        ("pure noise", noise, False),
        ("pure noise, shared rows", shared, False),
        ("planted conflict", conflict, False),
        ("wrong: same rows, pure noise", noise, True),
    ]


def _cover(population: Population, seed: int) -> dict[str, object]:
    folds, of_window = population.draw(np.random.default_rng(seed))
    found, own = corrected_cosines(folds), signal(folds)
    first, second = np.triu_indices(len(folds.tasks), k=1)
    truth, products = cosines(population.products).values[first, second], population.products[first, second]
    defined = ~np.isnan(found.cosines.values)
    inside = _inside(found.cosines, truth)
    null = np.abs(products) < 1e-9
    square, noise = np.diagonal(population.products), np.diagonal(population.noise)
    counts: dict[str, object] = {
        "squares": own.squares.values,
        "pairs": defined.size,
        "defined": defined.sum(),
        "cosine": inside[defined].sum(),
        "window": _inside(found.cosines, cosines(of_window).values[first, second])[defined].sum(),
        "unbounded": np.isinf(found.cosines.low[defined]).sum(),
        "trusting": found.trusted.sum(),
        "trusted": inside[found.trusted].sum(),
        "short": found.cosines.short.sum(),
        "null": null.sum(),
        "rejected": (found.p_values[null] < 0.05).sum(),
        "product": _inside(found.products, products).sum(),
        "shares": own.share.values.size,
        "share": _inside(own.share, square / (square + noise / own.rows)).sum(),
        "raw": found.raw.values[0],
        "corrected": float(np.nan_to_num(found.cosines.values[0])),
        "first": float(defined[0]),
        "true": truth[0],
        "draws": 1,
    }
    return counts | _predictions(population, folds)


def _predictions(population: Population, folds: FoldProducts) -> Counts:
    """Of the raw cosine at another batch size, where the population has one batch size to begin with."""
    if population.rows is None:
        return {"predictions": 0, "predicted": 0}
    rows = PREDICTED_AT * population.rows
    found = predicted_cosines(folds, focal=folds.tasks[0], rows=rows)
    inside = _inside(found, cosines(population.raw_products(rows)).values[0, 1:])
    defined = ~np.isnan(found.values)
    return {"predictions": int(defined.sum()), "predicted": int(inside[defined].sum())}


def _judge(population: Population, names: Sequence[str], same: bool, seed: int) -> Mapping[str, Counts]:
    folds, _ = population.draw(np.random.default_rng(seed))
    trials = fresh_trials(folds, focal=folds.tasks[0])
    if same:
        trials = replace(trials, effects=trials.gramians[:, :, trials.focal])
    return {name: _gain_of(trials, name) for name in names}


def _gain_of(trials: Trials, name: str) -> Counts:
    combiner = combiners.get(name)
    found = gain(trials, lambda g, present, focal: combiner.weights(g, focal=focal, present=present))
    length, rate = found.equal_length, found.equal_rate
    return {
        "gain, length": float(length.gain.low > 0.0),
        "gain, rate": float(rate.gain.low > 0.0),
        "over control, length": float(length.gain_over_control.low > 0.0),
        "over control, rate": float(rate.gain_over_control.low > 0.0),
        "mean gain": float(length.gain),
        "mean over control": float(length.gain_over_control),
        "leverage": float(found.leverage),
    }


def _inside(estimate: Estimate, truth: FloatArray) -> np.ndarray:
    return np.asarray((estimate.low <= truth) & (truth <= estimate.high))


def _rates(total: Mapping[str, float]) -> Row:
    def rate(part: str, whole: str) -> float:
        return total[part] / total[whole] if total[whole] else math.nan

    return {
        "undefined": 1.0 - rate("defined", "pairs"),
        "unbounded": rate("unbounded", "defined"),
        "short": rate("short", "pairs"),
        "cosine": rate("cosine", "defined"),
        "window": rate("window", "defined"),
        "passed": rate("trusting", "defined"),
        "trusted": rate("trusted", "trusting"),
        "product": rate("product", "pairs"),
        "p<.05": rate("rejected", "null"),
        "share": rate("share", "shares"),
        "predicted": rate("predicted", "predictions"),
        "true": rate("true", "draws"),
        "raw": rate("raw", "draws"),
        "corrected": rate("corrected", "first"),
    }


def _met(rate: float, number: float, strict: bool) -> str:
    """Whether a rate is within its target; "chance" where it is off by less than two standard errors."""
    off = max(0.93 - rate, rate - 0.97 if strict else 0.0, 0.0)
    if off == 0.0:
        return "yes"
    return "chance" if off < 2.0 * math.sqrt(rate * (1.0 - rate) / max(number, 1)) else "no"


def _replicated(draw: Callable[[int], Draw], replicates: int, *, seed: int) -> list[Draw]:
    return [draw(seed * 1_000_000 + replicate) for replicate in range(replicates)]


def _shown(study: Callable[..., Iterator[Row]], rows: Iterator[Row]) -> list[Row]:
    """The rows of a study, each printed when it is ready."""
    print(f"\n{inspect.getdoc(study)}\n")
    kept: list[Row] = []
    for row in rows:
        print(("" if kept else _heading(row) + "\n") + _line(row), flush=True)
        kept.append(row)
    return kept


def _without_nan(row: Row) -> Row:
    """JSON knows no NaN."""
    return {key: None if isinstance(cell, float) and math.isnan(cell) else cell for key, cell in row.items()}


def _heading(row: Row) -> str:
    return "  ".join(key.ljust(_width(key)) if k < 1 else key.rjust(_width(key)) for k, key in enumerate(row))


def _line(row: Row) -> str:
    cells = [f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()]
    pairs = enumerate(zip(row, cells, strict=True))
    return "  ".join(c.ljust(_width(key)) if k < 1 else c.rjust(_width(key)) for k, (key, c) in pairs)


def _width(key: str) -> int:
    return {"case": 32, "combiner": 14}.get(key, max(len(key), 6))


if __name__ == "__main__":
    main()
