import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradprobe.errors import InputError
from gradprobe.geometry.graph import FEATURES
from gradprobe.graphs.explain import NodeContext, node_contexts
from gradprobe.graphs.explain.context import feature_percentiles

from ._contexts import context


def slow_percentile(values: list[float], own: float) -> float:
    below = sum(1 for value in values if value < own)
    ties = sum(1 for value in values if value == own)
    return 100.0 * (below + 0.5 * ties) / len(values)


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=12).filter(lambda drawn: len(set(drawn)) > 1))
def test_percentiles_count_the_nodes_below_and_half_the_ties(drawn: list[int]) -> None:
    values = [float(value) for value in drawn]
    found = feature_percentiles(np.array(values)[:, None])
    assert found[:, 0] == pytest.approx([slow_percentile(values, own) for own in values])


def test_what_is_undefined_has_no_percentile_and_moves_no_other() -> None:
    found = feature_percentiles(np.array([[1.0], [np.nan], [3.0]]))
    assert np.isnan(found[1, 0])
    assert found[[0, 2], 0].tolist() == [25.0, 75.0]


def test_a_value_that_all_nodes_share_has_no_percentile() -> None:
    assert np.isnan(feature_percentiles(np.full((3, 1), -0.2))).all()


def contexts(**changes: object) -> tuple[NodeContext, ...]:
    options: dict[str, object] = {
        "positions": [2, 0],
        "features": np.arange(18.0).reshape(3, 6),
        "ids": [10, 20, 30],
        "predicted": [0, 1, 1],
        "probabilities": [0.9, 0.5, 0.8],
        "degrees": [1, 2, 3],
    }
    return node_contexts(**(options | changes))  # type: ignore[arg-type]


def test_contexts_are_of_the_nodes_asked_for_in_their_order() -> None:
    last, first = contexts()
    assert (last.node, last.prediction, last.probability, last.degree) == (30, "1", 0.8, 3)
    assert (first.node, first.prediction, first.probability, first.degree) == (10, "0", 0.9, 1)
    assert last.values == tuple(np.arange(12.0, 18.0))
    assert last.percentiles == pytest.approx((250.0 / 3.0,) * 6)


def test_labels_stay_out_unless_given() -> None:
    assert contexts()[0].label is None
    assert contexts(labels=[0, 0, 1], names=["cat", "dog"])[0].label == "dog"
    assert contexts(labels=[0, 0, -1])[0].label is None


def test_the_reason_goes_along_with_what_is_undefined_only() -> None:
    features = np.arange(18.0).reshape(3, 6)
    features[2, 1] = np.nan
    last, first = contexts(features=features)
    assert np.isnan(last.value("stability"))
    assert last.undefined == {"stability": "it has fewer than two neighbours"}
    assert first.undefined == {}


def test_a_context_of_another_length_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=f"values: expected 6 numbers .*{FEATURES[-1]}.*got 5"):
        context(values=(1.0,) * 5)
