"""Whose row is it? Backward passes in which every group's loss carries a power of two of its own.

Where a row of an output gradient belongs to one group alone, multiplying that group's loss by a power
of two multiplies the row by it, bit for bit: the ratio of two passes names the owner. Anything else, a
zero that does not stay zero included, proves that rows mix. Losses should carry a random factor each,
the same in all passes, so that gradients in a simple proportion (rows of width one, a shared
bottleneck) do not add up to another group's power of two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gradprobe.geometry import FloatArray
from gradprobe.gradients.rowwise.rows import NOBODY, TOLERANCES, wide

IntArray = npt.NDArray[np.int64]
# Exponents of a pass run from -60 to 59 in float32; later passes tell further groups apart.
EXPONENTS = 120
# A backward pass with one more factor for each group's loss -> the rows [r, d] of every layer.
Pass = Callable[[Sequence[float]], "list[Tensor]"]


class MixedRowsError(Exception):
    """Rows that carry the loss of more than one group."""


def find_owners(
    plain: Sequence[Tensor], run: Pass, groups: int, generator: np.random.Generator
) -> list[Tensor]:
    """The owner [r] of each row of `plain`, which is what `run` gives for factors of one.

    One more pass; two from 121 groups on. Another where a group's rows are so much smaller than
    another's that its share in the other's rows could have been rounded away: it must have none.

    Raises:
        MixedRowsError: some row carries the loss of more than one group.
    """
    narrow = {values.dtype for values in plain} - set(TOLERANCES)
    if narrow:
        raise MixedRowsError(f"{narrow} has too narrow a range of exponents to tell rows apart")
    digits = _digits(groups, generator)
    layers = [_Owners(values) for values in plain]
    for exponents in digits:
        for layer, values in zip(layers, run(np.ldexp(1.0, exponents).tolist()), strict=True):
            layer.compare(values, exponents)
    owners = [layer.decode(digits) for layer in layers]
    _expect_no_faint_share(run, plain, layers, owners, groups)
    return owners


def _digits(groups: int, generator: np.random.Generator) -> list[IntArray]:
    """For each pass the exponent of every group [g]; together they name the group.

    Groups take their places in random order, so that neighbours have no neighbouring powers.
    """
    places = generator.permutation(groups)
    base = min(groups, EXPONENTS)
    digits = []
    while True:
        digits.append(places % base - base // 2)
        places = places // base
        if not places.any():
            return digits


class _Owners:
    """The ratios of the passes for the rows of one layer."""

    def __init__(self, values: Tensor) -> None:
        self._plain = wide(values)
        self._peak = self._plain.abs().argmax(dim=1, keepdim=True)
        self._top = self._plain.gather(1, self._peak)
        self._shifts: list[Tensor] = []

    def compare(self, values: Tensor, exponents: IntArray) -> None:
        """Read the power of two of each row, and expect it to hold for the whole row.

        Raises:
            MixedRowsError: it does not.
        """
        scaled = wide(values)
        shift = (torch.frexp(scaled.gather(1, self._peak))[1] - torch.frexp(self._top)[1]).long()
        low, high = int(exponents.min()), int(exponents.max())
        table = torch.tensor(
            np.ldexp(1.0, np.arange(low, high + 1)), dtype=scaled.dtype, device=scaled.device
        )
        expected = self._plain * table[(shift - low).clamp(0, high - low)]
        if not torch.equal(expected, scaled) and not _nearly_equal(expected, scaled, self._plain):
            raise MixedRowsError("rows carry the losses of more than one group")
        self._shifts.append(shift.squeeze(1))

    def peaks(self, owner: Tensor, groups: int) -> FloatArray:
        """The largest absolute value among each group's rows [g]."""
        tops = self._top.abs().squeeze(1)
        peaks = tops.new_zeros(groups + 1).scatter_reduce_(0, owner % (groups + 1), tops, "amax")
        found: FloatArray = peaks[:groups].double().cpu().numpy()
        return found

    def decode(self, digits: list[IntArray]) -> Tensor:
        """The owner [r] of each row."""
        low = [int(exponents.min()) for exponents in digits]
        spans = [int(exponents.max()) - least + 1 for exponents, least in zip(digits, low, strict=True)]
        table = np.full(spans, NOBODY)
        table[tuple(exponents - least for exponents, least in zip(digits, low, strict=True))] = np.arange(
            len(digits[0])
        )
        device = self._plain.device
        index = tuple(
            (shift - least).clamp(0, span - 1)
            for shift, least, span in zip(self._shifts, low, spans, strict=True)
        )
        owner = torch.tensor(table, device=device)[index]
        silent = self._top.squeeze(1) == 0
        if bool((owner[~silent] == NOBODY).any()):
            raise MixedRowsError("rows carry the losses of more than one group")
        return owner.masked_fill(silent, NOBODY)


def _nearly_equal(expected: Tensor, scaled: Tensor, plain: Tensor) -> bool:
    """Whether rows [r, d] are equal but for what has to be forgiven.

    That is what underflows where other values of the layer are ordinary; and accelerators add up in
    varying order, so there a few roundings of the row's largest value.
    """
    limits = torch.finfo(plain.dtype)
    peaks = torch.maximum(plain.abs(), scaled.abs()).amax(dim=1, keepdim=True)
    if plain.device.type == "cpu":
        underflow = limits.tiny * 2.0**16
        ordinary = bool((peaks * limits.eps**2 > underflow).any())
        slack = torch.full_like(peaks, underflow if ordinary else 0.0)
    else:
        slack = 64 * limits.eps * peaks
    return bool(((expected - scaled).abs() <= slack).all())


def _expect_no_faint_share(
    run: Pass, plain: Sequence[Tensor], layers: list[_Owners], owners: list[Tensor], groups: int
) -> None:
    faint = np.zeros(groups, dtype=bool)
    for values, layer, owner in zip(plain, layers, owners, strict=True):
        peaks = layer.peaks(owner, groups)
        threshold = torch.finfo(values.dtype).eps / TOLERANCES[values.dtype]
        faint |= peaks < threshold * peaks.max(initial=0.0)
    if not faint.any():
        return
    chosen = torch.from_numpy(np.append(faint, False))
    for values, owner, alone in zip(plain, owners, run(faint.astype(float).tolist()), strict=True):
        expected = wide(values) * chosen.to(owner.device)[owner][:, None]
        if not torch.equal(expected, wide(alone)) and not _nearly_equal(expected, wide(alone), expected):
            raise MixedRowsError("a group with small gradients also enters the rows of others")
