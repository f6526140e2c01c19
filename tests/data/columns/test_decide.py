from pathlib import Path

import numpy as np
import pytest

from gradprobe.data import MoleculeTable, TableOptions, read_table
from gradprobe.errors import InputError
from tests.data._tables import chains, write_csv

N = 30
SMILES = chains(N)
RNG = np.random.default_rng(0)
Y = RNG.normal(5, 1, N).round(3).tolist()


def table(
    tmp_path: Path, options: TableOptions | None = None, tasks: list[str] | None = None, **columns: object
) -> MoleculeTable:
    path = write_csv(tmp_path / "t.csv", {"smiles": SMILES, "y": Y, **columns})  # type: ignore[dict-item]
    return read_table(path, options=options, tasks=tasks)


def said(found: MoleculeTable) -> dict[str, str]:
    return {decision.column: decision.sentence() for decision in found.decisions}


@pytest.mark.parametrize(
    ("name", "cells", "what"),
    [
        ("PUBCHEM_CID", list(range(1000, 1000 + N)), "an identifier"),
        ("RESULT_TAG", list(range(5, 5 + N)), "an identifier"),
        ("Document Year", [2009 + k % 9 for k in range(N)], "a date"),
        ("Ligand Efficiency LLE", Y, "a ligand efficiency"),
        ("y_se", Y, "the standard error of 'y'"),
        ("y std.error (log10)", Y, "an error of another column"),
        ("y_ci.lower (log10)", Y, "a bound of a confidence interval"),
        ("Crude y ±95% CI (log)", Y, "a bound of a confidence interval"),
        ("Crude DRC y SE (log)", Y, "an error of another column"),
        ("fit_hillslope_mean", Y, "a parameter of a fit"),
        ("anything", list(range(N)), "a count of the rows"),
        ("Molecular Weight", Y, "computed from the structure"),
        ("p_value", Y, "a significance"),
    ],
)
def test_columns_that_describe_the_row_are_left_out_unless_named(
    tmp_path: Path, name: str, cells: list[object], what: str
) -> None:
    cells = [float(cell) + 0.5 if cells is Y else cell for cell in cells]  # type: ignore[arg-type]
    found = table(tmp_path, **{name: cells})
    assert found.tasks == ("y",)
    assert said(found)[name].startswith(f"left out: {what}, such as ")
    assert table(tmp_path, tasks=["y", name], **{name: cells}).tasks == ("y", name)


@pytest.mark.parametrize(
    "name", ["refractive_index", "IC50", "upper explosion limit", "logP", "half life", "CHEMBL217"]
)
def test_measurements_are_not_taken_for_metadata(tmp_path: Path, name: str) -> None:
    assert table(tmp_path, **{name: RNG.normal(size=N).tolist()}).tasks == ("y", name)


@pytest.mark.parametrize("name", ["y modifier", "y_qualifier", "Relation"])
def test_a_column_of_marks_makes_bounds_of_its_neighbour(tmp_path: Path, name: str) -> None:
    marks = ["<" if k % 5 == 0 else "'>'" if k % 5 == 1 else "=" for k in range(N)]
    dropped = table(tmp_path, **{name: marks})
    assert dropped.count("y") == N - 12
    assert dropped.censored == {"y": 12}
    assert "12 bounds such as <5 left out" in said(dropped)["y"]
    kept = table(tmp_path, TableOptions(censored="loss"), **{name: marks})
    assert kept.of("y").bounds.tolist() == [-1 if k % 5 == 0 else 1 if k % 5 == 1 else 0 for k in range(N)]
    assert kept.count("y") == N - 12
    exact = table(tmp_path, TableOptions(censored="value"), **{name: marks})
    np.testing.assert_array_equal(exact.column("y"), Y)


def test_marks_go_to_the_column_they_are_named_after_not_to_the_nearest(tmp_path: Path) -> None:
    columns = {"z": RNG.normal(size=N).tolist(), "y modifier": [">", *["="] * (N - 1)]}
    found = table(tmp_path, TableOptions(censored="loss"), **columns)
    assert (found.of("y").censored, found.of("z").censored) == (1, 0)


def test_marks_of_no_column_are_warned_about(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "t.csv",
        {"smiles": SMILES, "a": Y, "note": ["x"] * N, "modifier": [">"] * N, "more": ["x"] * N, "b": Y[::-1]},
    )
    found = read_table(path)
    assert "of no column that is used" in said(found)["modifier"]
    assert "may belong here" in said(found)["a"]


def test_a_column_of_units_gives_the_unit_or_refuses_a_mixture(tmp_path: Path) -> None:
    one = table(tmp_path, **{"y units": ["nM"] * N})
    assert one.origins["y"].unit == "nM"
    with pytest.raises(
        InputError, match=r"'y' left out: its labels differ in their unit by 'y units': nM \(29\), % \(1\)"
    ):
        table(tmp_path, **{"y units": ["nM"] * (N - 1) + ["%"]})


def test_columns_of_one_name_are_a_copy_or_refused(tmp_path: Path) -> None:
    rows = "\n".join(
        f"{smiles},{y},{y},{k},{-k}" for k, (smiles, y) in enumerate(zip(SMILES, Y, strict=True))
    )
    path = tmp_path / "t.csv"
    path.write_text(f"smiles,y,y ,z,z\n{rows}\n")
    found = read_table(path)
    assert found.tasks == ("y",)
    assert [decision.sentence().split(",")[0] for decision in found.decisions[2:]] == [
        "left out: a copy of the column of the same name (column 2)",
        "left out: 2 columns have this name and different cells: rename them",
        "left out: 2 columns have this name and different cells: rename them",
    ]
    with pytest.raises(InputError, match="2 columns have this name"):
        read_table(path, tasks=["z"])


def test_a_copy_under_another_name_is_left_out(tmp_path: Path) -> None:
    found = table(tmp_path, copy=Y)
    assert found.tasks == ("y",)
    assert said(found)["copy"].startswith("left out: a copy of 'y'")
    named = table(tmp_path, tasks=["y", "copy"], copy=Y)
    assert "check: a copy of 'y'" in said(named)["copy"]


def test_two_values_become_classes_on_request(tmp_path: Path) -> None:
    found = table(tmp_path, TableOptions(classes=("c",)), c=[1 + k % 2 for k in range(N)])
    assert found.kinds["c"] == "classification"
    assert found.column("c").tolist() == [float(k % 2) for k in range(N)]
    assert "1 read as 0, 2 as 1" in said(found)["c"]


def test_excluded_columns_are_said(tmp_path: Path) -> None:
    found = table(tmp_path, TableOptions(exclude=("z",)), z=Y[::-1])
    assert found.tasks == ("y",)
    assert said(found)["z"] == "left out: excluded by --exclude"
    with pytest.raises(InputError, match="expected 'nope'"):
        table(tmp_path, TableOptions(exclude=("nope",)))


def test_numbers_without_a_name_above_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("smiles,y,\n" + "\n".join(f"{smiles},1,2{k % 10}" for k, smiles in enumerate(SMILES)))
    with pytest.raises(InputError, match=r"expected a name for column 3 .* above '20' in row 1"):
        read_table(path)
    path.write_text("smiles,y,\n" + "\n".join(f"{smiles},{y}," for smiles, y in zip(SMILES, Y, strict=True)))
    assert read_table(path).tasks == ("y",)
    path.write_text(
        ",smiles,y\n" + "\n".join(f"{k},{s},{y}" for k, (s, y) in enumerate(zip(SMILES, Y, strict=True)))
    )
    assert read_table(path).tasks == ("y",)


def test_a_split_column_decides_the_split_whatever_the_seed(tmp_path: Path) -> None:
    from gradprobe.data import split_molecules

    folds = ["train"] * 20 + ["valid"] * 4 + ["TEST"] * 6
    found = table(tmp_path, TableOptions(split_column="fold"), fold=folds)
    assert found.tasks == ("y",)
    for seed in (0, 7):
        split = split_molecules(found, kind="random", seed=seed)
        assert split.test.tolist() == list(range(24, 30))
        assert split.validation.tolist() == list(range(20, 24))
    without = table(tmp_path, TableOptions(split_column="fold"), fold=["train"] * 24 + ["test"] * 6)
    one, other = (split_molecules(without, kind="random", seed=seed) for seed in (0, 1))
    assert one.test.tolist() == other.test.tolist() == list(range(24, 30))
    assert {len(one.validation), len(other.validation)} <= {2, 3}
    assert one.validation.tolist() != other.validation.tolist()
    with pytest.raises(InputError, match="train, validation or test in column 'fold', got 'maybe'"):
        table(tmp_path, TableOptions(split_column="fold"), fold=["maybe"] * N)


@pytest.mark.parametrize("seed", range(4))
def test_strata_give_each_split_its_share_of_a_rare_class(tmp_path: Path, seed: int) -> None:
    from gradprobe.data import split_molecules, task_rows

    n = 200
    rare = [1 if k % 10 == 3 else 0 for k in range(n)]
    path = write_csv(
        tmp_path / "t.csv", {"smiles": chains(n), "rare": rare, "y": RNG.normal(size=n).tolist()}
    )
    found = read_table(path, options=TableOptions(stratify="rare"))
    split = split_molecules(found, kind="random", seed=seed)
    for fold in ("validation", "test"):
        rows = task_rows(found, split, "rare", fold)  # type: ignore[arg-type]
        assert found.column("rare")[rows].sum() == 2
    assert found.digest != read_table(path).digest


def test_each_of_two_columns_of_marks_with_one_name_belongs_to_its_right_neighbour(tmp_path: Path) -> None:
    marks = {place: ["<" if k % place == 0 else "=" for k in range(N)] for place in (3, 5)}
    rows = [f"{SMILES[k]},{marks[3][k]},{Y[k]},nM,{marks[5][k]},{Y[k] + k},nM" for k in range(N)]
    path = tmp_path / "twice.csv"
    path.write_text("\n".join(["smiles,Prefix,y,Unit,Prefix,z,Unit", *rows]), encoding="utf-8")
    found = read_table(path)
    assert found.censored == {"y": 10, "z": 6}
    assert (found.count("y"), found.count("z")) == (20, 24)


@pytest.mark.parametrize(("above", "exact"), [("greater than", "equal to"), ("GT", "EQ"), ("right", "none")])
def test_words_for_marks_count_in_a_column_named_like_one_of_marks(
    tmp_path: Path, above: str, exact: str
) -> None:
    words = [above if k % 5 == 0 else exact for k in range(N)]
    assert table(tmp_path, **{"y qualifier": words}).censored == {"y": 6}
    assert table(tmp_path, **{"y class": words}).censored == {}


def test_marks_between_two_columns_that_name_neither_are_warned_about(tmp_path: Path) -> None:
    columns = {
        "Relation": ["<" if k % 5 == 0 else "=" for k in range(N)],
        "z": [y + k for k, y in enumerate(Y)],
    }
    found = table(tmp_path, **columns)
    assert found.censored == {"z": 6}
    assert "the marks in 'Relation' were taken for 'z', on their right" in said(found)["y"]
    renamed = table(tmp_path, **{"z relation": columns["Relation"], "z": columns["z"]})
    assert "check" not in said(renamed)["y"]


def test_labels_flagged_as_censored_without_their_side_are_left_out_and_the_flag_is_no_task(
    tmp_path: Path,
) -> None:
    found = table(tmp_path, **{"y_censored": [int(k % 5 == 0) for k in range(N)]})
    assert found.tasks == ("y",)
    assert found.count("y") == N - 6
    assert "6 labels left out that 'y_censored' marks as bounds, without their side" in said(found)["y"]
    unclear = {
        "z": [y + k for k, y in enumerate(Y)],
        "note": ["a"] * N,
        "is censored": [k % 2 for k in range(N)],
    }
    unpaired = table(tmp_path, **unclear)
    assert unpaired.tasks == ("y", "z")
    assert "'is censored' may say that some labels are bounds" in said(unpaired)["z"]


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("Registered", [20210101 + k for k in range(N)]),
        ("Date tested", [44000 + 3 * k for k in range(N)]),
        ("GMEAN_N", [1 + k % 3 for k in range(N)]),
        ("HillSlope", [y + k for k, y in enumerate(Y)]),
        ("R2", [y + k for k, y in enumerate(Y)]),
        ("pH", [7.4 + k % 2 for k in range(N)]),
        ("Temp (C)", [25 + k % 3 for k in range(N)]),
        ("Cluster", [k % 4 for k in range(N)]),
    ],
)
def test_dates_counts_conditions_and_groups_are_no_tasks(
    tmp_path: Path, name: str, cells: list[object]
) -> None:
    assert table(tmp_path, **{name: cells}).tasks == ("y",)


def test_numbers_of_eight_digits_that_are_no_dates_stay(tmp_path: Path) -> None:
    assert table(tmp_path, area=[20210000 + 77 * k for k in range(N)]).tasks == ("y", "area")
