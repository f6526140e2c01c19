"""Seconds and memory of the tangent kernel between nodes of a graph, and of other ways to compute it.

    python benchmarks/ntk.py [GRAPH] [--root DIR] [--nodes 2000] [--width 64] [--threads N] [--compare 40]

The kernel is that of a 2-layer GCN on all features (Cora: 1,433 inputs, 7 classes), in single precision. The
comparison computes the kernel between fewer nodes in every way, one after the other in this process, and
says how far each is from a loop of plain backward passes. Processor time stands beside wall time
passed, since a crowded machine stretches the latter.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from _memory import peak_memory
from torch import Tensor, nn

from gradprobe.data.graphs import load_graph
from gradprobe.gradients import all_parameters
from gradprobe.gradients.tangent import tangent_kernel
from gradprobe.graphs.models import build_node_model, graph_tensors

Way = Callable[[], np.ndarray]


def main() -> None:
    """Time the whole kernel, then every way on fewer nodes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("graph", nargs="?", default="cora")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--nodes", type=int, default=2000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--threads", type=int, help="threads of PyTorch; by default its own choice")
    parser.add_argument("--compare", type=int, default=40, help="nodes of the comparison; 0: none")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    dataset = load_graph(options.graph, root=options.root)
    x, edge_index, _ = graph_tensors(dataset)
    model = build_node_model(
        "gcn", inputs=x.shape[1], classes=dataset.classes, width=options.width, seed=0
    ).eval()
    nodes = torch.from_numpy(np.random.default_rng(0).permutation(dataset.nodes))
    counts = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"{dataset.name}: {dataset.nodes} nodes, {x.shape[1]} inputs, {dataset.classes} classes, "
        f"{counts} parameters, {torch.get_num_threads()} threads"
    )

    def forward(own: nn.Module = model) -> Tensor:
        outputs: Tensor = own(x, edge_index)
        return outputs

    def whole() -> None:
        chosen = nodes[: options.nodes]
        _, wall, spent = timed(lambda: tangent_kernel(forward()[chosen], all_parameters(model)))
        print(f"kernel of {len(chosen)} nodes: {wall:.1f} s passed, {spent:.1f} s of CPU")

    memory = peak_memory(whole)
    print(
        "peak memory above what was held before: " + ("?" if memory is None else f"{memory / 2**30:.2f} GiB")
    )
    if options.compare:
        compare(model, lambda: forward()[nodes[: options.compare]], x, edge_index, nodes[: options.compare])


def compare(
    model: nn.Module, forward: Callable[[], Tensor], x: Tensor, edge_index: Tensor, chosen: Tensor
) -> None:
    """Every way on the same nodes, with its distance from the loop."""
    parameters = dict(model.named_parameters())

    def outputs(own: dict[str, Tensor]) -> Tensor:
        found: Tensor = torch.func.functional_call(model, own, (x, edge_index))
        return found[chosen]

    def products(rows: list[Tensor]) -> np.ndarray:
        total = sum(torch.einsum("mk...,nk...->mn", row.double(), row.double()) for row in rows)
        return np.asarray(total)

    def loop() -> np.ndarray:
        logits = forward()
        rows = [torch.autograd.grad(f, parameters.values(), retain_graph=True) for f in logits.reshape(-1)]
        return products([torch.stack(own).unflatten(0, logits.shape) for own in zip(*rows, strict=True)])

    def batched() -> np.ndarray:
        logits = forward()
        basis = torch.eye(logits.numel()).reshape(-1, *logits.shape)
        parts = [
            torch.autograd.grad(logits, parameters.values(), chunk, retain_graph=True, is_grads_batched=True)
            for chunk in basis.split(64)
        ]
        return products([torch.cat(own).unflatten(0, logits.shape) for own in zip(*parts, strict=True)])

    def func() -> np.ndarray:
        own = {name: parameter.detach() for name, parameter in parameters.items()}
        return products(list(torch.func.jacrev(outputs, chunk_size=64)(own).values()))

    ways: dict[str, Way] = {
        "loop of torch.autograd.grad": loop,
        "torch.autograd.grad, 64 at a time": batched,
        "torch.func.jacrev, 64 at a time": func,
        "gradprobe": lambda: tangent_kernel(forward(), all_parameters(model)),
    }
    expected = loop()
    scale = np.sqrt(np.outer(expected.diagonal(), expected.diagonal()))
    print(f"\n{len(chosen)} nodes, each way")
    for name, way in ways.items():
        found, wall, spent = timed(way)
        distance = float((np.abs(found - expected) / scale).max())
        print(f"  {name:<36} {wall:6.2f} s passed  {spent:6.2f} s of CPU  off by {distance:.0e}")


def timed(work: Way) -> tuple[np.ndarray, float, float]:
    """What some work returns, the seconds that passed and those spent computing."""
    wall, spent = time.perf_counter(), time.process_time()
    found = work()
    return found, time.perf_counter() - wall, time.process_time() - spent


if __name__ == "__main__":
    main()
