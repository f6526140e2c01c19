"""What every set of features offers, whatever an encoder makes of it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

IntArray = npt.NDArray[np.int64]


class EncoderOptions(BaseModel):
    """Base of the options of an encoder; a misspelt option is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Features(Protocol):
    """The molecules of a study, featurised once; rows are molecules."""

    def __len__(self) -> int:
        """The number of molecules."""
        ...

    def fit(self, train_rows: IntArray) -> None:
        """Take what has to be estimated, such as means and deviations, from the train split alone."""
        ...

    def batch(self, rows: IntArray) -> Any:
        """The encoder's inputs for some molecules [b], in that order; a row may occur twice."""
        ...

    def notes(self) -> dict[str, object]:
        """What a report should mention, as plain JSON values."""
        ...
