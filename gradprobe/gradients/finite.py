"""NaN and infinite gradients are errors, never numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradprobe.errors import MeasurementError
from gradprobe.geometry import FloatArray


def check_finite(gramian: FloatArray, groups: Sequence[str], layers: Sequence[str]) -> None:
    """Check a Gramian [l, g, g] for gradients that are not finite.

    Raises:
        MeasurementError: names the first such group and layer.
    """
    broken = np.argwhere(~np.isfinite(np.diagonal(gramian, axis1=1, axis2=2)))
    if broken.size:
        layer, group = (int(i) for i in broken[0])
        raise MeasurementError(
            f"losses[{groups[group]!r}]: expected a finite gradient, got NaN or infinity in layer "
            f"{layers[layer]!r}; lower the learning rate or clip, and mask missing labels before the "
            "arithmetic (0 * NaN is NaN in the backward pass too)"
        )
