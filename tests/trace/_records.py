"""Records to store, and how two of them compare."""

from __future__ import annotations

import numpy as np

from gradprobe.geometry import Gramian, Group
from gradprobe.trace import GramianRecord, QuantityRecord, TraceHeader

HEADER = TraceHeader(
    focal="b",
    tasks=("a", "b", "c"),
    layers=("enc.0", "enc.2"),
    parameters=(20, 30),
    excluded=("heads.0", "kopf ä"),
    every=10,
    batches="one minibatch a task",
    seed=3,
    dtype="float32",
    device="cpu",
    versions={"torch": "2.13"},
    created="2026-01-01T00:00:00+00:00",
)
WHOLE = (Group("a"), Group("b"), Group("c"))
FOLDS = (Group("b", "A"), Group("b", "B"), Group("a", "A"), Group("a", "B"))


def gramian_record(step: int, groups: tuple[Group, ...] = WHOLE, **options: object) -> GramianRecord:
    """A record whose gradients follow from its step."""
    rng = np.random.default_rng(step + 1)
    J = rng.normal(size=(2, len(groups), 20))
    gramian = Gramian(groups, HEADER.layers, J @ J.transpose(0, 2, 1), (2,) * len(groups), (20, 30))
    fixed = {"split": "minibatch", "engine": "loop", "losses": rng.normal(size=len(groups))}
    return GramianRecord(step=step, gramian=gramian, **(fixed | options))


def quantity_record(step: int, value: float = 2.5, **options: object) -> QuantityRecord:
    return QuantityRecord(step, "heldout", "effective_rank", value, layer="enc.2", **options)


def assert_same_gramians(found: list[GramianRecord], expected: list[GramianRecord]) -> None:
    assert len(found) == len(expected)
    for own, reference in zip(found, expected, strict=True):
        for name in ("step", "split", "engine", "epoch", "note"):
            assert getattr(own, name) == getattr(reference, name)
        for name in ("groups", "layers", "rows", "parameters"):
            assert getattr(own.gramian, name) == getattr(reference.gramian, name)
        np.testing.assert_array_equal(own.gramian.values, reference.gramian.values)
        np.testing.assert_array_equal(own.losses, reference.losses)
