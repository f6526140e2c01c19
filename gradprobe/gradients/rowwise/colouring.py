"""Groups that share rows are measured in different passes: a colour a pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def colour(footprints: Sequence[Sequence[Tensor]]) -> list[list[int]]:
    """A partition of the groups such that those of one colour share no row.

    `footprints[i]` holds for each layer the mask [rows] of the rows that carry the loss of group i.
    Greedy, the groups with most rows first; never more colours than groups.
    """
    if not footprints:
        return []
    stacked = torch.stack([torch.cat([mask.reshape(-1) for mask in masks]) for masks in footprints])
    weights = stacked.to(torch.float32)
    shares = (weights @ weights.T > 0).tolist()
    order = sorted(range(len(footprints)), key=lambda i: -int(stacked[i].sum()))
    colours: list[list[int]] = []
    for group in order:
        free = next((own for own in colours if not any(shares[group][other] for other in own)), None)
        if free is None:
            colours.append([group])
        else:
            free.append(group)
    return [sorted(own) for own in colours]
