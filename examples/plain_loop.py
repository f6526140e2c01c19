"""Attach a probe to a plain training loop: the lines that end in `# added` are all it takes.

Run it with: python examples/plain_loop.py
"""

import torch
from torch import nn

import gradprobe  # added

TASKS = ("solubility", "logP", "melting point")


class Model(nn.Module):
    """A trunk that three tasks share, and one head for each."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.heads = nn.ModuleDict({task: nn.Linear(32, 1) for task in TASKS})

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        shared = self.trunk(x)
        return {task: head(shared).squeeze(1) for task, head in self.heads.items()}


def losses_of(model: nn.Module, batch: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Each task's squared error, one number a row."""
    x, y = batch
    return {task: (out - y[:, k]) ** 2 for k, (task, out) in enumerate(model(x).items())}


def main() -> None:
    torch.manual_seed(0)
    x = torch.randn(256, 20)
    y = torch.stack([x[:, 0] + x[:, 1], x[:, 0] - x[:, 1], -x[:, 0]], dim=1)
    data = torch.utils.data.TensorDataset(x, y)
    train, held_out = torch.utils.data.random_split(data, [192, 64])
    loader = torch.utils.data.DataLoader(train, batch_size=32, shuffle=True)
    held_out_loader = torch.utils.data.DataLoader(held_out, batch_size=32)

    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    probe = gradprobe.GradientProbe(model, focal="solubility", every=2)  # added
    for epoch in range(5):
        for batch in loader:
            losses = losses_of(model, batch)
            probe.measure(losses, epoch=epoch)  # added
            optimizer.zero_grad()
            sum(loss.mean() for loss in losses.values()).backward()
            optimizer.step()
        probe.measure_loader(held_out_loader, losses_of, split="heldout", epoch=epoch)  # added

    table = probe.trace.frame()  # added
    focal = table[(table.quantity == "cosine") & (table.layer == "") & (table.task == "solubility")]
    print(focal.groupby(["split", "other"]).value.mean().round(3).to_string())
    print(gradprobe.report(probe.trace, "runs/plain_loop.html"))  # added


if __name__ == "__main__":
    main()
