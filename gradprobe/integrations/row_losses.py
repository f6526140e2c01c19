"""Per-row losses from the outputs of a Hugging Face model, without a second forward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from gradprobe.errors import InputError

IGNORED = -100  # the label that transformers leaves out of a loss


@dataclass(frozen=True, eq=False)
class RowLosses:
    """Summed losses of each row [b] and how many terms each has [b]: tokens, or 1."""

    sums: Tensor
    terms: Tensor


def row_losses_of(
    model: nn.Module, outputs: Any, inputs: Mapping[str, Any], *, smoothing: float = 0.0
) -> RowLosses:
    """The loss of each row [b], computed from the logits as transformers does before it averages.

    Args:
        model: the model, wrapped by DDP or peft or not.
        outputs: what it returned; `outputs.logits` are used.
        inputs: the batch with its `labels`.
        smoothing: the share of the label that is spread over all classes, as `label_smoothing_factor` of
            `TrainingArguments` does; cross entropies only.

    Raises:
        InputError: a model whose loss is not known here, or a batch without labels.
    """
    inner = unwrapped(model)
    kind = str(getattr(inner, "loss_type", None) or _kind_by_name(inner))
    if kind not in _LOSSES:
        raise InputError(
            f"losses: expected a model for {', '.join(_LOSSES)}, got {type(inner).__name__}; pass losses=, a "
            "function of (outputs, inputs) that returns the losses by task"
        )
    if "labels" not in inputs:
        raise InputError(f"losses: expected a batch with labels, got {sorted(inputs)}; pass losses=")
    logits = outputs["logits"] if isinstance(outputs, Mapping) else outputs.logits
    return _LOSSES[kind](inner, logits.float(), inputs["labels"].to(logits.device), smoothing)


def unwrapped(model: nn.Module) -> nn.Module:
    """The transformers model inside DDP's and peft's wrappers."""
    wrapped = getattr(model, "module", None)
    inner = wrapped if isinstance(wrapped, nn.Module) else model
    base = getattr(inner, "get_base_model", None)
    found = base() if callable(base) else inner
    return found if isinstance(found, nn.Module) else inner


def _kind_by_name(model: nn.Module) -> str:
    name = type(model).__name__
    return next((kind for kind in _LOSSES if name.endswith(kind)), "")


def _next_token(model: nn.Module, logits: Tensor, labels: Tensor, smoothing: float) -> RowLosses:
    if getattr(getattr(model, "config", None), "is_encoder_decoder", False):
        return _same_token(model, logits, labels, smoothing)
    return _same_token(model, logits[:, :-1], labels[:, 1:], smoothing)


def _same_token(_: nn.Module, logits: Tensor, labels: Tensor, smoothing: float) -> RowLosses:
    losses = functional.cross_entropy(
        logits.transpose(1, 2), labels, reduction="none", ignore_index=IGNORED, label_smoothing=smoothing
    )
    return RowLosses(losses.sum(dim=1), (labels != IGNORED).sum(dim=1))


def _sequence(model: nn.Module, logits: Tensor, labels: Tensor, smoothing: float) -> RowLosses:
    problem = getattr(getattr(model, "config", None), "problem_type", None)
    if problem == "regression":
        losses = (logits.reshape(len(labels), -1) - labels.reshape(len(labels), -1)).square().mean(dim=1)
    elif problem == "multi_label_classification":
        losses = functional.binary_cross_entropy_with_logits(logits, labels.float(), reduction="none").mean(1)
    else:
        losses = functional.cross_entropy(
            logits, labels.reshape(-1), reduction="none", label_smoothing=smoothing
        )
    return RowLosses(losses, losses.new_ones(len(losses)))


_LOSSES: Mapping[str, Callable[[nn.Module, Tensor, Tensor, float], RowLosses]] = {
    "ForCausalLM": _next_token,
    "ForConditionalGeneration": _next_token,
    "ForMaskedLM": _same_token,
    "ForTokenClassification": _same_token,
    "ForSequenceClassification": _sequence,
}
