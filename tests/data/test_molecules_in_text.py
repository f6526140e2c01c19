import pytest

from gradprobe.data.molecules import Unreadable, canonical_smiles


def read(text: str) -> str | Unreadable:
    return next(iter(canonical_smiles([text])))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("CC(=O)Oc1ccccc1 C(=O)O", "'C(=O)O' after it reads as SMILES too"),
        ("CC(=O)Oc1ccccc1\nC(=O)O", "a line break inside"),
        ("CCO / CCN", "'/' after it reads as SMILES too"),
        ("CCO c1ccccc", "reads as SMILES too"),
        ("CCO CO", "reads as SMILES too"),
        ("CC (=O)O", "reads as SMILES too"),
    ],
)
def test_a_smiles_that_may_be_cut_in_two_is_not_read(text: str, reason: str) -> None:
    found = read(text)
    assert isinstance(found, Unreadable)
    assert reason in found.reason


@pytest.mark.parametrize(
    "text", ["CCO", " CCO ", "CCO ethanol", "CCO\tethanol", "CCO CHEMBL545", "OCC 64-17-5", "CCO ||"]
)
def test_a_name_after_a_smiles_is_left_out(text: str) -> None:
    assert read(text) == "CCO"


def test_racemate_and_enantiomers_are_three_molecules_and_the_same_when_written_otherwise() -> None:
    plain, either, both = (read(f"C[C@H](N)C(=O)O{group}") for group in ("", " |o1:1|", " |&1:1|"))
    assert len({plain, either, both}) == 3
    assert read("C[C@H](N)C(=O)O |a:1|") == plain
    assert read("C[C@@H](N)C(=O)O |&4:1|") == both
    assert read("OC(=O)[C@@H](C)N |o2:3| alanine") == either
    assert read(str(either)) == either


def test_every_group_of_a_molecule_counts() -> None:
    one, two = read("C[C@H](N)[C@H](Cl)Br |o1:1,3|"), read("C[C@H](N)[C@H](Cl)Br |o1:1,o2:3|")
    assert one != two
