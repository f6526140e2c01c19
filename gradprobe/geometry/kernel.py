"""How alike two kernels over the same nodes are: that of a network, its graph's, and that of its labels.

The tangent kernel of a network says how a step of gradient descent on one node moves the output of
another. Aligned with the graph, training spreads residuals along edges; aligned with the labels, it
spreads them to where they belong (Yang et al. 2024).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from gradprobe.errors import InputError
from gradprobe.geometry.adjacency import normalised_adjacency
from gradprobe.geometry.gramian import BoolArray, FloatArray
from gradprobe.geometry.quantity import Quantity

Labels = npt.NDArray[np.number[Any]]

CONSTANT = "centring leaves nothing of the {name}, as where all its entries are equal"
ZERO = "the {name} is zero"
FEW_NODES = "fewer than two nodes are labelled"
_KERNEL, _GRAPH, _TARGET = "network's kernel", "graph's kernel", "labels' kernel"


@dataclass(frozen=True)
class KernelAlignments:
    """The three alignments among a network's kernel, the graph and the labels, each with shape ().

    `kernel_graph` is over all `nodes`, the other two over the `labelled` ones among them.
    `graph_target` does not depend on the network: it is a measure of homophily.
    """

    kernel_graph: Quantity
    kernel_target: Quantity
    graph_target: Quantity
    nodes: int
    labelled: int

    @property
    def quantities(self) -> Mapping[str, Quantity]:
        """The alignments by name."""
        return {
            "kernel_graph": self.kernel_graph,
            "kernel_target": self.kernel_target,
            "graph_target": self.graph_target,
        }


def kernel_alignments(
    kernel: FloatArray, graph: FloatArray, labels: Labels, *, centred: bool = True
) -> KernelAlignments:
    """The alignments among kernels [n, n] of a network and a graph and the labels [n] of the same nodes.

    Args:
        kernel: a tangent kernel, such as a `KernelProbe`'s.
        graph: what `graph_kernel` returns, or any other kernel over these nodes.
        labels: see `label_kernel`; nodes without a label are left out before anything is centred.
        centred: see `alignment`.

    Raises:
        InputError: as for `alignment` and `label_kernel`.
    """
    known = has_label(labels)
    if len(known) != len(kernel):
        raise InputError(f"labels: expected one for each of {len(kernel)} nodes, got {len(known)}")
    kernel_graph = alignment(kernel, graph, centred=centred, names=(_KERNEL, _GRAPH))
    few = Quantity(np.array(np.nan), {(): FEW_NODES})
    kernel_target = graph_target = few
    if known.sum() > 1:
        some = np.ix_(known, known)
        target = label_kernel(labels[known])
        kernel_target = alignment(kernel[some], target, centred=centred, names=(_KERNEL, _TARGET))
        graph_target = alignment(graph[some], target, centred=centred, names=(_GRAPH, _TARGET))
    return KernelAlignments(kernel_graph, kernel_target, graph_target, len(known), int(known.sum()))


def alignment(
    first: FloatArray,
    second: FloatArray,
    *,
    centred: bool = True,
    names: tuple[str, str] = ("first kernel", "second kernel"),
) -> Quantity:
    """The alignment <K1, K2> / (||K1|| ||K2||) of two kernels [n, n] in the Frobenius product, shape ().

    Centred (Cortes et al. 2012), both kernels are replaced by H K H with H = I - 11^T/n: this is what
    the code of Yang et al. 2024 does, and the linear CKA of two feature maps. Not centred (Cristianini et
    al. 2001), kernels without negative entries look alike for their means alone.

    NaN, with the reason, where a kernel is zero, or constant and centred. `names` are for that reason.

    Raises:
        InputError: not two finite square matrices of one size.

    >>> round(float(alignment(np.eye(4), np.kron(np.eye(2), np.ones((2, 2))))), 6)
    0.57735
    """
    left, right = _square(np.asarray(first), names[0]), _square(np.asarray(second), names[1])
    if left.shape != right.shape:
        raise InputError(
            f"{names[1]}: expected {len(left)} nodes, as the {names[0]} has, got {len(right)}; "
            "restrict both to the same nodes"
        )
    for kernel, name in zip((left, right), names, strict=True):
        reason = _undefined(kernel, name, centred)
        if reason:
            return Quantity(np.array(np.nan), {(): reason})
    left, right = (_normalised(kernel, centred) for kernel in (left, right))
    return Quantity(np.array(np.clip(np.vdot(left, right), -1.0, 1.0)))


def centre(kernel: FloatArray) -> FloatArray:
    """The kernel [n, n] of the same features around their mean: H K H with H = I - 11^T/n."""
    rows = kernel - kernel.mean(axis=0, keepdims=True)
    return np.asarray(rows - rows.mean(axis=1, keepdims=True))


def label_kernel(labels: Labels) -> FloatArray:
    """The kernel Y Y^T [n, n] of labels: one where two nodes share a class, else zero.

    Labels [n] are classes. Labels [n, c] are the rows of Y themselves, for several labels a node or for
    numbers. Centred and with two classes, one-hot rows and labels of plus and minus one align alike.

    Raises:
        InputError: a label is missing; restrict to `has_label` first.
    """
    known = has_label(labels)
    if not known.all():
        raise InputError(
            f"labels: expected one for every node, got none for {int((~known).sum())} of {len(known)}; "
            "restrict labels and kernels to the nodes where has_label(labels)"
        )
    values = np.asarray(labels)
    if values.ndim == 1:
        return np.asarray(values[:, None] == values[None, :], dtype=np.float64)
    targets = np.asarray(values, dtype=np.float64)
    return np.asarray(targets @ targets.T)


def has_label(labels: Labels) -> BoolArray:
    """Which nodes [n] have a label: not -1 among classes, no NaN among [n] or [n, c] numbers.

    Raises:
        InputError: labels of another shape.
    """
    values = np.asarray(labels)
    if values.ndim == 1 and np.issubdtype(values.dtype, np.integer):
        return np.asarray(values >= 0)
    if values.ndim not in (1, 2) or not np.issubdtype(values.dtype, np.number):
        raise InputError(
            f"labels: expected classes [nodes] or numbers [nodes, columns], got {values.dtype} {values.shape}"
        )
    missing = np.isnan(np.asarray(values, dtype=np.float64))
    return np.asarray(~missing if values.ndim == 1 else ~missing.any(axis=1))


def graph_kernel(
    edge_index: npt.NDArray[np.int64],
    nodes: int,
    *,
    power: int,
    chosen: npt.NDArray[np.int64] | None = None,
    self_loops: bool = True,
) -> FloatArray:
    """The kernel A^p [m, m] between m chosen nodes (default: all) of a graph with edges [2, e] and n nodes.

    A is the normalised adjacency. The tangent kernel of a graph convolution of L layers goes with
    `power` = 2 L, as in the code of Yang et al. 2024: residuals flow back through L layers and out through L.
    The paper's text says only "adjacency": that is power 1. The power is taken on the whole graph, so that
    paths between chosen nodes may lead over others.

    Raises:
        InputError: a power below one, or nodes that are not of the graph.
    """
    if power < 1:
        raise InputError(f"power: expected a count of steps from 1 on, got {power}")
    picked = np.arange(nodes) if chosen is None else np.asarray(chosen)
    if picked.size and (picked.min() < 0 or picked.max() >= nodes):
        raise InputError(
            f"chosen: expected nodes from 0 to {nodes - 1}, got {picked.min()} to {picked.max()}"
        )
    adjacency = normalised_adjacency(edge_index, nodes, self_loops=self_loops)
    # From the middle outwards: symmetric to the last bit for even powers, and half the products.
    steps = sparse.eye_array(nodes, format="csr")[picked]
    for _ in range(power // 2):
        steps = steps @ adjacency
    half = steps.toarray()
    return np.asarray(half @ (adjacency @ half.T) if power % 2 else half @ half.T)


def _square(kernel: FloatArray, name: str) -> FloatArray:
    matrix = np.asarray(kernel, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise InputError(f"{name}: expected a square matrix [nodes, nodes], got shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise InputError(f"{name}: expected finite entries, got NaN or infinity")
    return matrix


def _undefined(kernel: FloatArray, name: str, centred: bool) -> str:
    """Why a kernel has no alignment; empty where it has one."""
    largest = np.abs(kernel).max()
    if largest == 0.0:
        return ZERO.format(name=name)
    # Means are rounded, so a constant kernel leaves dust of this size behind, not zeros.
    dust = len(kernel) * np.finfo(np.float64).eps
    if centred and np.abs(centre(kernel / largest)).max() <= dust:
        return CONSTANT.format(name=name)
    return ""


def _normalised(kernel: FloatArray, centred: bool) -> FloatArray:
    scaled = kernel / np.abs(kernel).max()  # squares of tiny or huge entries would not be numbers
    if centred:
        scaled = centre(scaled)
    return np.asarray(scaled / np.linalg.norm(scaled))
