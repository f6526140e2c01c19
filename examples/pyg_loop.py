"""Attach a probe to a PyTorch Geometric loop: the lines that end in `# added` are all it takes.

The tasks are properties of random graphs that message passing can learn.

Run it with: python examples/pyg_loop.py
"""

import torch
from torch import nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GINConv, global_add_pool
from torch_geometric.utils import erdos_renyi_graph

import gradprobe  # added

TASKS = ("edges", "charge", "polarity")


class Model(nn.Module):
    """A graph network that three tasks share, and one output of the last layer for each."""

    def __init__(self) -> None:
        super().__init__()
        self.first = GINConv(nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 32)))
        self.second = GINConv(nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32)))
        self.head = nn.Linear(32, len(TASKS))

    def forward(self, batch: Data) -> torch.Tensor:
        x = self.first(batch.x, batch.edge_index).relu()
        x = self.second(x, batch.edge_index).relu()
        return self.head(global_add_pool(x, batch.batch) / 10)


def random_graph() -> Data:
    nodes = int(torch.randint(6, 15, ()))
    edge_index = erdos_renyi_graph(nodes, 0.3)
    x = torch.randn(nodes, 4)
    source, target = edge_index
    polarity = (x[source, 1] - x[target, 1]).abs().sum() / 40
    y = torch.stack([torch.tensor(edge_index.shape[1] / 40), x[:, 0].sum() / 4, polarity])
    return Data(x=x, edge_index=edge_index, y=y[None])


def losses_of(model: nn.Module, batch: Data) -> dict[str, torch.Tensor]:
    """Each task's squared error, one number a graph."""
    errors = (model(batch) - batch.y) ** 2
    return {task: errors[:, k] for k, task in enumerate(TASKS)}


def main() -> None:
    torch.manual_seed(0)
    graphs = [random_graph() for _ in range(160)]
    loader = DataLoader(graphs[:128], batch_size=16, shuffle=True)
    held_out_loader = DataLoader(graphs[128:], batch_size=16)

    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    probe = gradprobe.GradientProbe(model, focal="polarity", every=2)  # added
    for epoch in range(5):
        for batch in loader:
            losses = losses_of(model, batch)
            probe.measure(losses, epoch=epoch)  # added
            optimizer.zero_grad()
            sum(loss.mean() for loss in losses.values()).backward()
            optimizer.step()
        probe.measure_loader(held_out_loader, losses_of, split="heldout", epoch=epoch)  # added

    print("trunk:", *probe.trace.header.layers, "| not measured:", *probe.trace.header.excluded)  # added
    table = probe.trace.frame()  # added
    focal = table[(table.quantity == "cosine") & (table.layer == "") & (table.task == "polarity")]
    print(focal.groupby(["split", "other"]).value.mean().round(3).to_string())
    print(gradprobe.report(probe.trace, "runs/pyg_loop.html"))  # added


if __name__ == "__main__":
    main()
