"""How a model is trained and how often it is probed."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

# Of forward and backward passes, in the names of Lightning. Half precision would need its losses scaled.
Precision = Literal["32-true", "bf16-mixed"]


class TrainingOptions(BaseModel):
    """Options of one run.

    An epoch is one pass over the focal task's train split. `batch_size` counts the labels of each
    task (`batching="balanced"`) or the molecules (`"union"`) of a step. `patience` is the number of
    epochs without a better focal validation score after which training stops. `probe_every` counts
    steps, `heldout_every` epochs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(30, ge=1)
    batch_size: int = Field(32, ge=1)
    batching: Literal["balanced", "union"] = "balanced"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    patience: int = Field(10, ge=1)
    probe_every: int = Field(10, ge=1)
    heldout_every: int = Field(5, ge=1)
