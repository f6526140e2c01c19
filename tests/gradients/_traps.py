"""Planted models: each breaks something that a row-wise engine might take for granted."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

TASKS = 3
Trap = Callable[[], tuple[nn.Module, Callable[[], list[Tensor]]]]
TRAPS: dict[str, Trap] = {}


def trap(make: Trap) -> Trap:
    TRAPS[make.__name__] = make
    return make


class Plain(nn.Module):
    """A trunk whose first and last layer are linear, around whatever is planted."""

    def __init__(self, middle: nn.Module | None = None, width: int = 6) -> None:
        super().__init__()
        self.enter, self.middle, self.leave = (
            nn.Linear(4, width),
            middle or nn.Identity(),
            nn.Linear(width, width),
        )
        self.heads = nn.ModuleList(nn.Linear(width, 1) for _ in range(TASKS))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.leave(torch.tanh(self.middle(self.enter(x)))))


def disjoint(model: nn.Module, x: Tensor | None = None) -> Callable[[], list[Tensor]]:
    """Rows 0-3 belong to the first task, 4-7 to the second, 8-11 to the third."""
    x = torch.randn(12, 4) if x is None else x

    def losses() -> list[Tensor]:
        h = model(x)
        return [head(part).square().mean() for head, part in zip(model.heads, h.chunk(TASKS), strict=True)]

    return losses


@trap
def plain():
    model = Plain()
    return model, disjoint(model)


@trap
def batch_norm_in_train_mode():
    model = Plain(nn.BatchNorm1d(6))
    return model, disjoint(model)


@trap
def functional_batch_norm():
    class Norm(nn.Module):
        def forward(self, x):
            return nn.functional.batch_norm(x, None, None, training=True)

    model = Plain(Norm())
    return model, disjoint(model)


@trap
def batch_norm_in_eval_mode():
    norm = nn.BatchNorm1d(6)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2.0)
    model = Plain(norm.eval())
    return model, disjoint(model)


@trap
def rows_centred_on_their_mean():
    class Centre(nn.Module):
        def forward(self, x):
            return x - 1e-3 * x.mean(0)

    model = Plain(Centre())
    return model, disjoint(model)


class SelfAttention(nn.Module):
    def __init__(self, across: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.across = across

    def forward(self, x):
        rows = x[None] if self.across else x.reshape(4, 3, 6)
        return self.attention(rows, rows, rows, need_weights=False)[0].reshape(x.shape)


@trap
def attention_across_rows():
    model = Plain(SelfAttention(across=True))
    return model, disjoint(model)


@trap
def attention_within_a_tasks_rows():
    """`out_proj` is never called as a module."""
    model = Plain(SelfAttention(across=False))
    x = torch.randn(12, 4)

    def losses():
        h = model(x).reshape(4, 3, 6)
        return [model.heads[i](h[i]).square().mean() for i in range(TASKS)]

    return model, losses


@trap
def identical_gradients():
    """Two tasks share every row, head and label."""
    model = Plain()
    x = torch.randn(12, 4)

    def losses():
        h = model(x)
        return [model.heads[0](h).square().mean(), model.heads[0](h).square().mean(), h[:5].square().mean()]

    return model, losses


@trap
def one_loss_given_twice():
    model = Plain()
    x = torch.randn(12, 4)

    def losses():
        h = model(x)
        loss = h[:6].square().mean()
        return [loss, loss, h[6:].square().mean()]

    return model, losses


@trap
def width_one_rows():
    """Absolute errors on one shared output: gradients per row are plus or minus one over the row count."""
    model = Plain(width=1)
    x = torch.randn(12, 4)

    def losses():
        h = model(x)[:, 0]
        return [h[:8].abs().mean(), h[4:8].abs().mean(), h[6:].abs().mean()]

    return model, losses


@trap
def shared_bottleneck():
    """All tasks read one number, so that their gradients on every row are proportional."""
    model = Plain()
    x = torch.randn(8, 4)

    def losses():
        h = model(x).sum(1)
        return [h.sum() / 4, h.sum() / 2, h.sum()]

    return model, losses


@trap
def mixing_of_width_one():
    model = Plain(width=1)
    x = torch.randn(9, 4)

    def losses():
        h = model(x)[:, 0]
        spread = h + h.roll(3)
        return [spread[:3].sum() / 4, spread[3:6].sum() / 2, spread[6:].sum()]

    return model, losses


@trap
def tied_weights():
    model = Plain(nn.Linear(6, 6))
    model.leave.weight = model.middle.weight
    return model, disjoint(model)


@trap
def weight_used_by_a_function():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 6)

        def forward(self, x):
            return nn.functional.linear(torch.tanh(self.layer(x)), self.layer.weight)

    model = Plain(Twice())
    return model, disjoint(model)


@trap
def weight_penalty():
    model = Plain()
    plain_losses = disjoint(model)

    def losses():
        first, *others = plain_losses()
        return [first + 0.3 * model.enter.weight.square().sum(), *others]

    return model, losses


@trap
def penalty_on_all_weights():
    model = Plain()
    plain_losses = disjoint(model)

    def losses():
        penalty = sum(parameter.square().sum() for parameter in model.parameters())
        return [loss + 0.3 * penalty for loss in plain_losses()]

    return model, losses


@trap
def parametrised_weight():
    model = Plain(parametrizations.weight_norm(nn.Linear(6, 6)))
    return model, disjoint(model)


@trap
def orthogonal_weight():
    model = Plain(parametrizations.orthogonal(nn.Linear(6, 6)))
    return model, disjoint(model)


@trap
def low_rank_update():
    class Adapted(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(6, 6))
            self.down, self.up = nn.Parameter(torch.randn(2, 6)), nn.Parameter(torch.randn(6, 2))

        def forward(self, x):
            return nn.functional.linear(x, self.weight + self.up @ self.down)

    model = Plain(Adapted())
    return model, disjoint(model)


@trap
def weight_made_from_the_batch():
    class Hyper(nn.Module):
        def __init__(self):
            super().__init__()
            self.make = nn.Linear(6, 6)

        def forward(self, x):
            return x @ torch.tanh(self.make(x[:6]))

    model = Plain(Hyper())
    return model, disjoint(model)


@trap
def recomputed_checkpoint():
    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))

        def forward(self, x):
            return checkpoint(self.inner, x, use_reentrant=False)

    model = Plain(Checkpointed())
    return model, disjoint(model)


@trap
def zero_output_gradients():
    model = Plain()
    plain_losses = disjoint(model)
    return model, lambda: [
        loss * factor for loss, factor in zip(plain_losses(), (1.0, 0.0, 1.0), strict=True)
    ]


@trap
def dead_rows():
    """Whole rows of zeros where the activation is off."""

    class Off(nn.Module):
        def forward(self, x):
            return torch.relu(x - 0.8)

    model = Plain(Off())
    return model, disjoint(model)


@trap
def losses_of_very_different_size():
    model = Plain()
    plain_losses = disjoint(model)
    return model, lambda: [
        loss * factor for loss, factor in zip(plain_losses(), (1e-11, 1.0, 1e9), strict=True)
    ]


@trap
def mixing_drowned_by_a_larger_loss():
    """The first task's share in the others' rows is lost to rounding in any sum."""
    model = Plain(nn.BatchNorm1d(6, affine=False))
    plain_losses = disjoint(model)
    return model, lambda: [
        loss * factor for loss, factor in zip(plain_losses(), (1e-18, 1.0, 1.0), strict=True)
    ]


@trap
def overwritten_activation():
    class InPlace(nn.Module):
        def forward(self, x):
            return x.add_(1.0).relu_()

    model = Plain(InPlace())
    return model, disjoint(model)


@trap
def activation_hook_that_clips():
    """A hook on an intermediate tensor whose effect depends on all rows at once."""

    class Clipped(nn.Module):
        def forward(self, x):
            out = x * 1.0
            out.register_hook(lambda gradient: gradient / (1e-3 + gradient.norm()))
            return out

    model = Plain(Clipped())
    return model, disjoint(model)


@trap
def activation_hook_that_clips_shared_rows():
    model, _ = activation_hook_that_clips()
    x = torch.randn(12, 4)

    def losses():
        h = model(x)
        return [head(h).square().mean() for head in model.heads]

    return model, losses


@trap
def rows_shuffled():
    class Shuffle(nn.Module):
        def forward(self, x):
            return x[torch.randperm(len(x))]

    model = Plain(Shuffle())
    return model, disjoint(model)


@trap
def rows_mixed_up_in_pairs():
    class MixUp(nn.Module):
        def forward(self, x):
            return 0.7 * x + 0.3 * x[torch.randperm(len(x))]

    model = Plain(MixUp())
    return model, disjoint(model)


@trap
def gated_by_a_parameter():
    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.eps, self.scale = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.randn(6))
            self.shift, self.number = nn.Parameter(torch.randn(6)), nn.Parameter(torch.tensor(0.3))

        def forward(self, x):
            return (1 + self.eps) * x * self.scale + self.shift + x * self.number

    model = Plain(Gate())
    return model, disjoint(model)


@trap
def a_parameter_for_each_row():
    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(torch.randn(12, 6))

        def forward(self, x):
            return x + self.table

    model = Plain(Positions())
    return model, disjoint(model)


@trap
def custom_function():
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return 2 * gradient + gradient.mean(0)

    class Custom(nn.Module):
        def forward(self, x):
            return Double.apply(x)

    model = Plain(Custom())
    return model, disjoint(model)


@trap
def hook_on_a_parameter():
    model = Plain()
    model.enter.weight.register_hook(lambda gradient: 3 * gradient)
    return model, disjoint(model)


@trap
def several_labels_a_row():
    """Each row carries one or two of the tasks."""
    model = Plain()
    x = torch.randn(12, 4)

    def losses():
        h = model(x)
        rows = (slice(0, 6), slice(4, 9), slice(9, 12))
        return [model.heads[i](h[own]).square().mean() for i, own in enumerate(rows)]

    return model, losses


@trap
def fused_head():
    model = Plain()
    fused = nn.Linear(6, TASKS)
    model.heads = nn.ModuleList([fused])
    x = torch.randn(12, 4)

    def losses():
        out = fused(model(x))
        return [out[i::TASKS, i].square().mean() for i in range(TASKS)]

    return model, losses


@trap
def convolutions():
    class Convolved(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Conv1d(2, 4, 2, padding="same", padding_mode="circular")
            self.two = nn.Conv2d(4, 4, (1, 2), groups=2, bias=False)
            self.norm = nn.GroupNorm(2, 4)

        def forward(self, x):
            maps = self.norm(torch.tanh(self.one(x.reshape(len(x), 2, 3))))
            return self.two(maps[:, :, None])[:, :, 0, :].flatten(1)[:, :6]

    model = Plain(Convolved())
    return model, disjoint(model)


@trap
def images_in_batch_norm_eval():
    norm = nn.BatchNorm2d(3)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2.0)
    model = Plain(nn.Sequential(nn.Unflatten(1, (3, 2, 1)), norm.eval(), nn.Flatten()))
    return model, disjoint(model)


@trap
def tokens_with_padding():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(9, 4, padding_idx=2)
            self.trunk = Plain()
            self.heads = self.trunk.heads

        def forward(self, x):
            return self.trunk(self.table(x).sum(1))

    model = Tokens()
    return model, disjoint(model, torch.randint(0, 9, (12, 3)))


@trap
def gradient_scaled_by_frequency():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(5, 4, scale_grad_by_freq=True)
            self.trunk = Plain()
            self.heads = self.trunk.heads

        def forward(self, x):
            return self.trunk(self.table(x).sum(1))

    model = Tokens()
    return model, disjoint(model, torch.randint(0, 5, (12, 3)))


@trap
def sequences_of_tokens():
    """Three dimensions, with and without bias, transposed and not."""

    class Sequence(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.norm = nn.Linear(2, 2), nn.Linear(2, 2, bias=False), nn.LayerNorm(2)

        def forward(self, x):
            tokens = x.reshape(len(x), 3, 2)
            return (
                self.norm(self.b(self.a(tokens))) + self.a(tokens.transpose(0, 1)).transpose(0, 1)
            ).flatten(1)

    model = Plain(Sequence())
    return model, disjoint(model)


@trap
def several_norms():
    model = Plain(nn.Sequential(nn.LayerNorm(6), nn.RMSNorm(6), nn.LayerNorm(6, bias=False)))
    return model, disjoint(model)


@trap
def half_precision_range():
    model = Plain().half()
    return model, disjoint(model, torch.randn(12, 4).half())


@trap
def a_loss_that_is_a_parameter():
    model = Plain()
    model.noise = nn.Parameter(torch.tensor(0.5))
    plain_losses = disjoint(model)
    return model, lambda: [*plain_losses(), model.noise]


@trap
def unused_parameters():
    model = Plain()
    model.spare = nn.Linear(3, 3)
    return model, disjoint(model)
