"""The report as one HTML file that needs nothing else: style and figures are inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from gradprobe.reports.headline import headline, subtitle, title
from gradprobe.reports.sections import sections
from gradprobe.reports.summary import Summary
from gradprobe.reports.wording import capital


@dataclass(frozen=True)
class Image:
    """A figure as PNG bytes with the text that stands for it."""

    png: bytes
    alt: str


def render(summary: Summary, images: Mapping[str, Image]) -> str:
    """The HTML of a report; `images` holds the figures that were drawn, by name."""
    environment = Environment(
        loader=PackageLoader("gradprobe.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["capital"] = capital
    return environment.get_template("report.html").render(
        title=title(summary),
        subtitle=subtitle(summary),
        headline=headline(summary),
        summary=summary,
        sections=sections(summary),
        images={
            name: {
                "source": f"data:image/png;base64,{base64.b64encode(image.png).decode()}",
                "alt": image.alt,
            }
            for name, image in images.items()
        },
    )
