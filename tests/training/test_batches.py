import numpy as np
import pytest

from gradprobe.training.batches import BalancedBatches, UnionBatches, chunks, make_batches

ROWS = {
    "focal": np.arange(0, 50),
    "large": np.arange(20, 220),
    "tiny": np.array([3, 7, 200]),
    "absent": np.array([], dtype=int),
}


def balanced(seed=0, rows=ROWS, batch_size=16):
    return BalancedBatches(rows, focal="focal", batch_size=batch_size, seed=seed)


def union(seed=0, batch_size=16):
    return UnionBatches(ROWS, batch_size=batch_size, seed=seed)


@pytest.mark.parametrize("make", [balanced, union])
def test_an_epoch_is_one_pass_over_the_focal_molecules(make):
    batches = make()
    for _ in range(3):
        epoch = list(batches.epoch())
        assert len(epoch) == batches.steps
        seen = np.concatenate([batch.rows("focal") for batch in epoch if "focal" in batch.positions])
        np.testing.assert_array_equal(np.sort(seen), ROWS["focal"])


@pytest.mark.parametrize("make", [balanced, union])
def test_every_row_carries_the_task_it_stands_for_and_stands_there_once(make):
    for batch in make().epoch():
        assert batch.positions
        for task in batch.positions:
            rows = batch.rows(task)
            assert len(rows)
            assert len(np.unique(rows)) == len(rows)
            assert np.isin(rows, ROWS[task]).all()


def test_balanced_batches_hold_every_task_in_every_step_in_rows_of_its_own():
    for batch in balanced().epoch():
        assert list(batch.positions) == ["focal", "large", "tiny"]
        taken = np.concatenate(list(batch.positions.values()))
        np.testing.assert_array_equal(np.sort(taken), np.arange(len(batch.molecules)))


def test_small_tasks_come_round_again_reshuffled_and_large_ones_go_on_where_they_were():
    batches = balanced(batch_size=2)
    steps = [batch for _ in range(4) for batch in batches.epoch()]
    tiny = [tuple(batch.rows("tiny")) for batch in steps]
    passes = [(*first, *second) for first, second in zip(tiny[::2], tiny[1::2], strict=True)]
    assert all(sorted(molecules) == [3, 7, 200] for molecules in passes)
    assert len(set(passes)) > 1
    large = np.concatenate([batch.rows("large") for batch in steps])
    np.testing.assert_array_equal(np.sort(large), ROWS["large"])


def test_minibatches_of_a_pass_are_nearly_equal_and_never_larger_than_asked():
    batches = balanced(rows={"focal": np.arange(33)}, batch_size=16)
    assert sorted(len(batch.rows("focal")) for batch in batches.epoch()) == [11, 11, 11]


def test_the_focal_minibatches_do_not_depend_on_the_auxiliaries():
    alone = balanced(rows={"focal": ROWS["focal"]})
    for with_others, without in zip(balanced().epoch(), alone.epoch(), strict=True):
        np.testing.assert_array_equal(with_others.rows("focal"), without.rows("focal"))


@pytest.mark.parametrize("make", [balanced, union])
def test_the_seed_and_nothing_else_decides(make):
    np.random.seed(1)  # noqa: NPY002
    first = [batch.molecules for batch in make(seed=5).epoch()]
    np.random.seed(2)  # noqa: NPY002
    again = [batch.molecules for batch in make(seed=5).epoch()]
    other = [batch.molecules for batch in make(seed=6).epoch()]
    assert all((one == two).all() for one, two in zip(first, again, strict=True))
    assert any((one != two).any() for one, two in zip(first, other, strict=True))


def test_a_union_batch_holds_each_molecule_once_with_all_its_labels():
    molecules = []
    for batch in union().epoch():
        molecules.append(batch.molecules)
        for task, rows in ROWS.items():
            expected = np.intersect1d(batch.molecules, rows)
            found = batch.rows(task) if task in batch.positions else []
            np.testing.assert_array_equal(np.sort(found), expected)
    np.testing.assert_array_equal(np.sort(np.concatenate(molecules)), np.arange(220))


def test_tasks_without_a_label_are_missing_from_a_union_batch():
    missing = [set(ROWS) - set(batch.positions) for batch in union(batch_size=4).epoch()]
    assert all("absent" in tasks for tasks in missing)
    assert any("focal" in tasks for tasks in missing)


def test_chunks_hold_every_label_once_and_one_task_each():
    found = list(chunks(ROWS, 32))
    assert all(len(batch.positions) == 1 and len(batch.molecules) <= 32 for batch in found)
    for task, rows in ROWS.items():
        seen = [batch.rows(task) for batch in found if task in batch.positions]
        np.testing.assert_array_equal(np.concatenate([*seen, []]), rows)


def test_the_two_ways_say_what_they_are():
    for kind in ("balanced", "union"):
        batches = make_batches(kind, ROWS, focal="focal", batch_size=8, seed=0)
        assert batches.description.startswith(kind)
