"""How often a race errs, how often it finds what is there, and what it costs.

    python benchmarks/race.py [--quick] [--replicates 2000] [--json FILE]

Paired differences are drawn with a true effect for each action, in units of the margin, and noise `sd` in the
same units; `runs` share half of their noise between actions, since all are compared with the same averaging
runs. Beside the race stands the same race with an anytime-valid confidence sequence for normal differences
of unknown spread in place of the split level (a normal mixture over the standardised mean, with the right
Haar prior on the spread: Wang & Ramdas 2025, theorem 4.9), which may look after every pair. One core, about a
minute.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit

from gradprobe.race import Outcome, Plan, fresh_mean, standing

Row = dict[str, object]
# True effects of the actions over the margin: none, harm, one worth having, several, one just below.
CASES = {
    "no effect": (0.0,) * 5,
    "no effect, 10 actions": (0.0,) * 10,
    "all harm": (-2.0,) * 5,
    "one of five helps by 3": (3.0, 0.0, 0.0, 0.0, 0.0),
    "two help by 2": (2.0, 2.0, 0.0, -1.0, -2.0),
    "one helps by half": (0.5, 0.0, 0.0, 0.0, 0.0),
}
NOISES = (0.3, 1.0, 3.0)


def main() -> None:
    """Run the races, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="40 races a case, to see that it runs")
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    replicates = 40 if options.quick else options.replicates
    rows = list(races(replicates))
    for place, row in enumerate(rows):
        cells = {key: f"{cell:.3f}" if isinstance(cell, float) else str(cell) for key, cell in row.items()}
        widths = {key: max(len(key), 26 if key == "case" else 6) for key in row}
        if place == 0:
            print("  ".join(key.ljust(widths[key]) for key in row))
        print("  ".join(cell.ljust(widths[key]) for key, cell in cells.items()))
    print("\nhalf-widths over the standard deviation, five actions, level 0.05:")
    widths = half_widths(Plan(tuple("abcde"), margin=1.0))
    for pairs, split, sequence in widths:
        print(f"{pairs:3d} pairs  split level {split:7.2f}  confidence sequence {sequence:7.2f}")
    if options.json:
        content = {"replicates": replicates, "races": rows, "half_widths": widths}
        options.json.write_text(json.dumps(content, indent=1) + "\n")


def races(replicates: int) -> Iterator[Row]:
    """For each case and noise: shares of races, mean pairs a race, and bias of the leader's effect.

    `false` counts races that call an action ahead whose true effect is zero or less, or that call averaging
    unbeaten though an action beats it by more than the margin; `found` those that end with an action ahead
    whose true effect is at least the margin; `settled` those that end ahead or with averaging. `pairs` is
    the mean number of pairs trained, out of `most`. `curse` is how much the leader's own pairs flatter it,
    `fresh` how much six fresh ones do, both in margins.
    """
    for number, (case, effects) in enumerate(CASES.items()):
        for noise in NOISES:
            rng = np.random.default_rng([number, int(10 * noise)])
            plan = Plan(tuple(f"a{k}" for k in range(len(effects))), margin=1.0)
            ends = [one_race(plan, effects, noise, rng) for _ in range(replicates)]
            mean = {key: _mean([end[key] for end in ends]) for key in ends[0]}
            yield {"case": case, "sd": noise, **mean, "most": len(effects) * plan.looks[-1]}


def one_race(
    plan: Plan, effects: Sequence[float], noise: float, rng: np.random.Generator
) -> dict[str, float]:
    """One race to its end, and six fresh pairs of its leader."""
    most = plan.looks[-1] + 6
    shared = rng.normal(size=(most, 1))
    own = rng.normal(size=(most, len(effects)))
    values = np.array(effects) + noise * np.sqrt(0.5) * (shared + own)
    pairs: dict[str, np.ndarray] = dict.fromkeys(plan.actions, values[:0, 0])
    found = standing(plan, pairs)
    while found.outcome is Outcome.RUNNING:
        for action, wanted in found.wanted.items():
            column = values[:, plan.actions.index(action)]
            pairs[action] = column[: len(pairs[action]) + wanted]
        found = standing(plan, pairs)
    best = max(effects)
    leader = None if found.leader is None else plan.actions.index(found.leader)
    true = math.nan if leader is None else effects[leader]
    wrong = (leader is not None and true <= 0.0) or (
        found.outcome is Outcome.AVERAGING and best > plan.margin
    )
    own_mean = math.nan if leader is None else float(values[: found.pairs, leader].mean())
    fresh = math.nan if leader is None else fresh_mean(values[: found.pairs + 6, leader], found.pairs).mean
    return {
        "false": float(wrong),
        "found": float(leader is not None and true >= plan.margin),
        "settled": float(found.settled),
        "pairs": float(sum(len(own) for own in pairs.values())),
        "curse": own_mean - true,
        "fresh": fresh - true,
    }


def half_widths(plan: Plan) -> list[tuple[int, float, float]]:
    """Pairs, and the half-width of an action's interval over the standard deviation, by both methods."""
    rows = []
    for look, pairs in enumerate(plan.looks):
        split = float(stdtrit(pairs - 1, 1.0 - plan.level_at(look) / 2.0)) / math.sqrt(pairs)
        rows.append((pairs, split, sequence_width(pairs, plan.level / len(plan.actions))))
    return rows


def sequence_width(pairs: int, level: float, prior: float = 1.0) -> float:
    """Half-width over the standard deviation of the confidence sequence after so many pairs.

    The mixture's Bayes factor against a mean m is `sqrt(k / (n + k)) ((1 + q) / (1 + q k / (n + k)))^(n/2)`
    with `q = t^2 / (n - 1)`, k one over the prior's variance; the sequence keeps all m below `1 / level`. It
    excludes nothing while the limit for infinite t is below that.
    """
    keep = 1.0 / prior**2
    part = keep / (pairs + keep)

    def log_factor(q: float) -> float:
        return 0.5 * math.log(part) + 0.5 * pairs * (math.log1p(q) - math.log1p(q * part)) + math.log(level)

    if log_factor(1e12) < 0.0:
        return math.inf
    q = brentq(log_factor, 0.0, 1e12)
    return math.sqrt(q * (pairs - 1) / pairs)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


if __name__ == "__main__":
    main()
