"""What the report of a decision shows, decided once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradprobe.decisions import Course
from gradprobe.records.decide import DecideManifest
from gradprobe.records.decision import Decision
from gradprobe.records.record import encode
from gradprobe.reports.decide.recipe import recipe
from gradprobe.reports.decide.replay import Study, course_of, decision_of


@dataclass(frozen=True, eq=False)
class DecideSummary:
    """A decision, how far it has come, and the recipe of what it recommends."""

    manifest: DecideManifest
    decision: Decision
    course: Course
    recipe: str
    probed: int

    @property
    def complete(self) -> bool:
        """Whether nothing more will be trained within the budget."""
        return bool(self.manifest.actions) and self.course.stage == "over"


def of_study(study: Study) -> DecideSummary:
    """The summary of what lies in the folder of a decision."""
    decision = decision_of(study)
    return DecideSummary(
        manifest=study.manifest,
        decision=decision,
        course=course_of(study),
        recipe=recipe(study.manifest, decision),
        probed=sum(key.probed for key in study.results),
    )


def decision_json(summary: DecideSummary) -> str:
    """decision.json."""
    return encode(summary.decision).decode()


def beside(summary: DecideSummary) -> Mapping[str, str]:
    """The files beside the report: recipe.toml."""
    return {"recipe.toml": summary.recipe}
