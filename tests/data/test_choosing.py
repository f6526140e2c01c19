import numpy as np
import pytest

from gradprobe.data import read_table, split_molecules
from gradprobe.data.choosing import choose_tasks
from gradprobe.errors import InputError
from tests.data._tables import chains, table_of, write_csv

N = 80
RNG = np.random.default_rng(2)
Y = RNG.normal(size=N)


def table():
    few = [*RNG.normal(size=10), *[np.nan] * (N - 10)]
    lone = np.zeros(N)
    lone[split_molecules(table_of(chains(N), y=Y, few=few), kind="random", seed=1).test[0]] = 1.0
    return table_of(
        chains(N), y=Y, good=RNG.normal(size=N), few=few, same=[2.5] * N, twin=-3 * Y + 1, lone=lone
    )


def test_auxiliaries_that_nothing_can_be_learnt_from_are_left_out():
    chosen = choose_tasks(table(), "y", seeds=3)
    assert chosen.tasks == ("y", "good")
    assert choose_tasks(table(), "y", min_labels=5, seeds=1).tasks == ("y", "good", "few", "lone")


def test_named_auxiliaries_are_taken_or_refused():
    assert choose_tasks(table(), "y", ["twin", "good"]).tasks == ("y", "twin", "good")
    with pytest.raises(InputError, match="at least 20 labels of 'few', got 10"):
        choose_tasks(table(), "y", ["few"])
    with pytest.raises(InputError, match="did you mean 'good'"):
        choose_tasks(table(), "y", ["goood"])


def test_a_column_that_was_left_out_is_refused_with_its_reason(tmp_path):
    path = write_csv(
        tmp_path / "t.csv",
        {
            "smiles": chains(N),
            "y": Y,
            "z": RNG.normal(size=N),
            "cid": range(1000, 1000 + N),
            "note": ["x"] * N,
        },
    )
    read = read_table(path)
    with pytest.raises(
        InputError, match=r"focal: .*'note', which is in the table but left out: text, such as 'x'"
    ):
        choose_tasks(read, "note")
    with pytest.raises(InputError, match=r"aux: .*'cid', which is in the table but left out: an identifier"):
        choose_tasks(read, "y", ["cid"])
    decisions = {d.column: d.sentence() for d in choose_tasks(read, "y", min_labels=5).decisions}
    assert decisions["z"] == "task"
    with pytest.raises(
        InputError, match="only 'y'; 'z' was left out: 80 labels, fewer than --min-labels 100"
    ):
        choose_tasks(read, "y", min_labels=100)


def test_the_test_molecules_of_the_focal_task_do_not_depend_on_its_auxiliaries(tmp_path):
    columns = {"smiles": chains(N), "y": [*Y[:50], *[""] * 30]}
    columns |= {f"a{k}": [v if RNG.random() < 0.5 else "" for v in RNG.normal(size=N)] for k in range(3)}
    read = read_table(write_csv(tmp_path / "t.csv", columns))
    for seed in range(5):
        tests = []
        for aux in (["a0"], ["a1"], ["a2", "a0"], ()):
            chosen = choose_tasks(read, "y", aux, min_labels=5)
            split = split_molecules(chosen, kind="random", seed=seed, focal="y")
            labelled = ~np.isnan(chosen.column("y"))
            tests.append(sorted(chosen.smiles[row] for row in split.test if labelled[row]))
        assert tests[0] == tests[1] == tests[2] == tests[3]
        assert len(tests[0]) >= 2
