import pytest

from gradprobe.data.molecules import Unreadable, canonical_smiles, too_large


def test_different_writings_of_a_molecule_become_one() -> None:
    assert len(set(canonical_smiles(["OCC", "CCO", "C(O)C", "[CH3][CH2][OH]", " CCO "]))) == 1


def test_mirror_images_stay_apart() -> None:
    assert len(set(canonical_smiles(["C[C@H](N)O", "C[C@@H](N)O", "CC(N)O"]))) == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "an empty cell"),
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


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("N" * 50_000, "50,000 characters; at most 20,000 are read"),
        ("[Si](C)(C)O" * 300, "1,200 atoms; at most 1,000 are read"),
        ("C1CC1" * 400, "1,200 atoms; at most 1,000 are read"),
        ("C(" * 1500 + "C" + ")" * 1500, "1,501 atoms; at most 1,000 are read"),
        (".".join(["ClBr"] * 600), "1,200 atoms; at most 1,000 are read"),
        ("[" * 30_000, "30,000 characters; at most 20,000 are read"),
    ],
)
def test_what_would_overflow_rdkit_s_stack_is_never_shown_to_it(
    text: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rdkit import Chem

    monkeypatch.setattr(Chem, "MolFromSmiles", None)
    assert list(canonical_smiles([text])) == [Unreadable(reason)]


def test_the_largest_molecules_people_use_are_read() -> None:
    protein = "".join(["N[C@@H](CC(=O)O)C(=O)"] * 120) + "O"
    (found,) = canonical_smiles([protein])
    assert isinstance(found, str)


@pytest.mark.parametrize(
    "text",
    ["CC(=O)Oc1ccccc1C(=O)O", "[Na+].[Cl-]", "C[C@@H](N)Br", "[2H]C([2H])=*", "c1cc[nH]c1", "B1OPSFI1"],
)
def test_atoms_are_counted_as_rdkit_counts_them(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from rdkit import Chem

    molecule = Chem.MolFromSmiles(text, sanitize=False)
    monkeypatch.setattr("gradprobe.data.molecules.MOST_ATOMS", molecule.GetNumAtoms())
    assert too_large(text) == ""
    monkeypatch.setattr("gradprobe.data.molecules.MOST_ATOMS", molecule.GetNumAtoms() - 1)
    assert too_large(text) == f"{molecule.GetNumAtoms()} atoms; at most {molecule.GetNumAtoms() - 1} are read"
