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
        middle="it disagrees with its neighbours about as much as most nodes do",
        high="its gradient is large and points elsewhere than its neighbours'",
        absent="it has no neighbour",
    ),
    Description(
        "stability",
        "Trajectory stability",
        "mean cosine between neighbours, -1 to 1",
        low="its neighbours agree with each other less than around most nodes",
        middle="its neighbours agree with each other as much as around most nodes",
        high="its neighbours agree with each other more than around most nodes",
        absent="it has fewer than two neighbours",
    ),
    Description(
        "influence",
        "Multi-hop influence",
        "gradient norm, summed over walks of two and three steps",
        low="little gradient lies two and three steps away",
        middle="as much gradient lies two and three steps away as for most nodes",
        high="much gradient lies two and three steps away",
        absent="the graph has no other node",
    ),
    Description(
        "confidence",
        "Confidence and gradient",
        "negative cosine of both, -1 to 0",
        low="its probability and its gradient are both large",
        middle="its probability and its gradient go together as for most nodes",
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
        "weighted sum of relative norm, misalignment and neighbours' variance",
        low="a correction would change its gradient less than most",
        middle="a correction would change its gradient as much as most",
        high="a correction would change its gradient more than most",
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
