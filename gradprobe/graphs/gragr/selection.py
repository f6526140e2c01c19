"""Which of several random starts continues: seed selection (9)-(11)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradprobe.errors import TrainingError


def select_start(final_losses: Sequence[float]) -> int:
    """The position of the lowest validation loss at the end of the trial, the first of equals (eq. 11).

    The equation takes the final loss, not the best one so far; the caption of the paper's figure speaks of
    the highest accuracy: pass negative accuracies for that. NaN counts as the worst.

    This is best-of-S model selection: a fair comparison grants the baseline the same S starts.

    >>> select_start([0.7, 0.5, 0.5])
    1

    Raises:
        TrainingError: every loss is NaN.
    """
    finite = [math.inf if math.isnan(loss) else loss for loss in final_losses]
    if all(math.isnan(loss) for loss in final_losses):
        raise TrainingError(
            "candidates: expected a start with a finite validation loss, got none; lower learning_rate"
        )
    return finite.index(min(finite))
