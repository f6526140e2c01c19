"""Whose row is it? Backward passes in which every group's loss carries a power of two of its own.

Where a row of an output gradient belongs to one group alone, multiplying that group's loss by a power
of two multiplies the row by it, bit for bit: the ratio of two passes names the owner. Anything else, a
zero that does not stay zero included, proves that rows mix. Groups also carry a random factor, the
same in both passes, so that gradients in a simple proportion (rows of width one, a shared bottleneck)
do not add up to another group's power of two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gradprobe.geometry import FloatArray
from gradprobe.gradients.rowwise.rows import NOBODY, wide

IntArray = npt.NDArray[np.int64]
# Exponents of a pass run from -60 to 59 in float32; later passes tell further groups apart.
EXPONENTS = 120
# A backward pass with a factor for each group -> the rows [r, d] of every layer's output gradient.
Pass = Callable[[Sequence[float]], "list[Tensor]"]
# How exact group gradients must be (DESIGN §5), by dtype; of bfloat16 no more can be asked.
_TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 5e-2}


class MixedRowsError(Exception):
    """Rows that carry the loss of more than one group."""


class Attribution:
    """The outcome: output gradients per layer as rows [r, d], and the owner of each row [r]."""

    def __init__(self, values: list[Tensor], owners: list[Tensor]) -> None:
        self.values = values
        self.owners = owners


def attribute(run: Pass, groups: int, generator: np.random.Generator) -> Attribution:
    """The rows of unscaled losses and their owners, from two passes, or more beyond 120 groups.

    A third pass is run where a group's rows are so much smaller than another's that its share in
    the other's rows could have been rounded away: it must have none.

    Raises:
        MixedRowsError: some row carries the loss of more than one group.
    """
    # Seven binary places, which bfloat16 holds exactly.
    scales: FloatArray = 1.0 + generator.integers(1 << 7, size=groups) / (1 << 7)
    plain = run(scales.tolist())
    narrow = {values.dtype for values in plain} - set(_TOLERANCES)
    if narrow:
        raise MixedRowsError(f"{narrow} has too narrow a range of exponents to tell rows apart")
    digits = _digits(groups, generator)
    owners = [_Owners(values) for values in plain]
    for exponents in digits:
        powers = np.ldexp(1.0, exponents)
        for owner, values in zip(owners, run((scales * powers).tolist()), strict=True):
            owner.compare(values, exponents)
    found = [owner.decode(digits) for owner in owners]
    _expect_no_faint_share(run, plain, found, scales)
    return Attribution([_unscale(v, o, scales) for v, o in zip(plain, found, strict=True)], found)


def _digits(groups: int, generator: np.random.Generator) -> list[IntArray]:
    """For each pass the exponent of every group [g]; together they name the group.

    Groups take their places in random order, anew each time: no arrangement can be unlucky for good.
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
        if not bool(((expected - scaled).abs() <= _slack(self._plain, scaled)).all()):
            raise MixedRowsError("rows carry the losses of more than one group")
        self._shifts.append(shift.squeeze(1))

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


def _slack(plain: Tensor, scaled: Tensor) -> Tensor:
    """What the values of each row [r, 1] may differ by: nothing, as a rule.

    But for what underflows where other values of the layer are ordinary; and accelerators add up in
    varying order, so there a few roundings of the row's largest value are allowed.
    """
    limits = torch.finfo(plain.dtype)
    peaks = torch.maximum(plain.abs(), scaled.abs()).amax(dim=1, keepdim=True)
    if plain.device.type != "cpu":
        return 64 * limits.eps * peaks
    underflow = limits.tiny * 2.0**16
    ordinary = bool((peaks * limits.eps**2 > underflow).any())
    return torch.full_like(peaks, underflow if ordinary else 0.0)


def _expect_no_faint_share(run: Pass, plain: list[Tensor], owners: list[Tensor], scales: FloatArray) -> None:
    faint = np.zeros(len(scales), dtype=bool)
    for values, owner in zip(plain, owners, strict=True):
        peaks = _peaks(wide(values), owner, len(scales))
        threshold = torch.finfo(values.dtype).eps / _TOLERANCES[values.dtype]
        faint |= peaks < threshold * peaks.max(initial=0.0)
    if not faint.any():
        return
    chosen = torch.from_numpy(np.append(faint, False))
    for values, owner, alone in zip(plain, owners, run((scales * faint).tolist()), strict=True):
        own = chosen.to(owner.device)[owner]
        slack = _slack(wide(alone), wide(alone))
        expected = wide(values) * own[:, None]
        if not bool(((wide(alone) - expected).abs() <= slack).all()):
            raise MixedRowsError("a group with small gradients also enters the rows of others")


def _peaks(values: Tensor, owner: Tensor, groups: int) -> FloatArray:
    """The largest absolute value among each group's rows [g]."""
    tops = values.abs().amax(dim=1) if values.numel() else values.new_zeros(len(values))
    peaks = tops.new_zeros(groups + 1).scatter_reduce_(0, owner % (groups + 1), tops, "amax")
    found: FloatArray = peaks[:groups].double().cpu().numpy()
    return found


def _unscale(values: Tensor, owner: Tensor, scales: FloatArray) -> Tensor:
    """The rows as the plain sum of losses would have given them."""
    wider = wide(values)
    factors = torch.tensor(np.append(scales, 1.0), dtype=wider.dtype, device=wider.device)
    return wider / factors[owner][:, None]
