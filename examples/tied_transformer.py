"""Attach a probe to a transformer with tied weights: the lines that end in `# added` are all it takes.

One matrix embeds the characters of a SMILES string and, transposed, predicts the next one, while two
more tasks read properties off the mean of all positions. A tied weight is used twice in a forward
pass and counted once in the trunk; both uses are in its gradient.

Run it with: python examples/tied_transformer.py
"""

import torch
from torch import nn

import gradprobe  # added

TASKS = ("next character", "oxygens", "aromatic atoms")
CHARACTERS = " CNOcno()=1"
FRAGMENTS = ("C", "CC", "N", "O", "C(=O)", "OC", "c1ccccc1", "c1ccncc1", "C(C)", "CO")


class Model(nn.Module):
    """A small causal transformer whose output layer is its embedding."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(CHARACTERS), width)
        self.positions = nn.Parameter(0.02 * torch.randn(64, width))
        layer = nn.TransformerEncoderLayer(width, nhead=4, dim_feedforward=64, dropout=0.0, batch_first=True)
        self.blocks = nn.TransformerEncoder(layer, num_layers=2)
        self.output = nn.Linear(width, len(CHARACTERS), bias=False)
        self.output.weight = self.embedding.weight
        self.properties = nn.Linear(width, 2)

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        length = tokens.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        hidden = self.blocks(self.embedding(tokens) + self.positions[:length], mask=mask, is_causal=True)
        return self.output(hidden), self.properties(hidden.mean(dim=1))


def losses_of(model: nn.Module, batch: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Each task's loss, one number a molecule."""
    tokens, counts = batch
    logits, properties = model(tokens[:, :-1])
    spelling = nn.functional.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")
    errors = (properties - counts) ** 2
    return dict(zip(TASKS, (spelling.mean(dim=1), errors[:, 0], errors[:, 1]), strict=True))


def molecules(count: int) -> torch.utils.data.TensorDataset:
    """Random chains of fragments, padded with blanks, and scaled counts of two kinds of atoms."""
    smiles = ["".join(FRAGMENTS[k] for k in torch.randint(len(FRAGMENTS), (4,))) for _ in range(count)]
    tokens = torch.tensor([[CHARACTERS.index(c) for c in text.ljust(33)] for text in smiles])
    counts = [[text.count("O") / 2, sum(map(text.count, "cn")) / 6] for text in smiles]
    return torch.utils.data.TensorDataset(tokens, torch.tensor(counts))


def main() -> None:
    torch.manual_seed(0)
    loader = torch.utils.data.DataLoader(molecules(160), batch_size=16, shuffle=True)
    held_out_loader = torch.utils.data.DataLoader(molecules(48), batch_size=16)

    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    probe = gradprobe.GradientProbe(model, focal="oxygens", every=2)  # added
    for epoch in range(3):
        for batch in loader:
            losses = losses_of(model, batch)
            probe.measure(losses, epoch=epoch)  # added
            optimizer.zero_grad()
            sum(loss.mean() for loss in losses.values()).backward()
            optimizer.step()
        probe.measure_loader(held_out_loader, losses_of, split="heldout", epoch=epoch)  # added

    table = probe.trace.frame()  # added
    focal = table[(table.quantity == "cosine") & (table.task == "oxygens") & (table.split == "heldout")]
    layers = focal[focal.layer.isin(["", "embedding", "blocks.layers.0.linear1", "blocks.layers.1.linear1"])]
    layers = layers.assign(layer=layers.layer.replace("", "whole trunk"))
    print(layers.groupby(["other", "layer"]).value.mean().round(3).to_string())
    print(gradprobe.report(probe.trace, "runs/tied_transformer.html"))  # added


if __name__ == "__main__":
    main()
