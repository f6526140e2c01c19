"""A drawn figure as a report carries it."""

from __future__ import annotations

import base64
from dataclasses import dataclass


@dataclass(frozen=True)
class Image:
    """A figure as PNG bytes with the text that stands for it."""

    png: bytes
    alt: str

    @property
    def source(self) -> str:
        """The figure as the address of an HTML image, so that a report needs no other file."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"
