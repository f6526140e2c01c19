"""The measures of a cell, against loops over known gradients."""

import math

import numpy as np
import pytest

from gradprobe.geometry import Gramian, Group
from gradprobe.records.claims import MEASURES
from gradprobe.records.compare import CellKey, CellMetrics, MetricRow
from gradprobe.reports.compare.axes.measures import NAMES, measures_of
from gradprobe.reports.compare.scores import AUROC, RAE
from gradprobe.reports.compare.source import Cell
from gradprobe.trace import GramianRecord, QuantityRecord, Trace
from tests.reports._studies import header

TASKS = ("y", "a", "b")
KEY = CellKey(encoder="mlp", combiner="average", seed=0)
SHARED = np.random.default_rng(0).normal(size=(3, 40))


def halves(generator: np.random.Generator, noise: float) -> np.ndarray:
    """Gradients [6, 40] of three tasks in two halves: fixed ones with noise of their own."""
    return np.repeat(SHARED, 2, axis=0) + noise * generator.normal(size=(6, 40))


def record(rows: np.ndarray, step: int, split: str) -> GramianRecord:
    groups = tuple(Group(task, fold) for task in TASKS for fold in "AB")
    made = Gramian(groups, ("layer",), (rows @ rows.T)[None], (8,) * 6, (40,))
    return GramianRecord(step, split, "loop", made, np.ones(6), epoch=0)  # type: ignore[arg-type]


def cell(trace: Trace | None, **scores: float) -> Cell:
    row = MetricRow(task="y", split="test", n=9, **scores)
    other = MetricRow(task="a", split="test", n=9, rae=77.0, auroc=0.77)
    metrics = CellMetrics(
        key=KEY,
        trunk_parameters=40,
        epochs=1,
        best_epoch=0,
        steps=1,
        seconds=0.0,
        criterion="rae",
        metrics=(other, row),
        history=(),
    )
    return Cell(KEY, "finished", trace, metrics)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


@pytest.fixture
def rows() -> dict[tuple[str, int], np.ndarray]:
    generator = np.random.default_rng(1)
    steps = [("train", -1), ("heldout", -1), *(("minibatch", step) for step in range(40))]
    steps += [("heldout", 20), ("train", 40), ("heldout", 40)]
    return {(split, step): halves(generator, 2.0 if split == "minibatch" else 0.2) for split, step in steps}


@pytest.fixture
def trace(rows: dict[tuple[str, int], np.ndarray]) -> Trace:
    made = Trace(header=header(TASKS, layers=("layer",), parameters=(40,)))
    for (split, step), own in rows.items():
        made.append(record(own, step, split))
    for step, value in ((-1, 30.0), (40, 20.0)):
        made.append(QuantityRecord(step, "heldout", "effective_rank", value))
        made.append(QuantityRecord(step, "train", "effective_rank", 99.0))
    return made


def test_cosines_are_those_of_both_halves_together(
    trace: Trace, rows: dict[tuple[str, int], np.ndarray]
) -> None:
    found = measures_of(cell(trace, rae=0.5), RAE, "y")

    def mean(own: np.ndarray) -> float:
        y, a, b = own[0] + own[1], own[2] + own[3], own[4] + own[5]
        return (cosine(y, a) + cosine(y, b)) / 2

    for measure, place in {
        "train": ("train", 40),
        "heldout": ("heldout", 40),
        "train_before": ("train", -1),
        "heldout_before": ("heldout", -1),
    }.items():
        assert found[measure] == pytest.approx(mean(rows[place]), abs=1e-12), measure
    steps = [mean(rows["minibatch", step]) for step in range(40)]
    assert found["minibatch"] == pytest.approx(sum(steps) / 40, abs=1e-12)
    y, a, b = (rows["train", 40][k] + rows["train", 40][k + 1] for k in (0, 2, 4))
    pairs = [abs(cosine(*pair)) for pair in ((y, a), (y, b), (a, b))]
    assert found["overlap"] == pytest.approx(sum(pairs) / 3, abs=1e-12)
    assert found["rank"] == 20.0


def test_corrected_cosines_are_those_without_noise(
    trace: Trace, rows: dict[tuple[str, int], np.ndarray]
) -> None:
    found = measures_of(cell(trace, rae=0.5), RAE, "y")
    truth = (cosine(SHARED[0], SHARED[1]) + cosine(SHARED[0], SHARED[2])) / 2
    assert abs(found["minibatch_corrected"] - truth) < abs(found["minibatch"] - truth)
    assert found["minibatch_corrected"] == pytest.approx(truth, abs=0.05)
    own, products = rows["train", 40], []
    for k in (2, 4):
        across = (own[0] @ own[k + 1] + own[1] @ own[k]) / 2
        products.append(across / math.sqrt((own[0] @ own[1]) * (own[k] @ own[k + 1])))
    assert found["train_corrected"] == pytest.approx(sum(products) / 2, abs=1e-12)


def test_the_error_is_the_focal_one_and_lower_is_better(trace: Trace) -> None:
    assert measures_of(cell(None, rae=0.6), RAE, "y")["error"] == pytest.approx(0.6)
    assert measures_of(cell(None, auroc=0.9), AUROC, "y")["error"] == pytest.approx(0.1)


def test_what_was_not_measured_is_undefined() -> None:
    found = measures_of(cell(None, rae=0.6), RAE, "y")
    assert set(found) == set(MEASURES) == set(NAMES)
    assert [name for name, value in found.items() if not math.isnan(value)] == ["error"]
    running = Cell(KEY, "unfinished", None, None)
    assert all(map(math.isnan, measures_of(running, RAE, "y").values()))
