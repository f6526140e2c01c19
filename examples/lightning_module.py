"""Attach a probe to a Lightning module: the lines that end in `# added` are all it takes.

The module computes its task losses in one method, which its training step calls. The callback listens
to that method, so a measured step needs no second forward pass.

Run it with: python examples/lightning_module.py
"""

import lightning.pytorch as pl
import torch
from torch import nn

import gradprobe  # added
from gradprobe.integrations.lightning import GradientProbeCallback  # added

TASKS = ("solubility", "logP", "melting point")


class Module(pl.LightningModule):
    """A trunk that three tasks share, one head for each, and labels that are missing here and there."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.heads = nn.ModuleList(nn.Linear(32, 1) for _ in TASKS)

    def task_losses(self, batch: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        """Each task's squared error, one number for each labelled row."""
        x, y = batch
        shared = self.trunk(x)
        losses = {}
        for k, task in enumerate(TASKS):
            labelled = ~y[:, k].isnan()
            losses[task] = (self.heads[k](shared[labelled]).squeeze(1) - y[labelled, k]) ** 2
        return losses

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        return torch.stack([loss.mean() for loss in self.task_losses(batch).values()]).sum()

    def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
        self.log("val_loss", torch.stack([loss.mean() for loss in self.task_losses(batch).values()]).sum())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=3e-3)


def main() -> None:
    pl.seed_everything(0, verbose=False)
    x = torch.randn(256, 20)
    y = torch.stack([x[:, 0] + x[:, 1], x[:, 0] - x[:, 1], -x[:, 0]], dim=1)
    y[torch.rand(y.shape) < 0.3] = torch.nan
    data = torch.utils.data.TensorDataset(x, y)
    train, held_out = torch.utils.data.random_split(data, [192, 64])

    probe = GradientProbeCallback(focal="solubility", every=2)  # added
    trainer = pl.Trainer(
        max_epochs=5,
        accelerator="cpu",
        logger=pl.loggers.CSVLogger("runs"),
        callbacks=[probe],  # added
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(
        Module(),
        torch.utils.data.DataLoader(train, batch_size=32, shuffle=True),
        torch.utils.data.DataLoader(held_out, batch_size=32),
    )

    table = probe.trace.frame()  # added
    focal = table[(table.quantity == "cosine") & (table.layer == "") & (table.task == "solubility")]
    print(focal.groupby(["split", "other"]).value.mean().round(3).to_string())
    print(gradprobe.report(probe.trace, "runs/lightning_module.html"))  # added


if __name__ == "__main__":
    main()
