"""The six gradient features of a node in words: names, units, what high and low values say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Description:
    """One entry of the context vector, eq. (15), in words.

    `low`, `middle` and `high` complete the sentence "Value: ..." by the third of the nodes that the
    value falls into; all are about the gradients of one training loss, not about truth. `absent` is the
    reason where there is no value.
    """

    name: str
    title: str
    unit: str
    low: str
    middle: str
    high: str
    absent: str


DESCRIPTIONS = (
    Description(
        "conflict",
        "Conflict intensity",
        "squared gradient norm",
        low="its gradient is small or points where its neighbours' point",
        middle="about as much disagreement as elsewhere",
        high="its gradient is large and points elsewhere than its neighbours'",
        absent="it has no neighbour",
    ),
    Description(
        "stability",
        "Trajectory stability",
        "mean cosine of its neighbours, -1 to 1",
        low="its neighbours agree with each other less than elsewhere",
        middle="about as much agreement among its neighbours as elsewhere",
        high="its neighbours agree with each other more than elsewhere",
        absent="it has fewer than two neighbours",
    ),
    Description(
        "influence",
        "Multi-hop influence",
        "gradient norm, over walks of two and three steps",
        low="less gradient nearby than elsewhere",
        middle="about as much gradient nearby as elsewhere",
        high="more gradient nearby than elsewhere",
        absent="the graph has no other node",
    ),
    Description(
        "confidence",
        "Confidence and gradient",
        "negative cosine of both, -1 to 0",
        low="its probability and its gradient are both large",
        middle="its probability and its gradient are related as elsewhere",
        high="its gradient is small, or its probability low",
        absent="it was not measured, or confidence or gradient size is the same at every node",
    ),
    Description(
        "role",
        "Role",
        "hub 2, bridge 1.5, follower 1, outlier 0.5",
        low="",
        middle="",
        high="",
        absent="the graph has no other node",
    ),
    Description(
        "receptiveness",
        "Correction receptiveness",
        "a score without unit",
        low="by this score a correction would matter less than elsewhere",
        middle="by this score a correction would matter as much as elsewhere",
        high="by this score a correction would matter more than elsewhere",
        absent="it has no neighbour",
    ),
)
# Eq. (22).
ROLES: Mapping[float, str] = {
    2.0: "hub: among the highest degrees, with a large gradient",
    1.5: "bridge: well connected, with a gradient unlike its neighbours'",
    1.0: "follower: its gradient points where its neighbours' point",
    0.5: "outlier: none of hub, bridge and follower",
}
