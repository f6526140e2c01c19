import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import Descriptors, rdFingerprintGenerator

from gradprobe.encoders.descriptors import DescriptorFeatures, descriptor_features
from gradprobe.encoders.fingerprints import morgan_features
from gradprobe.errors import InputError
from tests.encoders._molecules import SMILES


def test_packed_fingerprints_unpack_to_those_of_rdkit():
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    rows = [4, 0, 4, len(SMILES) - 1]
    expected = np.stack([generator.GetFingerprintAsNumPy(Chem.MolFromSmiles(SMILES[row])) for row in rows])
    batch = morgan_features(SMILES, None).batch(np.array(rows))
    assert batch.dtype == torch.float32
    np.testing.assert_array_equal(batch.numpy(), expected)


def test_descriptors_are_standardised_by_the_train_rows_alone():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 3)) * [1.0, 5.0, 0.1] + [0.0, 100.0, -3.0]
    values[30:] += 1.0
    features = DescriptorFeatures(("a", "b", "c"), values)
    features.fit(np.arange(30))
    train, test = values[:30], values[30:]
    expected = np.clip((test - train.mean(axis=0)) / train.std(axis=0), -10, 10)
    np.testing.assert_allclose(features.batch(np.arange(30, 40)).numpy(), expected, rtol=1e-5, atol=1e-6)
    assert abs(features.batch(np.arange(30)).numpy().mean(axis=0)).max() < 1e-6


def test_columns_without_use_are_dropped_and_named_with_the_reason():
    values = np.column_stack(
        [
            np.arange(6.0),
            [1.0, 1.0, 1.0, 1.0, 2.0, 3.0],
            [0.0, 1.0, np.nan, 3.0, 4.0, 5.0],
            [0.0, 1.0, 2.0, 3.0, np.inf, 5.0],
            [0.0, 1.0, 2.0, 3.0, 4.0, 1e12],
        ]
    )
    features = DescriptorFeatures(("fine", "flat", "missing", "infinite", "huge"), values)
    features.fit(np.arange(4))
    assert features.width == 1
    assert features.notes()["dropped"] == {
        "flat": "constant on the train split",
        "missing": "not finite",
        "infinite": "not finite",
        "huge": "larger than 1e+06",
    }
    assert features.batch(np.arange(6)).isfinite().all()


def test_a_rare_group_cannot_dominate_its_batch():
    values = np.zeros((1000, 1))
    values[0] = 1.0
    features = DescriptorFeatures(("rare",), values)
    features.fit(np.arange(1000))
    assert features.batch(np.array([0])).item() == 10.0


def test_descriptors_have_to_be_fitted_first():
    features = DescriptorFeatures(("a",), np.zeros((2, 1)))
    with pytest.raises(InputError, match="call fit"):
        features.batch(np.array([0]))


def test_molecules_that_do_not_differ_are_refused():
    with pytest.raises(InputError, match="train_rows: expected molecules that differ"):
        DescriptorFeatures(("a",), np.ones((3, 1))).fit(np.arange(3))


def test_descriptors_are_those_of_rdkit(tmp_path):
    for _ in range(2):  # computed, then read from the cache
        features = descriptor_features(SMILES, tmp_path)
        features.fit(np.arange(len(SMILES)))
        weights = np.array([Descriptors.MolWt(Chem.MolFromSmiles(text)) for text in SMILES])
        dropped = features.notes()["dropped"]
        kept = [name for name, _ in Descriptors.descList if name not in dropped]
        column = features.batch(np.arange(len(SMILES))).numpy()[:, kept.index("MolWt")]
        np.testing.assert_allclose(column, (weights - weights.mean()) / weights.std(), rtol=1e-5)


def test_featurising_says_nothing_on_the_terminal(capfd):
    descriptor_features(("[H+].[Cl-]", "CCO", "[H][H]"), None)
    assert capfd.readouterr() == ("", "")
