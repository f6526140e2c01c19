"""What a cell of a depth study leaves behind: one definition for those who write it and those who read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator

from gradprobe.records.graph import GraphRecord
from gradprobe.records.manifest import Manifest
from gradprobe.records.record import Key, Record, Result

Signal = Literal["representation", "gradient"]
Finding = Literal["oversmoothing", "vanishing", "expansion", "none"]
_Rows = tuple[tuple[float | None, ...], ...]


def _same_lengths(rows: _Rows) -> _Rows:
    if len({len(row) for row in rows}) > 1:
        raise ValueError("rows of different lengths")
    return rows


Grid = Annotated[_Rows, AfterValidator(_same_lengths)]


class DepthKey(Key):
    """One run: a depth, an architecture, the norm of its weight matrices (None: free), a seed."""

    layers: int
    residual: bool
    norm: float | None
    seed: int

    @property
    def id(self) -> str:
        """The name of the cell's folder."""
        norm = "" if self.norm is None else f"-c{self.norm:g}"
        return f"{'residual' if self.residual else 'plain'}{norm}-{self.layers}-seed{self.seed}"

    @property
    def variant(self) -> str:
        """The architecture in words, the same for all depths and seeds."""
        norm = "" if self.norm is None else f", norm {self.norm:g}"
        return ("residual" if self.residual else "plain") + norm


class SignalCourse(Record):
    """Representations or their gradients over training: [p] measured epochs times [l] layers.

    `norm` is the Frobenius norm, None where it overflowed. `relative` is the relative mu to equal rows,
    `smooth` the one to the square roots of degrees within each connected component; None where the
    matrix is zero or overflowed. `zero_rows` [l] is the share of zero rows at the last measurement.
    `findings` and `reasons` [p] are the diagnoses.
    """

    norm: Grid
    relative: Grid
    smooth: Grid
    zero_rows: tuple[float, ...]
    findings: tuple[Finding, ...]
    reasons: tuple[str, ...]


class DepthRun(Result):
    """A finished run. Accuracies are shares of the nodes of a split.

    `validation` and `test` are those of the epoch with the best validation accuracy (the earliest of
    equals), `train` the best of any epoch. `diverged` is the epoch from which on the loss was not finite;
    training stopped there. `measured` [p] are the epochs behind the courses, before whose update each was
    measured.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "cell",
        "layers",
        "residual",
        "norm",
        "seed",
        "train",
        "validation",
        "test",
        "best_epoch",
        "diverged",
    )
    key: DepthKey
    seconds: float
    epochs: int
    best_epoch: int
    train: float
    validation: float
    test: float
    loss: float | None
    diverged: int | None
    measured: tuple[int, ...]
    representation: SignalCourse
    gradient: SignalCourse

    def rows(self) -> Iterator[dict[str, Any]]:
        """The accuracies of the run."""
        scores = self.model_dump(include={"train", "validation", "test", "best_epoch", "diverged"})
        yield {"cell": self.key.id, **self.key.model_dump(), **scores}


class DepthGraph(GraphRecord):
    """The graph; `largest_class` is the share of labelled nodes in the largest class."""

    components: int
    largest_class: float


class DepthOptions(Record):
    """What all runs of a study have in common."""

    model: Literal["gcn", "gat"]
    width: int
    epochs: int
    learning_rate: float
    weight_decay: float
    probe_every: int


class DepthManifest(Manifest):
    """The manifest of a depth study."""

    kind: Literal["depth"] = "depth"
    graph: DepthGraph
    cells: tuple[DepthKey, ...]

    @property
    def shared(self) -> DepthOptions:
        """What all runs have in common."""
        return DepthOptions.model_validate(self.identity)


def course(run: DepthRun, signal: Signal) -> SignalCourse:
    """The course of one of the two signals of a run."""
    return run.gradient if signal == "gradient" else run.representation


def grid(values: Grid) -> npt.NDArray[np.float64]:
    """A grid [p, l] as an array, NaN for None."""
    return np.array([[np.nan if value is None else value for value in row] for row in values])
