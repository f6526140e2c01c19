"""Attach a probe to a physics-informed network, to see whether boundary and equation conflict.

The network solves u'' = -pi^2 sin(pi x) on [-1, 1] with u(-1) = u(1) = 0. The losses of the
equation, the boundary and a few measurements share every weight. Derivatives inside a loss (double backward)
are measured exactly.
The lines that end in `# added` are all it takes. Run it with: python examples/pinn.py
"""

import torch
from torch import nn

import gradprobe  # added


def losses_of(model: nn.Module, x: torch.Tensor, known: torch.Tensor) -> dict[str, torch.Tensor]:
    """Squared residuals of the equation [n], of the boundary [2] and of the measurements [k]."""
    x = x.requires_grad_()
    u = model(x)
    slope = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
    curvature = torch.autograd.grad(slope.sum(), x, create_graph=True)[0]
    return {
        "equation": (curvature + torch.pi**2 * torch.sin(torch.pi * x)).square()[:, 0],
        "boundary": model(torch.tensor([[-1.0], [1.0]])).square()[:, 0],
        "measurements": (model(known) - torch.sin(torch.pi * known)).square()[:, 0],
    }


def main() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    known = torch.tensor([[-0.5], [0.25]])
    probe = gradprobe.GradientProbe(model, focal="equation", shared=model, every=50)  # added
    for _ in range(300):
        losses = losses_of(model, 2 * torch.rand(64, 1) - 1, known)
        probe.measure(losses)  # added
        optimizer.zero_grad()
        torch.stack([loss.mean() for loss in losses.values()]).sum().backward()
        optimizer.step()

    table = probe.trace.frame()  # added
    cosines = table[(table.quantity == "cosine") & (table.layer == "") & (table.task == "equation")]
    print(cosines.groupby(["step", "other"]).value.mean().round(3).to_string())
    print(gradprobe.report(probe.trace, "runs/pinn.html"))  # added


if __name__ == "__main__":
    main()
