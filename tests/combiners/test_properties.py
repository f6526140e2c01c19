import numpy as np
import pytest

from gradprobe.combiners import get

from ._jacobians import CASES, VARIANTS, assert_same_update, jacobian, update

variants = pytest.mark.parametrize("combiner", VARIANTS.values(), ids=VARIANTS)
cases = pytest.mark.parametrize(("kind", "tasks", "parameters"), CASES)


@variants
@cases
def test_scaling_all_gradients_scales_the_update(combiner, kind, tasks, parameters):
    rows = jacobian(kind, tasks, parameters)
    expected = update(combiner, rows)
    for scale in (2.0**-200, 1e-8, 1e-6, 1e-3, 1e3, 1e8, 2.0**200):
        assert_same_update(update(combiner, scale * rows) / scale, expected, rows)


@variants
@cases
def test_rotating_the_parameters_rotates_the_update(combiner, kind, tasks, parameters):
    rows = jacobian(kind, tasks, parameters)
    rng = np.random.default_rng(1)
    rotation, _ = np.linalg.qr(rng.normal(size=(parameters, parameters)))
    assert_same_update(update(combiner, rows @ rotation), update(combiner, rows) @ rotation, rows)


@pytest.mark.parametrize("name", [name for name in VARIANTS if "pcgrad" not in name])  # its turn: test_pcgrad
@cases
def test_renumbering_the_tasks_renumbers_the_weights(name, kind, tasks, parameters):
    combiner = VARIANTS[name]
    rows = jacobian(kind, tasks, parameters)
    order = np.random.default_rng(2).permutation(tasks)
    moved = update(combiner, rows[order], focal=int(np.flatnonzero(order == 0)[0]))
    assert_same_update(moved, update(combiner, rows), rows)


@pytest.mark.parametrize("name", ["pcgrad", "cosine_gating", "rcgrad", "gragr"])
@pytest.mark.parametrize(("tasks", "parameters"), [(2, 5), (5, 7), (18, 7)])
def test_without_conflicts_the_projecting_methods_average(name, tasks, parameters):
    rows = jacobian("agreeing", tasks, parameters)
    np.testing.assert_allclose(get(name).weights(rows @ rows.T), np.full(tasks, 1 / tasks), rtol=1e-14)


def test_without_conflicts_the_sums_are_t_times_the_average():
    rows = jacobian("agreeing", 5, 7)
    for name in ("pcgrad", "cosine_gating"):
        np.testing.assert_allclose(get(name, reduction="sum").weights(rows @ rows.T), np.ones(5), rtol=1e-14)


def test_orthogonal_gradients_of_unequal_norm_average_only_under_the_projecting_methods():
    rows = np.diag([1.0, 3.0, 0.5])
    mean = rows.mean(axis=0)

    def cosine_to_average(name, **options):
        own = update(get(name, **options), rows)
        return own @ mean / np.linalg.norm(own) / np.linalg.norm(mean)

    for name in ("pcgrad", "cosine_gating", "rcgrad", "gragr"):
        assert cosine_to_average(name) == pytest.approx(1.0, abs=1e-12)
    assert cosine_to_average("cagrad", c=0.5) == pytest.approx(0.91, abs=0.01)
    # Min-norm of orthogonal vectors: weights proportional to 1 / ||g||^2, so the update to 1 / ||g||.
    inverse = 1 / np.array([1.0, 3.0, 0.5])
    expected = inverse @ mean / np.linalg.norm(inverse) / np.linalg.norm(mean)
    assert cosine_to_average("mgda") == pytest.approx(expected, abs=1e-12)
    assert expected == pytest.approx(0.41, abs=0.01)
