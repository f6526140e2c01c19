"""Attach a probe to a force field, to see whether energies and forces want the same weights.

A small network maps the distances of a four-atom cluster to its energy; forces are minus the gradient of the
energy in the positions.
The lines that end in `# added` are all it takes. Run it with: python examples/force_field.py
"""

import torch
from torch import nn

import gradprobe  # added


def lennard_jones(positions: torch.Tensor) -> torch.Tensor:
    """Energies [b] of clusters [b, 4, 3]."""
    inverse = distances(positions) ** -6
    return (4 * (inverse**2 - inverse)).sum(dim=1)


def distances(positions: torch.Tensor) -> torch.Tensor:
    """The six distances [b, 6] of each cluster."""
    rows, columns = torch.triu_indices(4, 4, offset=1)
    return (positions[:, rows] - positions[:, columns]).norm(dim=2)


def energies_and_forces(energy_of: nn.Module, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Energies [b] and forces [b, 4, 3], with a graph through both."""
    positions = positions.detach().requires_grad_()
    energies = energy_of(positions)
    return energies, -torch.autograd.grad(energies.sum(), positions, create_graph=True)[0]


class Energy(nn.Module):
    """A perceptron on inverse distances."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(6, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1)
        )

    def forward(self, positions: torch.Tensor) -> torch.Tensor:
        return self.layers(1 / distances(positions)).squeeze(1)


def main() -> None:
    torch.manual_seed(0)
    corners = 1.2 * torch.tensor([[0.0, 0, 0], [1, 0, 0], [0.5, 0.87, 0], [0.5, 0.29, 0.82]])
    positions = corners + 0.05 * torch.randn(256, 4, 3)
    energies, forces = (found.detach() for found in energies_and_forces(lennard_jones, positions))
    energies = energies - energies.mean()

    model = Energy()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    probe = gradprobe.GradientProbe(model, focal="energy", shared=model, every=40)  # added
    for step in range(200):
        rows = torch.arange(32 * step, 32 * (step + 1)) % 256
        energy, force = energies_and_forces(model, positions[rows])
        losses = {
            "energy": (energy - energies[rows]).square(),
            "forces": (force - forces[rows]).square().mean(dim=(1, 2)),
        }
        probe.measure(losses, rows="positions")  # added
        optimizer.zero_grad()
        torch.stack([loss.mean() for loss in losses.values()]).sum().backward()
        optimizer.step()

    table = probe.trace.frame()  # added
    cosines = table[(table.quantity == "cosine") & (table.layer == "") & (table.task == "energy")]
    print(cosines.groupby(["step", "other"]).value.mean().round(3).to_string())
    print(gradprobe.report(probe.trace, "runs/force_field.html"))  # added


if __name__ == "__main__":
    main()
