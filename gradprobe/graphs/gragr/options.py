"""The parts of GraGR and GraGR++, each of which can be switched off alone."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gradprobe.errors import InputError
from gradprobe.graphs.gragr.attention import Similarity
from gradprobe.graphs.gragr.conflict import ConflictLoss
from gradprobe.graphs.gragr.correction import Context, Correction


class GraGROptions(BaseModel):
    """Which parts are on, and their numbers, of which the paper states none.

    Parts: `conflict` detects and projects (1), (3) and adds the conflict loss (2) to the objective;
    `alignment` smooths (4); `attention` reweights messages (5)-(6); `meta` learns a weight for each node
    group (7)-(8); `schedule` lets all this act on plateaus alone (14); `pathways` gives each layer that
    reads representations a second way for conflicts (12)-(13), opened where its energy per edge exceeds
    `energy_threshold`. With one task, weights make sense for groups of nodes only: quantiles of degree,
    or the conflict flags of the step before. They move at every `meta_every`-th step of reasoning: each
    move costs a backward pass a group.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    conflict: bool = False
    alignment: bool = False
    attention: bool = False
    meta: bool = False
    schedule: bool = False
    pathways: bool = False

    context: Context = "neighbours"
    magnitude: float = Field(0.0, ge=0.0)
    cosine: float = Field(0.0, ge=-1.0, le=1.0)
    conflict_loss: ConflictLoss = "raw"
    conflict_weight: float = Field(1.0, ge=0.0)
    smoothing: float = Field(0.5, ge=0.0)
    jacobi_steps: int = Field(1, ge=1)
    exact_smoothing: bool = False
    temperature: float = 1.0
    similarity: Similarity = "cosine"
    groups: Literal["degree", "conflict"] = "degree"
    group_count: int = Field(3, ge=2)
    meta_objective: Literal["validation", "conflict"] = "validation"
    meta_rate: float = Field(50.0, ge=0.0)
    meta_every: int = Field(5, ge=1)
    neumann_terms: int = Field(1, ge=1)
    plateau: float = 0.01
    warmup: int = Field(30, ge=0)
    patience: int = Field(1, ge=1)
    latch: bool = False
    energy_threshold: float = Field(0.02, ge=0.0)
    pathway_weight: float = Field(0.5, ge=0.0, le=1.0)

    @property
    def reasons(self) -> bool:
        """Whether any part is on that changes training; without one it is the base model's."""
        return self.conflict or self.alignment or self.attention or self.meta or self.pathways

    @property
    def correction(self) -> Correction:
        """The correction of node gradients that these options ask for."""
        return Correction(
            project=self.conflict,
            smooth=self.alignment,
            context=self.context,
            magnitude=self.magnitude,
            cosine=self.cosine,
            smoothing=self.smoothing,
            steps=self.jacobi_steps,
            exact=self.exact_smoothing,
        )


class NodeTrainingOptions(BaseModel):
    """How a node model is trained, with GraGR or without.

    `candidates` random starts are trained for `trial_epochs`; the one with the lowest validation loss
    continues to `epochs`, the trial included. Every method gets the same number of starts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(200, ge=1)
    learning_rate: float = Field(0.01, gt=0.0)
    weight_decay: float = Field(5e-4, ge=0.0)
    candidates: int = Field(1, ge=1)
    trial_epochs: int = Field(30, ge=1)


_GRAGR = {"conflict": True, "alignment": True, "attention": True, "meta": True}
_GRAGR_PLUS = {**_GRAGR, "schedule": True, "pathways": True}

# The rows of the paper's tables 1 and 6, and GraGR++ without each of GraGR's parts for completeness.
METHODS: Mapping[str, GraGROptions] = MappingProxyType(
    {
        name: GraGROptions.model_validate(parts)
        for name, parts in (
            ("base", {}),
            ("gragr", _GRAGR),
            ("gragr++", _GRAGR_PLUS),
            *((f"gragr-no-{part}", {**_GRAGR, part: False}) for part in _GRAGR),
            *((f"gragr++-no-{part}", {**_GRAGR_PLUS, part: False}) for part in _GRAGR_PLUS),
        )
    }
)

# What Table 6 compares.
ABLATION = (
    "base",
    "gragr",
    *(f"gragr-no-{part}" for part in _GRAGR),
    "gragr++",
    "gragr++-no-schedule",
    "gragr++-no-pathways",
)


def is_whole(name: str) -> bool:
    """Whether a method lacks no part of its family, as those of an ablation do."""
    return "-no-" not in name


def method_options(name: str, **changes: object) -> GraGROptions:
    """The options of a method by name, some of them changed.

    Raises:
        InputError: an unknown name.
    """
    if name not in METHODS:
        raise InputError(f"method: expected one of {', '.join(METHODS)}; got {name!r}")
    return GraGROptions.model_validate({**METHODS[name].model_dump(), **changes})
