"""One look for one method: colour and line, so that none is told by colour alone."""

from __future__ import annotations

from collections.abc import Mapping

from gradprobe.records.editing import Method

# Okabe and Ito's colours; the perceptron's methods are dashed.
COLOURS: Mapping[Method, str] = {
    "gd": "#000000",
    "gre": "#0072B2",
    "gre_plus": "#D55E00",
    "egnn": "#777777",
    "egnn_gre": "#56B4E9",
    "egnn_gre_plus": "#E69F00",
}
WRONG, RIGHT = "#D55E00", "#56B4E9"


def line(method: Method) -> str:
    """The line of a method."""
    return "--" if method.startswith("egnn") else "-"
