"""How often intervals hold the truth, and how often gains are found where there are none.

    python benchmarks/coverage.py [--quick] [--replicates 1000] [--only STUDY ...] [--json FILE]

Coverage: windows are drawn from populations with known gradients, and 95 % intervals of corrected
cosines, products, signal shares and predicted raw cosines are held against the truth. New molecules: the same
where steps go round a table that was itself drawn, with the false discoveries among 49 auxiliaries. Tails:
signal shares where few rows carry the noise. Pooling: intervals over a few runs that differ. False gains:
every combiner whose weights depend on gradients is judged on pure noise, on a planted conflict, and, wrongly,
on the rows that made its update. One core, a few minutes; `--only` runs some of them.
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
from _cycling import Cycling
from _populations import Population, folds_of, gaussian, molecules, of_rows, pure_noise

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
    pooled,
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
_HELD = ("product", "cosine", "fdr", "power")
# Sizes of rows' noise and their mean square.
_NOISES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], tuple[FloatArray, float]]] = {
    "gaussian": lambda _, shape: (np.ones(shape), 1.0),
    "t, 5 degrees": lambda rng, shape: (rng.standard_t(5, size=shape), 5 / 3),
    "t, 3 degrees": lambda rng, shape: (rng.standard_t(3, size=shape), 3.0),
    "t, 2.2 degrees": lambda rng, shape: (rng.standard_t(2.2, size=shape), 11.0),
    "one row in 100 large": lambda rng, shape: (
        0.3 + 10.0 * (rng.random(shape) < 0.01),
        0.99 * 0.3**2 + 0.01 * 10.3**2,
    ),
    "lognormal": lambda rng, shape: (np.exp(1.5 * rng.normal(size=shape)), math.exp(4.5)),
}
CONFLICT = np.array([[1.0, -0.7, -0.7], [-0.7, 1.0, 0.4], [-0.7, 0.4, 1.0]])


def main() -> None:
    """Run both studies, print their tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="40 replicates and no physchem, to see that it runs"
    )
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--only", nargs="+", help="coverage, new_molecules, tails, pooling, false_gains")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    replicates = 40 if options.quick else options.replicates
    cases = _coverage_cases() + ([] if options.quick else [_physchem_case()])
    studies: dict[str, tuple[Callable[..., Iterator[Row]], Iterator[Row]]] = {
        "coverage": (coverage, coverage(cases, replicates)),
        "new_molecules": (new_molecules, new_molecules(max(replicates // 5, 10))),
        "tails": (tails, tails(max(replicates // 5, 10))),
        "pooling": (pooling, pooling(4 * replicates)),
        "false_gains": (false_gains, false_gains(replicates)),
    }
    wanted = options.only or list(studies)
    found = {name: _shown(*studies[name]) for name in wanted}
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


def new_molecules(replicates: int) -> Iterator[Row]:
    """Coverage of the population's products and cosines where steps go round a drawn table, three ways.

    `steps` takes the spread over steps, `pass` no more information than one pass, `molecules` the covariance
    of steps that share a molecule or cluster. `fdr` is the share of false ones among the auxiliaries told
    from zero at 5 %, 0 where none is, `power` the share of the others that are; nan where there are none.
    """
    ways = ("steps", "pass", "molecules")
    for number, case in enumerate(_cycling_cases()):
        truth = case.products[0, 1:]
        angles = cosines(case.products).values[0, 1:]
        held: dict[str, list[float]] = {f"{what} {way}": [] for way in ways for what in _HELD}
        for rng in _generators(replicates, seed=2000 + number):
            folds, influences, clusters = case.draw(rng)
            known = dict.fromkeys(folds.tasks, clusters)
            options = ({}, {"distinct": known}, {"influences": influences})
            for way, option in zip(ways, options, strict=True):
                own = corrected_cosines(folds, focal=folds.tasks[0], **option)
                null, told = np.abs(truth) < 1e-9, own.nonzero
                defined = ~np.isnan(own.cosines.values)
                held[f"product {way}"].append(float(_inside(own.products, truth).mean()))
                held[f"cosine {way}"] += _inside(own.cosines, angles)[defined].astype(float).tolist()
                held[f"fdr {way}"].append(float((told & null).sum() / max(told.sum(), 1)))
                held[f"power {way}"].append(float(told[~null].mean()) if (~null).any() else math.nan)
        yield {"case": case.name, **{key: _known_mean(values) for key, values in held.items()}}


def tails(replicates: int) -> Iterator[Row]:
    """Coverage of the signal share where rows' noise is Student's t times a Gaussian, or rare and large.

    `heavy` is the share of tasks marked so, whose share has an upper bound only; `below` how often the lower
    end is above zero, so that there is a lower bound at all.
    """
    for number, (kind, steps) in enumerate((k, s) for k in _NOISES for s in (100, 20)):
        kept: dict[str, list[float]] = {"share": [], "heavy": [], "below": []}
        for rng in _generators(replicates, seed=3000 + number):
            sizes, variance = _NOISES[kind](rng, (steps, 2, 8, 3, 1))
            rows = sizes * rng.normal(size=(steps, 2, 8, 3, 20)) + 1.5 * np.eye(20)[:3]
            found = signal(folds_of(rows.mean(axis=2), 8.0))
            truth = np.full(3, 1.5**2 / (1.5**2 + 20 * variance / 16))
            kept["share"].append(float(_inside(found.share, truth).mean()))
            kept["heavy"].append(float(found.heavy.mean()))
            kept["below"].append(float((found.share.low > 0.0).mean()))
        yield {"case": kind, "steps": steps, **{key: _known_mean(values) for key, values in kept.items()}}


def pooling(replicates: int) -> Iterator[Row]:
    """Coverage and mean width of the mean over runs, by how far runs differ beyond their own errors of one.

    `runs` runs with 24 blocks each; `uneven` ones have errors from 0.45 to 2.2. The columns are the standard
    deviation between runs.
    """
    for runs in (2, 3, 5, 10):
        for uneven in (False, True):
            rng = np.random.default_rng([4000, runs, uneven])
            row: Row = {"case": f"{runs} runs{', uneven' if uneven else ''}"}
            scale = np.exp(np.linspace(-0.8, 0.8, runs) if uneven else np.zeros(runs))[:, None]
            for between in (0.0, 0.5, 1.0, 2.0, 4.0, 10.0):
                errors = scale * np.sqrt(rng.chisquare(23, size=(runs, replicates)) / 23)
                values = rng.normal(size=(runs, replicates)) * np.hypot(scale, between)
                found = pooled([_estimate(*own) for own in zip(values, errors, strict=True)], [1.0] * runs)
                row[f"at {between:g}"] = float(_inside(found, np.zeros(replicates)).mean())
                row[f"width {between:g}"] = float(np.median(found.high - found.low))
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


def _cycling_cases() -> list[Cycling]:
    """One pass to forty; strong and weak signal; duplicates, series; 49 auxiliaries, none or nine real."""
    none, nine = np.eye(50), np.eye(50)
    nine[0, 1:10] = nine[1:10, 0] = 0.3
    return [
        Cycling("163 molecules, 10 steps: one pass", 10),
        Cycling("163 molecules, 4 passes", 40),
        Cycling("163 molecules, 10 passes", 100),
        Cycling("163 molecules, 40 passes", 400),
        Cycling("10 passes, strong signal", 100, signal=3.0),
        Cycling("10 passes, weak signal", 100, signal=0.4),
        Cycling("30 molecules, 25 passes", 100, number=30, batch=8),
        Cycling("10 passes, a fifth twice", 100, twins=0.2),
        Cycling("10 passes, all twice", 100, twins=1.0),
        Cycling("10 passes, 16 series", 100, series=16),
        Cycling("49 auxiliaries, none real", 100, width=60, cosines=none),
        Cycling("49 auxiliaries, nine real", 100, width=60, signal=3.0, cosines=nine),
    ]


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


def _generators(replicates: int, *, seed: int) -> Iterator[np.random.Generator]:
    return (np.random.default_rng([seed, replicate]) for replicate in range(replicates))


def _known_mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _estimate(values: FloatArray, errors: FloatArray) -> Estimate:
    blocks = np.full(values.shape, 24)
    return Estimate(
        values,
        low=values,
        high=values,
        standard_error=errors,
        blocks=blocks,
        short=np.zeros(blocks.shape, bool),
    )


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
