import pytest

from gradprobe.data.molecules import Unreadable, canonical_smiles


def test_different_writings_of_a_molecule_become_one() -> None:
    assert len(set(canonical_smiles(["OCC", "CCO", "C(O)C", "[CH3][CH2][OH]", " CCO "]))) == 1


def test_mirror_images_stay_apart() -> None:
    assert len(set(canonical_smiles(["C[C@H](N)O", "C[C@@H](N)O", "CC(N)O"]))) == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no atoms"),
        ("ethanol", "not valid SMILES"),
        ("C1CC", "not valid SMILES"),
        ("CC>>CO", "not valid SMILES"),
        ("C(C)(C)(C)(C)C", "Explicit valence for atom # 0 C, 5, is greater than permitted"),
        ("c1cccc1", "Can't kekulize mol.  Unkekulized atoms: 0 1 2 3 4"),
    ],
)
def test_unreadable_smiles_say_why(text: str, reason: str) -> None:
    assert list(canonical_smiles([text])) == [Unreadable(reason)]


def test_rdkit_is_silent_meanwhile_and_speaks_again_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    from rdkit import Chem

    list(canonical_smiles(["C(C)(C)(C)(C)C", "nonsense", "CCO"]))
    assert capfd.readouterr().err == ""
    Chem.MolFromSmiles("nonsense")
    assert "nonsense" in capfd.readouterr().err


def test_rdkit_speaks_while_the_caller_works_between_molecules(capfd: pytest.CaptureFixture[str]) -> None:
    from rdkit import Chem

    for _ in canonical_smiles(["CCO"]):
        Chem.MolFromSmiles("nonsense")
    assert "nonsense" in capfd.readouterr().err
