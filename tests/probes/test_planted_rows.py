"""Auxiliary rows that are planted to be wrong must come out as the harmful ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gradprobe import GradientProbe, molecule_table

ROWS, WRONG, FOCAL, HELDOUT, BATCH = 160, 32, 16, 200, 64


def auroc(scores, wrong):
    """The share of pairs of a wrong and a right row in which the wrong one has the lower score."""
    return float((scores[wrong][:, None] < scores[~wrong][None]).mean())


def planted(kind, steps=100):
    """Two data sets of one property, the auxiliary one with wrong rows: its table, and which they are."""
    g = torch.Generator().manual_seed(0)
    law = torch.randn(6, generator=g) / 6**0.5
    x = torch.randn(ROWS, 6, generator=g)
    y = x @ law + 0.1 * torch.randn(ROWS, generator=g)
    wrong = np.zeros(ROWS, dtype=bool)
    wrong[torch.randperm(ROWS, generator=g)[:WRONG].numpy()] = True
    if kind == "mislabelled":
        y[wrong] = -y[wrong]
    else:
        # Another region, where another law holds.
        x[wrong] += 1.5
        y[wrong] = x[wrong] @ torch.randn(6, generator=g) / 6**0.5
    focal, heldout = torch.randn(FOCAL, 6, generator=g), torch.randn(HELDOUT, 6, generator=g)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    probe = GradientProbe(model, focal="focal", shared=model, precondition=optimiser)
    loss = lambda a, b: (model(a)[:, 0] - b) ** 2  # noqa: E731
    for _ in range(steps):
        rows = torch.randperm(ROWS, generator=g)[:BATCH]
        losses = {"focal": loss(focal, focal @ law), "aux": loss(x[rows], y[rows])}
        with probe.heldout():
            judge = loss(heldout, heldout @ law)
        probe.measure(
            losses,
            rows={"focal": [f"f{i}" for i in range(FOCAL)], "aux": rows.tolist()},
            heldout=judge,
            heldout_rows=[f"h{i}" for i in range(HELDOUT)],
            attribute="rows",
        )
        optimiser.zero_grad()
        sum(own.mean() for own in losses.values()).backward()
        optimiser.step()
    probe.flush()
    table = molecule_table(probe.trace).set_index("molecule")
    return table.loc[[str(i) for i in range(ROWS)]], wrong


# Of 160 rows 32 are wrong, so chance has an AUROC of 0.5 and a recall of 0.2.
@pytest.mark.parametrize(
    ("kind", "least_auroc", "least_recall"), [("mislabelled", 0.95, 0.85), ("off domain", 0.7, 0.5)]
)
def test_wrong_rows_rank_last(kind, least_auroc, least_recall):
    table, wrong = planted(kind)
    scores, verdicts = table.effect.to_numpy(), table.verdict.to_numpy()
    assert auroc(scores, wrong) >= least_auroc
    assert wrong[np.argsort(scores)[:WRONG]].mean() >= least_recall
    assert wrong[verdicts == "harms"].all()
    if kind == "mislabelled":
        assert (verdicts == "harms").sum() >= 10
        assert not wrong[verdicts == "helps"].any()
    # The measure can fail: other rows taken for the wrong ones score by chance.
    assert abs(auroc(scores, np.random.default_rng(0).permutation(wrong)) - 0.5) < 0.15
