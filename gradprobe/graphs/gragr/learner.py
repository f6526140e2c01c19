"""One model in training, and what GraGR remembers from one step to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gradprobe.errors import TrainingError
from gradprobe.graphs.gragr.attention import attending, gradient_attention, message_weights
from gradprobe.graphs.gragr.conflict import conflict_loss, node_energy
from gradprobe.graphs.gragr.edges import Edges
from gradprobe.graphs.gragr.meta import (
    conflict_hypergradient,
    degree_groups,
    flatten,
    group_losses,
    hypergradient,
    update_gamma,
)
from gradprobe.graphs.gragr.options import GraGROptions, NodeTrainingOptions
from gradprobe.graphs.gragr.pathways import GatedConv
from gradprobe.graphs.gragr.schedule import PlateauGate
from gradprobe.graphs.models import NodeModel
from gradprobe.graphs.node_data import NodeData


@dataclass(frozen=True, eq=False)
class Memory:
    """What a step leaves at one hidden layer: gradients [n, d] before and after correction, flags [n]."""

    raw: Tensor
    smoothed: Tensor
    conflicting: Tensor


@dataclass(frozen=True)
class StepRecord:
    """What one step did: its loss, whether reasoning was on, how far the pathways were open, the weights."""

    loss: float
    reasoning: bool
    openness: float
    gamma: tuple[float, ...]


class NodeLearner:
    """Trains a node model step by step, on the whole graph; the base method is the one with every part off.

    With `pathways`, layers that read representations are replaced in the model by a `GatedConv`.
    """

    def __init__(
        self, model: NodeModel, data: NodeData, options: GraGROptions, training: NodeTrainingOptions
    ) -> None:
        self.model = model
        self.data = data
        self.options = options
        self.edges = Edges.of(data.edge_index, len(data.x))
        self.memory: list[Memory] = []
        if options.pathways:
            for level in range(1, len(model.convs)):
                model.convs[level] = GatedConv(model.convs[level])
        self._groups = degree_groups(self.edges, data.train, options.group_count)
        count = 2 if options.groups == "conflict" else int(self._groups.max()) + 1
        self.gamma = torch.ones(count)
        self._rate = training.learning_rate
        self._optimizer = torch.optim.Adam(
            model.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
        )
        self._gate = PlateauGate(options.plateau, options.warmup, options.patience, options.latch)
        self._plateau = False
        self._reasoned = 0

    def step(self) -> StepRecord:
        """One update of the parameters.

        Raises:
            TrainingError: the loss is NaN or infinite.
        """
        reasoning = self.options.reasons and (self._plateau or not self.options.schedule)
        openness = self._set_gates(reasoning)
        self.model.train()
        self._optimizer.zero_grad()
        with attending(self._message_factors() if reasoning else {}):
            *hidden, logits = self.model.representations(self.data.x, self.data.edge_index)
        losses = cross_entropy(logits[self.data.train], self.data.y[self.data.train], reduction="none")
        loss = losses.mean().item()
        if not loss < float("inf"):
            raise TrainingError(
                f"the training loss: expected a finite number, got {loss}; lower learning_rate"
            )
        if reasoning:
            self._reasoned_update(hidden, losses)
        else:
            with _remembering(hidden, self.memory):
                torch.autograd.backward(losses.mean())
            self._optimizer.step()
        return StepRecord(loss, reasoning, openness, tuple(self.gamma.tolist()))

    def base_logits(self) -> Tensor:
        """Logits [n, classes] in evaluation mode with every pathway closed."""
        gates = [conv for conv in self.model.convs if isinstance(conv, GatedConv)]
        kept = [float(gate.beta) for gate in gates]
        for gate in gates:
            gate.set_gate(0.0)
        logits = self.logits()
        for gate, beta in zip(gates, kept, strict=True):
            gate.set_gate(beta)
        return logits

    def update_schedule(self, epoch: int) -> None:
        """Decide after an epoch, counted from 1, whether the next one reasons; a no-op without schedule.

        The loss that decides is that of the training nodes on the base path, without dropout.
        """
        if self.options.schedule:
            loss = cross_entropy(self.base_logits()[self.data.train], self.data.y[self.data.train])
            self._plateau = self._gate.update(epoch, loss.item())

    def energies(self) -> list[float]:
        """Energy per edge of the last step's gradients at each hidden layer, from 0 to 1."""
        return [node_energy(memory.raw, self.edges) for memory in self.memory]

    @torch.no_grad()
    def logits(self) -> Tensor:
        """Logits [n, classes] in evaluation mode: uniform attention, since labels made the learned one."""
        self.model.eval()
        output: Tensor = self.model(self.data.x, self.data.edge_index)
        return output

    def _reasoned_update(self, hidden: list[Tensor], losses: Tensor) -> None:
        groups, count = self._present_groups(), len(self.gamma)
        parts = group_losses(losses, groups, count)
        weighted = (self.gamma * parts).sum() if self.options.meta else losses.mean()
        parameters = list(self.model.parameters())
        penalty = self._penalty(weighted, hidden)
        self._reasoned += 1
        moves = self.options.meta and hidden and self._reasoned % self.options.meta_every == 0
        by_group = self._group_gradients(parts, parameters, hidden) if moves else None
        with _remembering(hidden, self.memory, self._correct):
            torch.autograd.backward(weighted, retain_graph=penalty is not None)
        if penalty is not None:
            for parameter, extra in zip(
                parameters, torch.autograd.grad(penalty, parameters, allow_unused=True), strict=True
            ):
                if extra is not None:
                    parameter.grad = extra if parameter.grad is None else parameter.grad + extra
        self._optimizer.step()
        if by_group is not None:
            present = torch.bincount(groups, minlength=count) > 0
            slope = self._gamma_slope(by_group, parameters)
            self.gamma = update_gamma(self.gamma, slope, present, rate=self.options.meta_rate)

    def _penalty(self, loss: Tensor, hidden: list[Tensor]) -> Tensor | None:
        """The conflict loss of (7), with its second-order graph; None where it is switched off."""
        weight = self.options.conflict_weight if self.options.conflict else 0.0
        if weight == 0.0 or not hidden:
            return None
        gradients = torch.autograd.grad(loss, hidden, create_graph=True)
        terms = [conflict_loss(gradient, self.edges, self.options.conflict_loss) for gradient in gradients]
        return weight * torch.stack(terms).sum()

    def _correct(self, gradient: Tensor) -> Memory:
        corrected = self.options.correction(gradient, self.edges)
        return Memory(gradient, corrected.gradient, corrected.conflicting)

    def _group_gradients(self, parts: Tensor, parameters: list[nn.Parameter], hidden: list[Tensor]) -> Tensor:
        """Gradients of the groups' losses, uncorrected, so that they are linear in gamma.

        With respect to the parameters [T, P], or to the first representation [T, n, d] where gamma is to
        lower the conflict loss.
        """
        of: list[Tensor] = [*parameters] if self.options.meta_objective == "validation" else hidden[:1]
        rows = [torch.autograd.grad(part, of, retain_graph=True, allow_unused=True) for part in parts]
        if self.options.meta_objective == "validation":
            return torch.stack([flatten(row, of) for row in rows])
        return torch.stack([row[0] for row in rows])

    def _gamma_slope(self, by_group: Tensor, parameters: list[nn.Parameter]) -> Tensor:
        """The hypergradient [T] after the update: of the loss on the meta nodes, or of the conflict loss."""
        if self.options.meta_objective == "conflict":
            return conflict_hypergradient(by_group, self.gamma, self.edges)
        self.model.eval()
        logits = self.model(self.data.x, self.data.edge_index)
        loss = cross_entropy(logits[self.data.meta], self.data.y[self.data.meta])
        validation = flatten(torch.autograd.grad(loss, parameters, allow_unused=True), parameters)
        terms = self.options.neumann_terms
        product = self._hessian(parameters) if terms > 1 else None
        return hypergradient(validation, by_group, rate=self._rate, terms=terms, hessian=product)

    def _hessian(self, parameters: list[nn.Parameter]) -> _HessianProduct:
        logits = self.model(self.data.x, self.data.edge_index)
        losses = cross_entropy(logits[self.data.train], self.data.y[self.data.train], reduction="none")
        parts = group_losses(losses, self._present_groups(), len(self.gamma))
        return _HessianProduct((self.gamma * parts).sum(), parameters)

    def _present_groups(self) -> Tensor:
        """The group [k] of each training node; conflict groups are those of the step before."""
        if self.options.groups == "degree":
            return self._groups
        if not self.memory:
            return torch.zeros_like(self._groups)
        return self.memory[0].conflicting[self.data.train].long()

    def _set_gates(self, reasoning: bool) -> float:
        """Open the pathways of layers whose input's gradients disagree (13); returns their mean opening."""
        gates = [(level, conv) for level, conv in enumerate(self.model.convs) if isinstance(conv, GatedConv)]
        for level, gate in gates:
            energy = node_energy(self.memory[level - 1].raw, self.edges) if self.memory and reasoning else 0.0
            gate.set_gate(self.options.pathway_weight if energy > self.options.energy_threshold else 0.0)
        return sum(float(gate.beta) for _, gate in gates) / max(len(gates), 1)

    def _message_factors(self) -> dict[nn.Module, Tensor]:
        """Factors [E] for the messages of layers that read representations, from the step before.

        The first layer reads features, which have no gradient of a representation: it stays uniform. In
        the conflict pathway, messages between nodes whose gradients oppose are left out: its mask A_p.
        """
        factors: dict[nn.Module, Tensor] = {}
        for memory, conv in zip(self.memory, self.model.convs[1:], strict=False):
            pathway = isinstance(conv, GatedConv)
            layer = conv.conflict if isinstance(conv, GatedConv) else conv
            if not hasattr(layer, "register_message_forward_hook") or not (self.options.attention or pathway):
                continue
            factors[layer] = message_weights(
                gradient_attention(
                    memory.smoothed,
                    self.edges,
                    temperature=self.options.temperature if self.options.attention else 0.0,
                    similarity=self.options.similarity,
                    agreeing=self.edges.products(memory.smoothed) >= 0 if pathway else None,
                ),
                self.edges,
            )
        return factors


class _HessianProduct:
    """The Hessian of a scalar loss times a vector [P]."""

    def __init__(self, loss: Tensor, parameters: list[nn.Parameter]) -> None:
        self._parameters = parameters
        gradients = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True)
        self._gradient = flatten(gradients, parameters)

    def __call__(self, vector: Tensor) -> Tensor:
        found = torch.autograd.grad(
            self._gradient, self._parameters, vector, retain_graph=True, allow_unused=True
        )
        return flatten(found, self._parameters)


def _uncorrected(gradient: Tensor) -> Memory:
    return Memory(gradient, gradient, torch.zeros(len(gradient), dtype=torch.bool))


@contextmanager
def _remembering(
    hidden: list[Tensor], memory: list[Memory], correct: Callable[[Tensor], Memory] = _uncorrected
) -> Iterator[None]:
    """A block whose backward pass is corrected at each representation and remembered in `memory`."""
    by_level: dict[int, Memory] = {}

    def at(level: int) -> Callable[[Tensor], Tensor]:
        def hook(gradient: Tensor) -> Tensor:
            by_level[level] = correct(gradient.detach())
            return by_level[level].smoothed

        return hook

    handles = [
        tensor.register_hook(at(level))  # type: ignore[no-untyped-call]
        for level, tensor in enumerate(hidden)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    memory[:] = [by_level[level] for level in range(len(hidden))]
