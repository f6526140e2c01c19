"""A report as one HTML file that needs nothing else: style and figures are inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from gradprobe.reports.compare.headline import headline, subtitle, title
from gradprobe.reports.compare.ranking import ranking_in_words
from gradprobe.reports.compare.sections import sections
from gradprobe.reports.compare.summary import Summary
from gradprobe.reports.kit.image import Image
from gradprobe.reports.kit.numbers import capital
from gradprobe.reports.kit.section import Section


def render(summary: Summary, images: Mapping[str, Image]) -> str:
    """The HTML of the report of a trace or study; `images` holds the figures that were drawn, by name."""
    return render_template(
        "report.html",
        sections=sections(summary),
        images=images,
        title=title(summary),
        subtitle=subtitle(summary),
        headline=headline(summary),
        summary=summary,
        ranking_in_words=ranking_in_words,
    )


def render_template(
    name: str, *, sections: Sequence[Section], images: Mapping[str, Image], **context: object
) -> str:
    """The HTML of a template that extends base.html: title, lead, then sections with their images."""
    return _environment().get_template(name).render(sections=sections, images=images, **context)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gradprobe.reports.kit"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["capital"] = capital
    return environment
