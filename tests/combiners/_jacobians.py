from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from gradprobe.combiners import Combiner, get
from gradprobe.geometry import FloatArray

# Every combiner in every variant whose weights are a pure function of the Gramian.
VARIANTS: dict[str, Combiner] = {
    "average": get("average"),
    "weighted-focal": get("weighted", focal_share=0.4),
    "pcgrad-fixed": get("pcgrad", order="fixed"),
    "pcgrad-fixed-sum": get("pcgrad", order="fixed", reduction="sum"),
    "cagrad": get("cagrad"),
    "cagrad-none": get("cagrad", c=0.9, rescale="none"),
    "cagrad-1+c": get("cagrad", c=0.1, rescale="1+c"),
    "cagrad-1+lambda": get("cagrad", c=2.0, rescale="1+lambda"),
    "gating-mean": get("cosine_gating"),
    "gating-sum": get("cosine_gating", reduction="sum"),
    "gating-weighted": get("cosine_gating", reduction="weighted"),
    "rcgrad": get("rcgrad"),
    "gragr": get("gragr"),
    "gragr-smoothing-first": get("gragr", first="smoothing", smoothing=0.3),
    "gre": get("gre"),
    "gre-damped": get("gre", damping=0.5),
    "gre-plus": get("gre_plus"),
    "gre-plus-damped": get("gre_plus", damping=0.5),
    "mgda": get("mgda"),
}

SHAPES = [(2, 5), (5, 7), (18, 7), (18, 200)]
KINDS = ["independent", "spread", "agreeing", "opposed"]
CASES = [
    pytest.param(kind, *shape, id=f"{kind}-{shape[0]}x{shape[1]}") for kind, shape in product(KINDS, SHAPES)
]


def jacobian(kind: str, tasks: int, parameters: int, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng([seed, tasks, parameters, KINDS.index(kind)])
    rows = rng.normal(size=(tasks, parameters))
    if kind == "spread":  # norms over three decades
        rows *= 10.0 ** rng.uniform(-3, 0, size=(tasks, 1))
    elif kind == "agreeing":  # every pair at a positive angle
        rows = np.abs(rows)
    elif kind == "opposed":  # two camps
        rows += 1.5 * np.where(np.arange(tasks) % 2, 1.0, -1.0)[:, None] * rng.normal(size=parameters)
    return rows


def update(combiner: Combiner, rows: FloatArray, focal: int = 0) -> FloatArray:
    return combiner.weights(rows @ rows.T, focal=focal) @ rows


def assert_same_update(
    actual: FloatArray, expected: FloatArray, rows: FloatArray, tolerance: float = 1e-9
) -> None:
    """Updates agree to `tolerance` of the longest gradient.

    Updates, since weights are not unique where gradients depend on each other; a tolerance, since products of
    the same gradients in another layout are rounded in another order, and by which one depends on the BLAS
    kernel of the processor.
    """
    scale = np.linalg.norm(rows, axis=1).max()
    np.testing.assert_allclose(actual / scale, expected / scale, rtol=0, atol=tolerance)
