"""What a preset's file holds."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gradprobe.data.suggest import did_you_mean, listed
from gradprobe.errors import InputError
from gradprobe.records.claims import Expectation

# Where on an axis a term stands, besides a value of its own.
LOWEST, HIGHEST = "lowest", "highest"


class PresetTerm(BaseModel):
    """A weight times a measure of some cells.

    `encoder` is a position among the study's encoders and `combiner` a name; where the claim says `each`,
    the one that stands for each is left out. `at` names a place on axes, `lowest` or `highest`; everything
    else is as the study's own options say. `measure` comes before that of the claim.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: int | None = None
    combiner: str | None = None
    at: dict[str, Literal["lowest", "highest"]] = Field(default_factory=dict)
    measure: str | None = None
    weight: float = 1.0


class PresetClaim(BaseModel):
    """A sentence and its test, once for each of `measures`.

    The sum of `terms` must lie where `expect` says, for every encoder or combiner where `each` names them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    expect: Expectation
    terms: tuple[PresetTerm, ...]
    measures: tuple[str, ...] = ("",)
    margin: float = Field(0.0, ge=0)
    each: Literal["encoder", "combiner"] | None = None


class Preset(BaseModel):
    """One study: its question, where it comes from, the options of the comparison, and the claims."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    question: str
    source: str
    options: dict[str, Any]
    claims: tuple[PresetClaim, ...]


def list_presets() -> tuple[str, ...]:
    """The names of all presets."""
    found = (entry.name for entry in files(__package__ or "").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml")))


def read_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        InputError: there is none.
    """
    known = list_presets()
    if name not in known:
        raise InputError(
            f"preset: expected one of {listed(known)}, got {name!r}{did_you_mean(name, list(known))}"
        )
    content = files(__package__ or "").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return Preset(name=name, **tomllib.loads(content))
