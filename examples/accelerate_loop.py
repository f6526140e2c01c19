"""Attach a probe to an Accelerate loop whose batches mix data sets.

The lines that end in `# added` are all it takes. Run it with: python examples/accelerate_loop.py
"""

import torch
from accelerate import Accelerator
from torch import nn

import gradprobe  # added

SOURCES = ("lab", "vendor", "literature")


def main() -> None:
    torch.manual_seed(0)
    x, source = torch.randn(300, 16), torch.arange(300) % 3
    y = torch.stack([x[:, 0] + x[:, 1], x[:, 0] - x[:, 1], -x[:, 0]], dim=1)[torch.arange(300), source]
    data = torch.utils.data.TensorDataset(x, y, source)
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    loader = torch.utils.data.DataLoader(data, batch_size=30, shuffle=True)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)

    probe = gradprobe.GradientProbe(model, focal="lab", shared=model, every=2)  # added
    for epoch in range(6):
        for features, target, ids in loader:
            with accelerator.accumulate(model):
                row_losses = (model(features).squeeze(1) - target) ** 2
                probe.measure(gradprobe.by_task(row_losses, ids, SOURCES), epoch=epoch)  # added
                accelerator.backward(row_losses.mean())
                optimizer.step()
                optimizer.zero_grad()

    table = probe.trace.frame()  # added
    cosines = table[(table.quantity == "cosine") & (table.layer == "") & (table.task == "lab")]
    print(cosines.groupby(["epoch", "other"]).value.mean().round(3).to_string())
    print(gradprobe.report(probe.trace, "runs/accelerate_loop.html"))  # added


if __name__ == "__main__":
    main()
