import sys

import numpy as np
import pytest
import torch

from gradprobe.combiners import get
from gradprobe.errors import InputError, MissingExtraError
from tests.combiners._jacobians import jacobian, update
from tests.combiners._oracles import pcgrad_expectation

aggregation = pytest.importorskip("torchjd.aggregation", reason="TorchJD is not installed")

SHAPES = [(2, 5), (3, 200), (5, 7)]


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


@pytest.mark.parametrize("method", ["MGDA", "PCGrad", "IMTLG", "AlignedMTL"])
def test_the_update_is_what_torchjd_makes_of_the_jacobian_itself(method):
    rows = jacobian("independent", 4, 30)
    rows /= np.linalg.norm(rows)  # of trace 1, so that the scale is TorchJD's own
    combiner = get(f"torchjd:{method}", seed=3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        expected = getattr(aggregation, method)()(torch.from_numpy(rows)).numpy()
    assert combiner.name == f"torchjd:{method}"
    assert combiner.needs_gramian
    np.testing.assert_allclose(update(combiner, rows), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_tiny_jacobian_gives_the_same_weights(shape):
    rows = jacobian("opposed", *shape)
    for method in ("MGDA", "IMTLG", "AlignedMTL"):
        combiner = get(f"torchjd:{method}")
        np.testing.assert_allclose(
            combiner.weights(rows @ rows.T), combiner.weights(1e-12 * rows @ rows.T), rtol=1e-6
        )


def test_missing_tasks_drop_out_before_the_method_sees_them():
    rows = jacobian("independent", 4, 30)
    gramian = rows @ rows.T
    gramian[2] = gramian[:, 2] = np.nan
    present = np.array([True, True, False, True])
    weights = get("torchjd:MGDA").weights(gramian, present=present)
    assert weights[2] == 0.0
    expected = get("torchjd:MGDA").weights(gramian[np.ix_(present, present)])
    np.testing.assert_allclose(weights[present], expected, rtol=1e-9)


def test_random_methods_leave_the_global_random_state_alone_and_follow_their_seed():
    rows = jacobian("opposed", 5, 7)
    before = torch.get_rng_state()
    first, again, other = (get("torchjd:PCGrad", seed=seed) for seed in (1, 1, 2))
    draws = [[update(combiner, rows) for _ in range(4)] for combiner in (first, again, other)]
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.allclose(draws[0], draws[2])
    assert not np.allclose(draws[0][0], draws[0][1])  # the state moves on from call to call


def test_for_two_tasks_pcgrad_is_ours_exactly():
    rows = jacobian("opposed", 2, 5, seed=1)
    assert rows[0] @ rows[1] < 0
    np.testing.assert_allclose(
        update(get("torchjd:PCGrad"), rows), update(get("pcgrad", reduction="sum"), rows), rtol=1e-12
    )


def test_over_many_orders_pcgrad_and_ours_have_the_same_mean():
    rows = jacobian("opposed", 4, 6)
    expected = pcgrad_expectation(rows)
    for combiner in (get("torchjd:PCGrad", seed=0), get("pcgrad", seed=0, reduction="sum")):
        draws = np.array([update(combiner, rows) for _ in range(400)])
        error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
        assert (np.abs(draws.mean(axis=0) - expected) <= 4.5 * error + 1e-12).all()
    fixed = update(get("pcgrad", order="fixed", reduction="sum"), rows)
    assert np.linalg.norm(fixed - expected) > 0.02 * np.linalg.norm(expected)  # a fixed order is biased


def test_for_two_tasks_mgda_is_ours_exactly():
    for seed in range(5):
        rows = jacobian("spread", 2, 5, seed=seed)
        np.testing.assert_allclose(
            update(get("torchjd:MGDA"), rows), update(get("mgda"), rows), rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("kind", ["independent", "spread", "opposed"])
def test_mgda_of_many_tasks_is_ours_once_its_frank_wolfe_steps_suffice(kind):
    rows = jacobian(kind, 18, 19)
    shortest, default, patient = (
        np.linalg.norm(update(combiner, rows))
        for combiner in (
            get("mgda"),
            get("torchjd:MGDA"),
            get("torchjd:MGDA", epsilon=1e-12, max_iters=3_000),
        )
    )
    assert default > 1.1 * shortest  # its default of a hundred steps stops short
    assert shortest <= patient < 1.05 * shortest


def test_cagrad_is_ours_without_a_rescale():
    pytest.importorskip("cvxpy", reason="TorchJD's CAGrad needs cvxpy")
    for shape in SHAPES:
        for kind in ("independent", "opposed", "agreeing"):
            rows = jacobian(kind, *shape)
            ours = update(get("cagrad", c=0.4, rescale="none"), rows)
            theirs = update(get("torchjd:CAGrad", c=0.4), rows)
            assert np.linalg.norm(ours - theirs) < 1e-4 * np.linalg.norm(ours)
            rescaled = update(get("cagrad", c=0.4), rows)
            np.testing.assert_allclose(rescaled * (1 + 0.4**2), ours, rtol=1e-9, atol=1e-12)


def test_torchjd_alone_takes_a_short_jacobian_for_zero_and_the_bridge_does_not():
    pytest.importorskip("cvxpy", reason="TorchJD's CAGrad needs cvxpy")
    rows = 1e-4 * jacobian("independent", 3, 20)
    assert np.linalg.norm(aggregation.CAGrad(c=0.4)(torch.from_numpy(rows))) == 0.0
    ours = update(get("cagrad", c=0.4, rescale="none"), rows)
    assert cosine(update(get("torchjd:CAGrad", c=0.4), rows), ours) > 1 - 1e-6


def test_an_unknown_method_lists_those_that_work_on_gramians():
    with pytest.raises(InputError, match=r"expected torchjd: and one of .*MGDA.*; got 'ConFIG'"):
        get("torchjd:ConFIG")  # has no Gramian form
    with pytest.raises(InputError, match=r"got 'mgda'"):
        get("torchjd:mgda")


def test_options_that_are_missing_unknown_or_out_of_range_are_named():
    with pytest.raises(InputError, match=r"torchjd:Krum: expected options \(n_byzantine"):
        get("torchjd:Krum")
    with pytest.raises(InputError, match=r"torchjd:MGDA: expected options \(epsilon.*got \{'c': 1\}"):
        get("torchjd:MGDA", c=1)
    with pytest.raises(InputError, match="epsilon must be positive"):
        get("torchjd:MGDA", epsilon=-1.0)


def test_a_method_whose_own_package_is_absent_names_it(monkeypatch):
    monkeypatch.setattr("torchjd._mixins.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"torchjd:FairGrad: .*scipy.* to be installed"):
        get("torchjd:FairGrad", alpha=1.0)


def test_without_torchjd_the_name_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "gradprobe.integrations.torchjd", raising=False)
    monkeypatch.setitem(sys.modules, "torchjd", None)
    with pytest.raises(MissingExtraError, match=r"torchjd is not installed; .*gradprobe\[torchjd\]"):
        get("torchjd:MGDA")
