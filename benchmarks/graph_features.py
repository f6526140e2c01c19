"""Time and memory of node quantities, on a graph drawn at random or on a published one.

    python benchmarks/graph_features.py [--nodes 1000000] [--edges 10000000] [--width 16] [--json FILE]
    python benchmarks/graph_features.py --dataset pubmed [--root DIR] --width 64

Undirected edges between nodes drawn uniformly, standard normal gradients, one core. "whole feature set"
goes from an edge index in both directions to the six features of every node; its line has the peak of
memory above what the inputs hold. The other quantities follow, each on the graph built before. The
exact smoothing is timed on published graphs only: random ones have no small factor.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _memory import peak_memory

from gradprobe.data.graphs import load_graph
from gradprobe.geometry.graph import (
    LaplacianSystem,
    alignment,
    conflict_flags,
    edge_conflict,
    gradient_attention,
    neighbour_mean,
    node_features,
    node_graph,
    principal_direction,
    project,
    smooth_jacobi,
)


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--edges", type=int, default=10_000_000)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--dataset", help="a name that load_graph knows, in place of a random graph")
    parser.add_argument("--root", type=Path, help="the folder of its files")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    if options.dataset:
        dataset = load_graph(options.dataset, root=options.root)
        edge_index, nodes = dataset.edge_index, dataset.nodes
    else:
        pairs, nodes = generator.integers(0, options.nodes, size=(2, options.edges)), options.nodes
        edge_index = np.concatenate([pairs, pairs[::-1]], axis=1)
    gradients = generator.standard_normal((nodes, options.width))
    confidences = generator.uniform(0.2, 1.0, nodes)

    def features() -> object:
        return node_features(gradients, node_graph(edge_index, nodes), confidences=confidences)

    rows = [_row("whole feature set", features)]
    graph = node_graph(edge_index, nodes)
    contexts = neighbour_mean(gradients, graph)
    quantities: dict[str, Callable[[], object]] = {
        "neighbour mean": lambda: neighbour_mean(gradients, graph),
        "principal direction": lambda: principal_direction(gradients),
        "conflict flags": lambda: conflict_flags(gradients, contexts),
        "projection": lambda: project(gradients, contexts),
        "alignment": lambda: alignment(gradients, graph),
        "conflict along edges": lambda: edge_conflict(gradients, graph),
        "Jacobi step": lambda: smooth_jacobi(gradients, graph, strength=1.0),
        "attention": lambda: gradient_attention(gradients, graph),
    }
    if options.dataset:
        system = LaplacianSystem(graph, 1.0)
        quantities["exact smoothing: factor"] = lambda: LaplacianSystem(graph, 1.0)
        quantities["exact smoothing: solve"] = lambda: system.solve(gradients)
    rows += [_row(name, work) for name, work in quantities.items()]
    if options.json:
        size = {"nodes": nodes, "edges": int(graph.edges.shape[1]), "width": options.width}
        options.json.write_text(json.dumps({**size, "rows": rows}, indent=1) + "\n")


def _row(name: str, work: Callable[[], object]) -> dict[str, object]:
    seconds = cpu_seconds = 0.0

    def timed() -> None:
        nonlocal seconds, cpu_seconds
        passed, spent = time.perf_counter(), time.process_time()
        work()
        seconds, cpu_seconds = time.perf_counter() - passed, time.process_time() - spent

    peak = peak_memory(timed)
    row: dict[str, object] = {
        "quantity": name,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu_seconds, 3),
        "peak_gib": None if peak is None else round(peak / 2**30, 3),
    }
    print(*(f"{key} {value}" for key, value in row.items()), sep="   ", flush=True)
    return row


if __name__ == "__main__":
    main()
