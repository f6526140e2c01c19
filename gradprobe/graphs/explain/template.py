"""A node's prediction explained by a fixed template: the same context, the same words."""

from __future__ import annotations

import math

from gradprobe.graphs.explain.context import NodeContext
from gradprobe.graphs.explain.features import DESCRIPTIONS, ROLES, Description

HIGH, LOW = 200.0 / 3.0, 100.0 / 3.0
DOUBTFUL_CONFLICT = 90.0  # percentile from which the template calls a prediction doubtful
_UNKNOWN = "undefined"


def explain(context: NodeContext) -> str:
    """The context of a node in sentences: each feature with unit and percentile, then how far to trust it.

    "High" and "low" are thirds of the nodes. The prediction is called doubtful where conflict intensity
    is among the highest tenth or the neighbours' gradients oppose each other on average; that is a rule of
    thumb of this template, and the sentence says so. What is undefined is named, with the reason if known.
    """
    sentences = [_opening(context), *(_sentence(context, feature) for feature in DESCRIPTIONS)]
    return " ".join([*sentences, _advice(context)])


def _opening(context: NodeContext) -> str:
    known = "" if context.label is None else f"; its label is {context.label}"
    neighbours = "1 neighbour" if context.degree == 1 else f"{context.degree} neighbours"
    return (
        f"Node {context.node} has {neighbours} and is predicted as class {context.prediction} with "
        f"probability {context.probability:.2f}{known}."
    )


def _sentence(context: NodeContext, feature: Description) -> str:
    value, percentile = context.value(feature.name), context.percentile(feature.name)
    if math.isnan(value):
        reason = context.undefined.get(feature.name)
        return f"{feature.title} is {_UNKNOWN}{f' ({reason})' if reason else ''}."
    if feature.name == "role":
        return f"{feature.title} {value:g}, {ROLES.get(value, 'not one of the four roles')}."
    if math.isnan(percentile):
        return f"{feature.title} {value:.3g} ({feature.unit}), the same for every node."
    said = feature.high if percentile >= HIGH else feature.low if percentile < LOW else feature.middle
    return f"{feature.title} {value:.3g} ({feature.unit}; percentile {percentile:.0f}): {said}."


def _advice(context: NodeContext) -> str:
    doubts = []
    if context.percentile("conflict") >= DOUBTFUL_CONFLICT:
        doubts.append("its conflict is among the highest tenth")
    if context.value("stability") < 0.0:
        doubts.append("its neighbours' gradients oppose each other on average")
    if doubts:
        return (
            f"By this template's rule the prediction is doubtful: {' and '.join(doubts)}. Look at its edges "
            "and at the labels around it; projecting or smoothing its gradient is the correction to try."
        )
    if math.isnan(context.value("conflict")) or math.isnan(context.value("stability")):
        return "Too little is defined around this node for the template's rule to judge the prediction."
    return "By this template's rule nothing here casts doubt on the prediction."
