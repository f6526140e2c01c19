from __future__ import annotations

import numpy as np
import pytest

from gradprobe.errors import InputError, TraceError
from gradprobe.trace import JUDGES, MoleculeRecord, Trace, TraceHeader
from gradprobe.trace.manifest import FILE
from gradprobe.trace.molecule_table import molecule_table


def record(effects: dict[tuple[str, str], list[float]], **options) -> MoleculeRecord:
    """The same effects on every loss, but twice as large on the focal rows of the step."""
    tasks, molecules = zip(*effects, strict=True)
    values = np.zeros((len(effects), len(JUDGES), 3))
    for place, own in enumerate(effects.values()):
        values[place] = [len(own), sum(own), sum(e * e for e in own)]
        values[place, 3] = [len(own), 0.0, 0.01]
        values[place, 4] = [len(own), 2 * sum(own), 4 * sum(e * e for e in own)]
    fixed = {"step": 7, "split": "minibatch", "probability": 0.5}
    return MoleculeRecord(tasks=tasks, molecules=molecules, values=values, **(fixed | options))


def trace_of(*records, path=None) -> Trace:
    trace = Trace(path, TraceHeader(focal="f", tasks=("f", "a")))
    for own in records:
        trace.append(own)
    return trace


RNG = np.random.default_rng(0)
GOOD, BAD = RNG.normal(2.0, 0.2, 12), RNG.normal(-2.0, 0.2, 12)


def test_the_table_adds_records_up_and_puts_the_most_harmful_first():
    halves = [
        record({("a", "good"): list(GOOD[part]), ("a", "bad"): list(BAD[part]), ("f", "own"): [1.0, 2.0]})
        for part in (slice(0, 5), slice(5, 12))
    ]
    table = molecule_table(trace_of(*halves, record({("a", "rare"): [0.5]})))
    assert list(table.molecule) == ["bad", "rare", "good"]
    assert list(table.verdict) == ["harms", "not testable", "helps"]
    assert set(table.task) == {"a"}
    bad = table.iloc[0]
    assert bad.effect == pytest.approx(BAD.mean())
    assert bad.low < bad.effect < bad.high
    assert bad.total == pytest.approx(2 * BAD.sum())
    assert bad.with_focal == pytest.approx(4 * BAD.sum())
    assert table.visits.tolist() == [12, 1, 12]
    assert "fewer than 5 visits" in table.reason[1]
    assert set(molecule_table(trace_of(*halves), tasks=["f", "a"]).task) == {"a", "f"}


def test_records_are_the_same_after_a_round_through_a_folder(tmp_path):
    first = record({("a", "CCO"): [1.0, 2.0], ("a", "ünïcode"): [0.1]}, epoch=3)
    second = record({("f", "CCO"): [0.5]}, geometry="preconditioned")
    with trace_of(first, second, path=tmp_path / "t"):
        pass
    loaded = Trace.load(tmp_path / "t")
    assert not loaded.damaged
    for own, reference in zip(loaded.molecules, [first, second], strict=True):
        for name in ("step", "split", "tasks", "molecules", "probability", "turns", "epoch", "geometry"):
            assert getattr(own, name) == getattr(reference, name)
        np.testing.assert_array_equal(own.values, reference.values)


def test_a_trace_without_the_new_kind_has_no_molecules(tmp_path):
    with Trace(tmp_path / "t", TraceHeader(focal="f")):
        pass
    assert "molecules" not in (tmp_path / "t" / FILE).read_text()
    assert list(Trace.load(tmp_path / "t").molecules) == []
    with pytest.raises(InputError, match="got none; measure with attribute='rows'"):
        molecule_table(Trace.load(tmp_path / "t"))


@pytest.mark.parametrize(
    "options",
    [{"probability": 2.0}, {"turns": 0.0}, {"geometry": "round"}, {"tasks": ("a",)},
     {"values": np.full((2, 5, 3), -1.0)}, {"values": np.full((2, 5, 3), np.inf)}],
    ids=["probability", "turns", "geometry", "one task short", "negative visits", "infinite"],
)  # fmt: skip
def test_records_that_cannot_be_are_named_as_damage(tmp_path, options):
    own = record({("a", "x"): [1.0], ("a", "y"): [2.0]})
    with trace_of(MoleculeRecord(**(vars(own) | options)), path=tmp_path / "t"):
        pass
    with pytest.raises(TraceError, match="molecules-000000"):
        Trace.load(tmp_path / "t")


def test_effects_of_two_geometries_are_not_added():
    own = record({("a", "x"): [1.0]})
    other = record({("a", "x"): [1.0]}, geometry="preconditioned")
    with pytest.raises(InputError, match="expected effects of molecules in one geometry"):
        molecule_table(trace_of(own, other))


def test_a_task_without_effects_is_refused():
    with pytest.raises(InputError, match=r"tasks: expected some of \['a'\], got \['b'\]"):
        molecule_table(trace_of(record({("a", "x"): [1.0]})), tasks=["b"])
