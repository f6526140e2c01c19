"""Awkward models: each a case that builds the same model, optimiser, data and losses every time.

A probe must leave all of them as they were, and an engine must get all of them right or say so.
`zoo()` lists the cases; `case.build(dtype)` starts one afresh. Losses are one number a row wherever
the model allows it, with missing labels, so that tasks have unequal label counts.
"""

from __future__ import annotations

import functools
import itertools
import random
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler, TensorDataset, default_collate

TASKS = ("a", "b", "c")
Losses = Callable[[nn.Module, Any], dict[str, Tensor]]


@dataclass(eq=False)
class Setup:
    """A fresh run: what a training script would hold.

    `losses(model, batch)` gives task -> per-row losses [b], or scalars where the model knows no
    rows; `split_losses` gives what `measure_loader` wants. `outside` reads state that lives outside
    the model (a hook's counter). `layer` puts out representations [b, d], where any does.
    `rows_are_disjoint`: no row carries the losses of two tasks.
    """

    model: nn.Module
    loader: Iterable[Any]
    losses: Losses
    optimiser: torch.optim.Optimizer
    accumulate: int = 1
    split_losses: Callable[[nn.Module, Any], Mapping[str, Any]] | None = None
    outside: Callable[[], object] = field(default=lambda: None)
    generators: tuple[torch.Generator, ...] = ()
    layer: nn.Module | None = None
    rows_are_disjoint: bool = False

    def for_split(self, model: nn.Module, batch: Any) -> Mapping[str, Any]:
        return (self.split_losses or self.losses)(model, batch)


@dataclass(frozen=True)
class Case:
    """A named model. `dtypes` are the parameter dtypes in which it makes sense."""

    name: str
    make: Callable[[torch.dtype], Setup]
    dtypes: tuple[torch.dtype, ...] = (torch.float64, torch.float32)

    def build(self, dtype: torch.dtype | None = None) -> Setup:
        """The case from its own seed; the global random state stays where it was."""
        with torch.random.fork_rng():
            torch.manual_seed(20)
            return self.make(dtype or self.dtypes[0])


def zoo() -> list[Case]:
    """All cases, in the order of their definition."""
    return list(_CASES)


def once_only() -> list[Case]:
    """Cases whose graph can be walked once, or whose passes each change something: for inertness alone."""
    return list(_ONCE)


_CASES: list[Case] = []
_ONCE: list[Case] = []


def _case(*dtypes: torch.dtype) -> Callable[[Callable[[torch.dtype], Setup]], Callable[[torch.dtype], Setup]]:
    def register(make: Callable[[torch.dtype], Setup]) -> Callable[[torch.dtype], Setup]:
        _CASES.append(Case(make.__name__.removeprefix("_"), make, dtypes or (torch.float64, torch.float32)))
        return make

    return register


def _once(make: Callable[[torch.dtype], Setup]) -> Callable[[torch.dtype], Setup]:
    _ONCE.append(Case(make.__name__.removeprefix("_"), make))
    return make


_ALL = (torch.float64, torch.float32, torch.bfloat16)


@_case(*_ALL)
def _mlp_dropout_batchnorm(dtype: torch.dtype) -> Setup:
    return _tabular(_Branches(_mlp_trunk(), 8), dtype)


@_case(*_ALL)
def _mlp_disjoint_rows(dtype: torch.dtype) -> Setup:
    trunk = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 8), nn.LayerNorm(8), nn.Tanh())
    setup = _tabular(_Branches(trunk, 8), dtype, labels="one")
    setup.rows_are_disjoint = True
    return setup


@_case()
def _dmpnn(dtype: torch.dtype) -> Setup:
    from chemprop.nn import BondMessagePassing, MeanAggregation

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.messages = BondMessagePassing(d_h=8, depth=3, dropout=0.1)
            self.pool = MeanAggregation()

        def forward(self, graphs: Any) -> Tensor:
            return self.pool(self.messages(graphs), graphs.batch)

    return _molecular(_Branches(Encoder(), 8), dtype)


@_case()
def _chemprop_mpnn(dtype: torch.dtype) -> Setup:
    from chemprop.models import MPNN
    from chemprop.nn import BondMessagePassing, MeanAggregation, RegressionFFN
    from chemprop.nn.transforms import UnscaleTransform

    model = MPNN(
        BondMessagePassing(d_h=8, depth=2, dropout=0.1),
        MeanAggregation(),
        RegressionFFN(
            n_tasks=3,
            input_dim=8,
            hidden_dim=6,
            output_transform=UnscaleTransform(mean=[1.0, 2.0, 3.0], scale=[2.0, 0.5, 4.0]),
        ),
        batch_norm=True,
    )

    def through_criterion(model: nn.Module, batch: Any) -> dict[str, Tensor]:
        """Scalars from chemprop's own criterion, a metric that keeps a running state."""
        graphs, targets = batch
        scaled = model.predictor.train_step(model.fingerprint(graphs))
        known, filled = targets.isfinite(), targets.nan_to_num(nan=0.0)
        return {
            task: model.criterion(scaled[:, i : i + 1], filled[:, i : i + 1], known[:, i : i + 1])
            for i, task in enumerate(TASKS)
            if known[:, i].any()
        }

    def counted(model: nn.Module, batch: Any) -> dict[str, Any]:
        known = dict(zip(TASKS, batch[1].isfinite().sum(0).tolist(), strict=True))
        return {task: (loss, known[task]) for task, loss in through_criterion(model, batch).items()}

    setup = _molecular(model, dtype, losses=through_criterion)
    setup.split_losses, setup.layer = counted, model.agg
    return setup


@_case()
def _gine_batchnorm(dtype: torch.dtype) -> Setup:
    with warnings.catch_warnings():
        # torch_geometric 2.8 calls torch.jit.script while it is imported.
        warnings.filterwarnings("ignore", ".torch.jit.script. is deprecated", DeprecationWarning)
        from torch_geometric.data import Data
        from torch_geometric.loader import DataLoader as GraphLoader
        from torch_geometric.nn import GINEConv, global_add_pool

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(4, 8)
            self.convs = nn.ModuleList(
                GINEConv(
                    nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8)), edge_dim=3
                )
                for _ in range(2)
            )

        def forward(self, graphs: Any) -> Tensor:
            h = self.embed(graphs.x)
            for conv in self.convs:
                h = h + conv(h, graphs.edge_index, graphs.edge_attr)
            return global_add_pool(h, graphs.batch)

    graphs = []
    for labels in _labels(9, "some", dtype):
        atoms = int(torch.randint(3, 7, ()))
        edges = torch.randint(0, atoms, (2, 2 * atoms))
        graphs.append(
            Data(
                x=torch.randn(atoms, 4, dtype=dtype),
                edge_index=edges,
                edge_attr=torch.randn(2 * atoms, 3, dtype=dtype),
                y=labels[None],
            )
        )
    model = _Branches(Encoder(), 8)
    return _setup(
        model,
        dtype,
        GraphLoader(graphs, batch_size=5, shuffle=True),
        lambda model, batch: _squared(model(batch), batch.y),
        layer=model.trunk,
    )


@_case()
def _lstm(dtype: torch.dtype) -> Setup:
    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(3, 6, num_layers=2, dropout=0.2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.lstm(x)[0][:, -1]

    return _tabular(_Branches(Encoder(), 6), dtype, shape=(4, 3))


@_case()
def _transformer(dtype: torch.dtype) -> Setup:
    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.block(x).mean(dim=1)

    return _tabular(_Branches(Encoder(), 8), dtype, shape=(4, 8))


@_case()
def _chained_reuse(dtype: torch.dtype) -> Setup:
    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter, self.step = nn.Linear(5, 6), nn.Linear(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            start = h = torch.tanh(self.enter(x))
            for _ in range(3):
                h = torch.tanh(start + self.step(h))
            return h

    return _tabular(_Branches(Encoder(), 6), dtype)


@_case()
def _parallel_reuse(dtype: torch.dtype) -> Setup:
    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.both = nn.Linear(3, 6)

        def forward(self, x: Tensor) -> Tensor:
            return torch.tanh(self.both(x[:, :3])) * torch.sigmoid(self.both(x[:, 2:]))

    return _tabular(_Branches(Encoder(), 6), dtype)


@_case()
def _tied_weights(dtype: torch.dtype) -> Setup:
    """Embedding and output share one matrix; the tasks predict the next token from different views."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(11, 6)
            self.mix = nn.Linear(6, 6)
            self.out = nn.Linear(6, 11, bias=False)
            self.out.weight = self.tokens.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.out(torch.tanh(self.mix(self.tokens(x))))

    def losses(model: nn.Module, batch: Any) -> dict[str, Tensor]:
        (tokens,) = batch
        logits = model(tokens[:, :-1])
        each = nn.functional.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")
        return {"a": each[:, 0], "b": each[:, 1], "c": each[:4].mean(dim=1)}

    data = TensorDataset(torch.randint(0, 11, (12, 4)))
    return _setup(Model(), dtype, DataLoader(data, batch_size=6, shuffle=True), losses)


@_case()
def _dense_embedding(dtype: torch.dtype) -> Setup:
    return _tokens(dtype, sparse=False)


@_case()
def _sparse_embedding(dtype: torch.dtype) -> Setup:
    return _tokens(dtype, sparse=True)


@_case()
def _checkpointed(dtype: torch.dtype) -> Setup:
    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter, self.block = nn.Linear(5, 5), _mlp_trunk()

        def forward(self, x: Tensor) -> Tensor:
            return torch.utils.checkpoint.checkpoint(self.block, self.enter(x), use_reentrant=False)

    return _tabular(_Branches(Encoder(), 8), dtype)


@_case(torch.float32)
def _autocast(dtype: torch.dtype) -> Setup:
    trunk = nn.Sequential(nn.Linear(5, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 8), nn.LayerNorm(8))
    setup = _tabular(_Branches(trunk, 8), dtype)
    plain = setup.losses

    def losses(model: nn.Module, batch: Any) -> dict[str, Tensor]:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return plain(model, batch)

    setup.losses = losses
    return setup


@_case()
def _accumulation(dtype: torch.dtype) -> Setup:
    setup = _tabular(_Branches(_mlp_trunk(), 8), dtype)
    setup.accumulate = 3
    return setup


@_case()
def _frozen_layer(dtype: torch.dtype) -> Setup:
    """Frozen the usual way: no gradient, and its batch norm in eval mode while the rest trains."""
    model = _Branches(_mlp_trunk(), 8)
    model.trunk[0].requires_grad_(False)
    model.trunk[1].eval()
    return _tabular(model, dtype)


@_case()
def _missed_layers(dtype: torch.dtype) -> Setup:
    """Task c reads an early layer and never sees the later one."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.early, self.late = nn.Linear(5, 6), nn.Linear(6, 6)
            self.heads = nn.ModuleList(nn.Linear(6, 1) for _ in TASKS)

        def forward(self, x: Tensor) -> Tensor:
            h = torch.tanh(self.early(x))
            deep = torch.tanh(self.late(h))
            return torch.cat([self.heads[0](deep), self.heads[1](deep), self.heads[2](h)], dim=1)

    return _tabular(Model(), dtype)


@_case()
def _gradient_hook(dtype: torch.dtype) -> Setup:
    model = _Branches(_mlp_trunk(), 8)
    setup = _tabular(model, dtype)
    calls: list[float] = []

    def count_and_scale(gradient: Tensor) -> Tensor:
        calls.append(float(gradient.sum()))
        return gradient * 0.5

    model.trunk[0].weight.register_hook(count_and_scale)
    setup.outside = lambda: tuple(calls)
    return setup


@_case()
def _own_generator(dtype: torch.dtype) -> Setup:
    generator = torch.Generator().manual_seed(5)
    setup = _tabular(_Branches(_mlp_trunk(), 8), dtype, generator=generator)
    setup.generators = (generator,)
    return setup


@_once
def _momentum_encoder(dtype: torch.dtype) -> Setup:
    """MoCo's way: a second encoder follows the first in the forward pass, and a queue keeps its keys."""

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query = nn.Sequential(nn.Linear(5, 8), nn.Tanh())
            self.key = nn.Sequential(nn.Linear(5, 8), nn.Tanh()).requires_grad_(False)
            self.noise = torch.Generator().manual_seed(2)
            self.draw, self.pick = np.random.default_rng(4), random.Random(5)
            self.queue: deque[Tensor] = deque(maxlen=3)
            self.stats = {"mean": torch.zeros(8, dtype=dtype), "seen": [np.zeros(1)]}
            self.numbers = itertools.count()

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                for own, other in zip(self.key.parameters(), self.query.parameters(), strict=True):
                    own.data = own.data * 0.9 + other.data * 0.1
                keys = self.key(x).mean(dim=0)
                self.queue.append(keys)
                self.stats["mean"].add_(keys)
                self.stats["seen"][0] += next(self.numbers)
            scale = 1.0 + 0.1 * self.draw.random() + 0.1 * self.pick.random()
            noise = torch.randn(len(x), 8, generator=self.noise, dtype=dtype)
            return scale * self.query(x) + 0.01 * noise + sum(self.queue) * self.stats["seen"][0].item()

    return _tabular(_Branches(Encoder(), 8), dtype)


@_once
def _embedding_with_max_norm(dtype: torch.dtype) -> Setup:
    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(9, 6, max_norm=0.5)

        def forward(self, x: Tensor) -> Tensor:
            return self.tokens((x[:, :2].abs() * 4).long() % 9).mean(dim=1)

    return _tabular(_Branches(Encoder(), 6), dtype)


@_once
def _equilibrium_layer(dtype: torch.dtype) -> Setup:
    """A fixed point whose hook takes itself away and solves for the gradient with further passes."""

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter, self.step = nn.Linear(5, 6), nn.Linear(6, 6)
            self.hook: Any = None

        def forward(self, x: Tensor) -> Tensor:
            start = self.enter(x)
            with torch.no_grad():
                z = torch.zeros_like(start)
                for _ in range(8):
                    z = torch.tanh(0.3 * self.step(z) + start)
            z = torch.tanh(0.3 * self.step(z) + start)
            if z.requires_grad:
                at = z.detach().requires_grad_()
                again = torch.tanh(0.3 * self.step(at) + start.detach())

                def solve(gradient: Tensor) -> Tensor:
                    self.hook.remove()
                    found = gradient
                    for _ in range(8):
                        found = gradient + torch.autograd.grad(again, at, found, retain_graph=True)[0]
                    return found

                self.hook = z.register_hook(solve)
            return z

    return _tabular(_Branches(Encoder(), 6), dtype)


@_once
def _selective_checkpoint(dtype: torch.dtype) -> Setup:
    from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

    def policy(_context: Any, op: Any, *_: Any, **__: Any) -> CheckpointPolicy:
        kept = op == torch.ops.aten.addmm.default
        return CheckpointPolicy.MUST_SAVE if kept else CheckpointPolicy.PREFER_RECOMPUTE

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter, self.block = nn.Linear(5, 5), _mlp_trunk()

        def forward(self, x: Tensor) -> Tensor:
            contexts = functools.partial(create_selective_checkpoint_contexts, policy)
            return checkpoint(self.block, self.enter(x), use_reentrant=False, context_fn=contexts)

    return _tabular(_Branches(Encoder(), 8), dtype)


@_once
def _offloaded_activations(dtype: torch.dtype) -> Setup:
    """What is fetched back is dropped, as offloaders do that free host memory."""

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = _mlp_trunk()

        def forward(self, x: Tensor) -> Tensor:
            held: dict[int, Tensor] = {}

            def pack(tensor: Tensor) -> int:
                held[len(held)] = tensor
                return len(held) - 1

            with torch.autograd.graph.saved_tensors_hooks(pack, held.pop):
                return self.block(x)

    return _tabular(_Branches(Encoder(), 8), dtype)


@_once
def _collator_and_sampler(dtype: torch.dtype) -> Setup:
    """As transformers and accelerate have them: a collator that draws, a sampler that counts its epochs."""

    class Epochs(Sampler[int]):
        def __init__(self, size: int) -> None:
            self.size, self.epoch, self.order = size, 0, list(range(size))

        def __iter__(self) -> Any:
            random.Random(self.epoch).shuffle(self.order)
            self.epoch += 1
            return iter(list(self.order))

        def __len__(self) -> int:
            return self.size

    class Masking:
        def __init__(self) -> None:
            self.generator, self.calls = torch.Generator().manual_seed(8), 0

        def __call__(self, rows: list[Any]) -> Any:
            x, labels = default_collate(rows)
            self.calls += 1
            keep = torch.rand(x.shape, generator=self.generator) > 0.2
            return x * keep + 0.01 * self.calls, labels

    setup = _tabular(_Branches(_mlp_trunk(), 8), dtype)
    setup.loader = DataLoader(setup.loader.dataset, 7, sampler=Epochs(19), collate_fn=Masking())
    return setup


class _Branches(nn.Module):
    """A trunk and one linear head a task."""

    def __init__(self, trunk: nn.Module, width: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ModuleList(nn.Linear(width, 1) for _ in TASKS)

    def forward(self, x: Any) -> Tensor:
        h = self.trunk(x)
        return torch.cat([head(h) for head in self.heads], dim=1)


def _mlp_trunk() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 8), nn.Tanh()
    )


def _labels(rows: int, kind: str, dtype: torch.dtype) -> Tensor:
    """Labels [rows, tasks]: every task has other rows missing, or each row belongs to one task."""
    labels = torch.randn(rows, len(TASKS), dtype=dtype)
    number = torch.arange(rows)
    if kind == "one":
        missing = number[:, None] % len(TASKS) != torch.arange(len(TASKS))
    else:
        missing = torch.stack([number % 5 == 4, number % 2 == 1, number % 3 == 1], dim=1)
    return labels.masked_fill(missing, float("nan"))


def _squared(predictions: Tensor, labels: Tensor) -> dict[str, Tensor]:
    known = labels.isfinite()
    return {task: (predictions[known[:, i], i] - labels[known[:, i], i]) ** 2 for i, task in enumerate(TASKS)}


def _setup(
    model: nn.Module, dtype: torch.dtype, loader: Iterable[Any], losses: Losses, **options: Any
) -> Setup:
    model.to(dtype)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return Setup(model, loader, losses, torch.optim.AdamW(trained, lr=0.01), **options)


def _tabular(
    model: nn.Module,
    dtype: torch.dtype,
    *,
    shape: tuple[int, ...] = (5,),
    labels: str = "some",
    generator: torch.Generator | None = None,
) -> Setup:
    data = TensorDataset(torch.randn(19, *shape, dtype=dtype), _labels(19, labels, dtype))
    return _setup(
        model,
        dtype,
        DataLoader(data, batch_size=7, shuffle=True, generator=generator),
        lambda model, batch: _squared(model(batch[0]), batch[1]),
        layer=getattr(model, "trunk", None) or model.early,
    )


def _molecular(model: nn.Module, dtype: torch.dtype, losses: Losses | None = None) -> Setup:
    from chemprop.data import BatchMolGraph

    graphs = _molecule_graphs()
    labels = _labels(len(graphs), "some", dtype)

    def collate(rows: list[int]) -> tuple[Any, Tensor]:
        batch = BatchMolGraph([graphs[i] for i in rows])
        batch.V, batch.E = batch.V.to(dtype), batch.E.to(dtype)
        return batch, labels[rows]

    loader = DataLoader(list(range(len(graphs))), batch_size=5, shuffle=True, collate_fn=collate)
    plain: Losses = lambda model, batch: _squared(model(batch[0]), batch[1])  # noqa: E731
    return _setup(model, dtype, loader, losses or plain, layer=getattr(model, "trunk", None))


@functools.cache
def _molecule_graphs() -> list[Any]:
    from chemprop.featurizers import SimpleMoleculeMolGraphFeaturizer
    from rdkit.Chem import MolFromSmiles

    smiles = ["CCO", "CC(=O)O", "c1ccccc1", "CCN", "C1CCCC1", "CC(C)Cl", "COC=O", "OCC(N)C", "c1ccncc1"]
    featurise = SimpleMoleculeMolGraphFeaturizer()
    return [featurise(MolFromSmiles(text)) for text in smiles]


def _tokens(dtype: torch.dtype, *, sparse: bool) -> Setup:
    """Each task has tokens of its own, so that no embedding row is shared although the layer is."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(12, 5, sparse=sparse)
            self.mix = nn.Linear(5, 5)
            self.heads = nn.ModuleList(nn.Linear(5, 1) for _ in TASKS)

        def forward(self, tokens: Tensor, task: int) -> Tensor:
            return self.heads[task](torch.tanh(self.mix(self.tokens(tokens).mean(dim=1))))[:, 0]

    def losses(model: nn.Module, batch: Any) -> dict[str, Tensor]:
        tokens, labels = batch
        return {
            task: (model(tokens[i::3] % 4 + 4 * i, i) - labels[i::3]) ** 2 for i, task in enumerate(TASKS)
        }

    data = TensorDataset(torch.randint(0, 12, (14, 3)), torch.randn(14, dtype=dtype))
    setup = _setup(Model(), dtype, DataLoader(data, batch_size=7, shuffle=True), losses)
    setup.rows_are_disjoint, setup.layer = True, setup.model.mix
    if sparse:
        setup.optimiser = torch.optim.SGD(setup.model.parameters(), lr=0.05)
    return setup
