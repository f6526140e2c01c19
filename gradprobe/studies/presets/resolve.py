"""From the claims of a preset to contrasts of the cells of one study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradprobe.encoders import parse_encoder
from gradprobe.records.claims import Claim, Contrast, Term
from gradprobe.records.compare import AUXILIARIES, SINGLE_TASK, Scalar
from gradprobe.studies.axes import Axes, as_point
from gradprobe.studies.presets.preset import LOWEST, Preset, PresetClaim, PresetTerm

AVERAGE = "average"


class _ImpossibleError(Exception):
    """A claim speaks of cells that the study does not have."""


@dataclass(frozen=True)
class _Study:
    """What the claims' terms refer to."""

    preset: Preset
    encoders: Sequence[str]
    combiners: Sequence[str]
    axes: Axes
    base: Mapping[str, Scalar]


def claims_of(
    preset: Preset,
    *,
    encoders: Sequence[str],
    combiners: Sequence[str],
    axes: Axes,
    base: Mapping[str, Scalar],
) -> tuple[Claim, ...]:
    """The preset's claims for a study with these encoders, combiners and axes.

    A claim about cells that the study does not have, or about an encoder of another kind than the preset's at
    the same place, says so in `impossible`.
    """
    study = _Study(preset, encoders, combiners, axes, base)
    return tuple(_claim(study, claim, measure) for claim in preset.claims for measure in claim.measures)


def _claim(study: _Study, claim: PresetClaim, measure: str) -> Claim:
    contrasts: tuple[Contrast, ...] = ()
    impossible = ""
    try:
        contrasts = tuple(_contrasts(study, claim, measure))
    except _ImpossibleError as reason:
        impossible = str(reason)
    return Claim(
        preset=study.preset.name,
        text=claim.text,
        expect=claim.expect,
        margin=claim.margin,
        contrasts=contrasts,
        impossible=impossible,
    )


def _contrasts(study: _Study, claim: PresetClaim, measure: str) -> list[Contrast]:
    if claim.each == "encoder":
        return [
            _contrast(study, claim, measure, name, encoder=place) for place, name in enumerate(study.encoders)
        ]
    if claim.each == "combiner":
        others = [name for name in study.combiners if name not in (AVERAGE, SINGLE_TASK)]
        if not others:
            raise _ImpossibleError("the study has no combiner but averaging")
        return [_contrast(study, claim, measure, name, combiner=name) for name in others]
    return [_contrast(study, claim, measure, "")]


def _contrast(
    study: _Study,
    claim: PresetClaim,
    measure: str,
    name: str,
    *,
    encoder: int | None = None,
    combiner: str | None = None,
) -> Contrast:
    terms = []
    for term in claim.terms:
        own = term.combiner or combiner or AVERAGE
        if own not in study.combiners:
            raise _ImpossibleError(f"the study has no cells with {own}")
        terms.append(
            Term(
                measure=term.measure or measure,
                encoder=_encoder(study, term.encoder, each=encoder),
                combiner=own,
                axes=as_point(_values(study, term, own), study.base),
                weight=term.weight,
            )
        )
    return Contrast(name=name, terms=tuple(terms))


def _encoder(study: _Study, place: int | None, *, each: int | None) -> str:
    if place is None:
        return study.encoders[each or 0]
    if place >= len(study.encoders):
        raise _ImpossibleError(f"the study has no encoder number {place + 1}")
    own, planned = study.encoders[place], str(study.preset.options["encoders"][place])
    if (parse_encoder(own).kind == "mlp") != (parse_encoder(planned).kind == "mlp"):
        raise _ImpossibleError(f"encoder number {place + 1} is {own}; the claim is about one like {planned}")
    return own


def _values(study: _Study, term: PresetTerm, combiner: str) -> dict[str, Scalar]:
    values: dict[str, Scalar] = {}
    for axis, place in term.at.items():
        if axis == AUXILIARIES and combiner == SINGLE_TASK:
            continue
        numbers = [value for value in study.axes.get(axis, ()) if isinstance(value, int | float) and value]
        if len(set(numbers)) < 2:
            raise _ImpossibleError(f"{axis} does not vary in this study")
        values[axis] = min(numbers) if place == LOWEST else max(numbers)
    return values
