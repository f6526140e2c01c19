"""A document as one HTML file that needs nothing else: style and figures are inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from gradprobe.reports.kit.document import Document


def render(document: Document, images: Mapping[str, bytes]) -> str:
    """The HTML of a document; `images` holds its figures as PNG, by name."""
    sources = {
        name: f"data:image/png;base64,{base64.b64encode(png).decode()}" for name, png in images.items()
    }
    return _environment().get_template("document.html").render(document=document, sources=sources)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("gradprobe.reports.kit"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
