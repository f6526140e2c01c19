"""The molecules of a run that helped and harmed the focal task, as a table."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from gradprobe.errors import InputError
from gradprobe.geometry import FloatArray, molecule_effects
from gradprobe.trace.records import JUDGES
from gradprobe.trace.store import Trace


def molecule_table(
    trace: Trace,
    *,
    tasks: Collection[str] | None = None,
    rate: float = 0.05,
    least_visits: int = 5,
    candidates: int | None = None,
) -> pd.DataFrame:
    """One row for each molecule of each task, the most harmful first.

    Columns: `molecule` and `task`; `effect`, by how much a visit of it reduces the focal task's held-out
    loss, with a 95% interval from `low` to `high`; `total`, the same over all steps of the run, measured or
    not; `visits`, the measured steps behind them; `with_focal`, what it adds over the run to the inner
    product of its task's gradient with that of the focal task's rows in the same step, negative where they
    conflict; `p_value`; `verdict`, one of "helps", "harms", "no effect shown" and "not testable"; and
    `reason`. See `geometry.molecule_effects` for how they are made.

    Units are those of the focal loss where the probe had `precondition=`, else those of gradient descent with
    learning rate one. Effects are first-order ones of the steps that were made: training without a molecule
    is the judge.

    Args:
        trace: of a probe whose `measure` was called with `attribute="rows"`, after `probe.flush()`.
        tasks: which tasks' molecules to test together; None: those of all auxiliaries.
        rate: of false ones among the molecules said to help or harm, at most, in expectation.
        least_visits: molecules with fewer visits are not testable.
        candidates: how many of the molecules to test, those strongest on the ranking half; None: all.

    Raises:
        InputError: no effects of rows in the trace, or in two geometries or with two probabilities; or a
            task that it does not have.
    """
    sums, probability, turns = _added_up(trace)
    present = {task for task, _ in sums}
    wanted = present - {trace.header.focal} if tasks is None else set(tasks)
    if unknown := sorted(wanted - present):
        raise InputError(f"tasks: expected some of {sorted(present)}, got {unknown}")
    keys = [key for key in sums if key[0] in wanted]
    values = np.array([sums[key] for key in keys]).reshape(len(keys), len(JUDGES), 3)
    whole, first, second, noise, own = (values[:, place] for place in range(len(JUDGES)))
    found = molecule_effects(
        whole,
        first,
        second,
        noise,
        turns=turns,
        probability=probability,
        rate=rate,
        least_visits=least_visits,
        candidates=candidates,
    )
    table = pd.DataFrame(
        {
            "molecule": [molecule for _, molecule in keys],
            "task": [task for task, _ in keys],
            "effect": found.means,
            "low": found.low,
            "high": found.high,
            "total": np.where(found.visits > 0, found.totals, np.nan),
            "visits": found.visits,
            "with_focal": np.where(own[:, 0] > 0, own[:, 1] / probability, np.nan),
            "p_value": found.p_values,
            "verdict": found.verdicts,
            "reason": found.reasons,
        }
    )
    return table.sort_values(["effect", "task", "molecule"], ignore_index=True)


def _added_up(trace: Trace) -> tuple[dict[tuple[str, str], FloatArray], float, float]:
    """(task, molecule) -> sums [j, 3] over all records, and the records' `probability` and last `turns`."""
    sums: dict[tuple[str, str], FloatArray] = {}
    kinds, turns = set(), 1.0
    for record in trace.molecules:
        kinds.add((record.geometry, record.probability))
        turns = record.turns
        for key, own in zip(zip(record.tasks, record.molecules, strict=True), record.values, strict=True):
            sums[key] = sums[key] + own if key in sums else own
    if len(kinds) != 1:
        came = "none" if not kinds else f"those of {sorted(kinds)}"
        raise InputError(
            f"trace: expected effects of molecules in one geometry and with one probability, got {came}; "
            "measure with attribute='rows' and call probe.flush() before you read"
        )
    ((_, probability),) = kinds
    return sums, probability, turns
