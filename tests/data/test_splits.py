import json
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradprobe.data import MoleculeTable, Splits, split_molecules, task_rows
from gradprobe.data.splits import SplitKind, SplitName
from gradprobe.errors import InputError
from tests.data._tables import chains, rings, table_of

SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
KINDS: tuple[SplitKind, ...] = ("random", "scaffold", "parent")


def scaffolds(n: int = 200) -> MoleculeTable:
    """Molecules on many small scaffolds: two rings joined by chains of various lengths."""
    smiles = [f"{'C' * (k % 3 + 1)}N1CCN(C{'C' * (k // 3)}c2ccccc2)CC1" for k in range(n)]
    return table_of(smiles, y=np.arange(n, dtype=float), z=np.where(np.arange(n) % 7 == 0, 1.0, np.nan))


def lists(splits: Splits) -> list[list[int]]:
    return [splits.rows(split).tolist() for split in SPLITS]


def splits_as_text() -> str:
    return json.dumps([lists(split_molecules(scaffolds(60), kind=kind, seed=1)) for kind in KINDS])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1, 5])
def test_every_molecule_is_in_one_split_and_splits_have_their_shares(kind: SplitKind, seed: int) -> None:
    splits = lists(split_molecules(scaffolds(), kind=kind, seed=seed))
    assert sorted(row for split in splits for row in split) == list(range(200))
    assert all(split == sorted(split) for split in splits)
    assert len(splits[1]) == pytest.approx(20, abs=3)
    assert len(splits[2]) == pytest.approx(20, abs=3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_and_nothing_else(kind: SplitKind) -> None:
    table = scaffolds()
    first = split_molecules(table, kind=kind, seed=3)
    np.random.default_rng().random()
    assert lists(split_molecules(table, kind=kind, seed=3)) == lists(first)
    assert lists(split_molecules(table.select(["y"]), kind=kind, seed=3)) == lists(first)
    assert lists(split_molecules(table, kind=kind, seed=4)) != lists(first)


def test_scaffold_splits_are_those_of_chemprop() -> None:
    from chemprop.data import make_split_indices
    from rdkit import Chem

    table = scaffolds()
    molecules = [Chem.MolFromSmiles(text) for text in table.smiles]
    with warnings.catch_warnings(action="ignore"):
        splits = make_split_indices(molecules, split="scaffold_balanced", seed=11)
    assert lists(split_molecules(table, kind="scaffold", seed=11)) == [
        sorted(map(int, split[0])) for split in splits
    ]


def test_scaffolds_stay_whole() -> None:
    from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

    table = scaffolds()
    found = [
        {MurckoScaffoldSmiles(smiles=table.smiles[row]) for row in split}
        for split in lists(split_molecules(table, kind="scaffold", seed=0))
    ]
    assert all(found)
    assert sum(map(len, found)) == len(set.union(*found))


def test_another_process_splits_alike() -> None:
    script = "from tests.data.test_splits import splits_as_text; print(splits_as_text())"
    environment = {"PYTHONHASHSEED": "77", "PYTHONPATH": ":".join(path for path in sys.path if path)}
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == splits_as_text()


def test_no_test_molecule_of_one_task_is_in_the_train_split_of_another() -> None:
    table = scaffolds()
    splits = split_molecules(table, kind="random", seed=0)
    # The planted mistake: each task's labelled molecules split for themselves, as files of their own.
    alone = [
        split_molecules(replace(table.select([task]), basis=None), kind="random", seed=1)
        for task in table.tasks
    ]
    z_train = {table.select(["z"]).smiles[row] for row in alone[1].train}
    assert z_train & {table.smiles[row] for row in alone[0].test}
    assert not {*task_rows(table, splits, "z", "train")} & {*task_rows(table, splits, "y", "test")}


def test_rows_of_a_task_are_its_labelled_molecules_of_the_split() -> None:
    table = scaffolds()
    splits = split_molecules(table, kind="random", seed=2)
    for split in SPLITS:
        expected = [row for row in splits.rows(split).tolist() if not np.isnan(table.labels[row, 1])]
        assert task_rows(table, splits, "z", split).tolist() == expected


def test_a_focal_task_without_labels_in_a_split_is_refused() -> None:
    table = scaffolds()
    held = split_molecules(table, kind="random", seed=0)
    labels = np.full(200, np.nan)
    labels[held.train] = 1.0
    labels[held.validation] = 2.0
    lacking = replace(table_of(table.smiles, y=table.labels[:, 0], focal=labels), basis=table.split_basis)
    split_molecules(lacking, kind="random", seed=0)
    with pytest.raises(InputError, match="'focal' in every split, got none in test"):
        split_molecules(lacking, kind="random", seed=0, focal="focal")
    split_molecules(table, kind="random", seed=0, focal="y")


@pytest.mark.parametrize(
    ("smiles", "kind"),
    [
        (chains(2), "random"),
        (chains(1), "random"),
        (chains(2), "parent"),
        (chains(40), "scaffold"),
        (rings(40), "scaffold"),
    ],
)
def test_molecules_that_leave_a_split_empty_are_refused(smiles: tuple[str, ...], kind: SplitKind) -> None:
    with pytest.raises(InputError, match="leaves train, validation or test empty"):
        split_molecules(table_of(smiles, y=range(len(smiles))), kind=kind, seed=0)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="one of random, scaffold, parent, got 'time'"):
        split_molecules(scaffolds(20), kind="time", seed=0)  # type: ignore[arg-type]


def test_splitting_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    table = scaffolds(63)
    odd = replace(table, smiles=("[H+].CCO", "CC", *table.smiles[2:]))
    split_molecules(odd, kind="scaffold", seed=0)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_a_molecule_whose_scaffold_would_take_minutes_is_refused_by_row() -> None:
    table = table_of([*scaffolds(30).smiles, "C" * 3000], y=np.arange(31.0))
    with pytest.raises(InputError, match=r"got 'C{80}…' in row 30 \(3,000 atoms; at most 1,000 are read\)"):
        split_molecules(table, kind="scaffold", seed=0)
    split_molecules(table, kind="random", seed=0)


def overlapping(seed: int, n: int = 400) -> MoleculeTable:
    """Tasks of very different size whose molecules overlap in every way."""
    rng = np.random.default_rng(seed)
    shares = {"all": 1.0, "half": 0.5, "some": 0.2, "few": 0.06}
    columns = {
        task: np.where(rng.random(n) < share, rng.normal(size=n), np.nan) for task, share in shares.items()
    }
    return table_of(rings(n), **columns)  # type: ignore[arg-type]


@given(
    seed=st.integers(0, 50),
    kind=st.sampled_from(("random", "parent")),
    chosen=st.lists(st.sampled_from(("all", "half", "some", "few")), min_size=1, unique=True),
)
@settings(max_examples=60, deadline=None)
def test_a_molecule_is_in_one_split_whatever_tasks_are_chosen(
    seed: int, kind: SplitKind, chosen: list[str]
) -> None:
    table = overlapping(seed % 3, n=120)
    part = table.select(chosen)
    whole, ours = split_molecules(table, kind=kind, seed=seed), split_molecules(part, kind=kind, seed=seed)
    for split in SPLITS:
        ours_there = {part.smiles[row] for row in ours.rows(split)}
        assert ours_there == {table.smiles[row] for row in whole.rows(split)} & set(part.smiles)


@pytest.mark.parametrize("seed", range(5))
def test_every_task_has_its_share_of_each_split(seed: int) -> None:
    table = overlapping(seed)
    splits = split_molecules(table, kind="random", seed=seed)
    for task in table.tasks:
        n = table.count(task)
        for split in ("validation", "test"):
            # At most one more or less for each of the groups of rarer tasks within it, and one for its ends.
            assert abs(len(task_rows(table, splits, task, split)) - n / 10) <= 4  # type: ignore[arg-type]
    assert len(task_rows(table, splits, "few", "test")) >= 1


def test_salts_and_stereoisomers_of_a_parent_share_its_split() -> None:
    forms = ["N[C@@H]({})C(=O)O", "N[C@H]({})C(=O)O", "[NH3+][C@@H]({})C(=O)O.[Cl-]"]
    smiles = [form.format("C" * (k + 1)) for k in range(40) for form in forms]
    table = table_of(smiles, y=np.arange(len(smiles), dtype=float))
    apart = 0
    for seed in range(3):
        splits = split_molecules(table, kind="parent", seed=seed)
        part_of = {row: split for split in SPLITS for row in splits.rows(split)}
        assert all(len({part_of[3 * k + j] for j in range(3)}) == 1 for k in range(40))
        mixed = split_molecules(table, kind="random", seed=seed)
        part_of = {row: split for split in SPLITS for row in mixed.rows(split)}
        apart += sum(len({part_of[3 * k + j] for j in range(3)}) > 1 for k in range(40))
    # The planted mistake: a random split does set them apart.
    assert apart > 20
