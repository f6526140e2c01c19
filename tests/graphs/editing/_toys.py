"""Small classifiers with something to edit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gradprobe.graphs.editing import Classifier
from gradprobe.graphs.models import NodeModel, build_node_model

CLASSES = 3


def rows(*, count: int = 60, seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Three noisy clouds in six dimensions, and their numbers."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    centres = torch.randn(CLASSES, 6, generator=generator, dtype=dtype)
    return centres[labels] + 1.3 * torch.randn(count, 6, generator=generator, dtype=dtype), labels


def fit(model: nn.Module, classifier: Classifier, *, steps: int = 60) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        classifier.loss(classifier.train).backward()
        optimizer.step()
    optimizer.zero_grad()


def table_classifier(*, dropout: float = 0.0, norm: bool = False, seed: int = 0) -> Classifier:
    """A fitted perceptron on rows, half of them for training."""
    x, labels = rows(seed=seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        middle: list[nn.Module] = [nn.BatchNorm1d(8)] if norm else []
        model = nn.Sequential(
            nn.Linear(6, 8), *middle, nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, CLASSES)
        ).double()
        classifier = Classifier.of_rows(model, x, labels, torch.arange(0, 30))
        fit(model, classifier)
    model.eval()
    return classifier


def ring(count: int) -> Tensor:
    """A ring of nodes with a chord, both directions of every edge."""
    ends = torch.arange(count)
    pairs = torch.cat([torch.stack([ends, (ends + 1) % count]), torch.tensor([[0], [count // 2]])], dim=1)
    return torch.cat([pairs, pairs.flip(0)], dim=1)


def node_model(kind: str = "gcn", *, layers: int = 2, dropout: float = 0.0, seed: int = 0) -> NodeModel:
    model = build_node_model(
        kind, inputs=6, classes=CLASSES, width=8, layers=layers, dropout=dropout, seed=seed
    )
    return model.double().eval()


def node_classifier(kind: str = "gcn", *, hops: int | None = None) -> Classifier:
    """A fitted node model on a ring; classes come in runs, so that neighbours agree."""
    x, labels = rows()
    labels = labels.sort().values
    model = node_model(kind)
    classifier = Classifier.of_nodes(model, x, ring(len(x)), labels, torch.arange(0, 60, 2), hops=hops)
    fit(model, classifier, steps=15)
    return classifier


def wrong(classifier: Classifier) -> list[int]:
    """Ids outside training that are predicted wrongly."""
    every = torch.arange(len(classifier.labels))
    with torch.no_grad():
        predicted = classifier.logits(every).argmax(dim=1)
    outside = ~torch.isin(every, classifier.train)
    return every[outside & (predicted != classifier.labels)].tolist()


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(model: nn.Module, before: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
