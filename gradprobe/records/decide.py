"""What a decision about a table leaves behind: its manifest, its trainings and what each brought."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self

from gradprobe.records.compare import TaskEntry
from gradprobe.records.decision import Predicted
from gradprobe.records.manifest import Manifest
from gradprobe.records.record import Key, Record, Result

AVERAGE = "average"


class DecideKey(Key):
    """One training: an action by its identifier, and the seed. `probed` runs of averaging judge nothing."""

    action: str
    probed: bool = False
    seed: int

    @property
    def id(self) -> str:
        """The name of the cell's folder."""
        return f"{self.action}{'-probed' if self.probed else ''}-seed{self.seed}"


class DecideAction(Record):
    """An action as it is trained: auxiliaries left out, a focal share, or a combiner, and what was predicted.

    `idle` actions make averaging's update, so they are not trained.
    """

    id: str
    name: str
    dropped: tuple[str, ...] = ()
    focal_share: float | None = None
    combiner: str = ""
    predicted: Predicted | None = None
    idle: bool = False


class DecideRules(Record):
    """What was fixed before the race; see `gradprobe.decisions.Rules`. `before` counts the probed runs."""

    higher_is_better: bool
    margin: float
    trainings: float | None
    enter: int
    judges: int
    looks: tuple[int, ...]
    level: float
    spending: tuple[float, ...]
    first_seed: int
    before: float


class DecideManifest(Manifest):
    """The manifest of a decision.

    `tasks` names the focal one first. `outer_labels` [k] are the focal labels of the molecules set aside,
    `outer_parents` [k] numbers their parent compounds. `actions`, the most promising first, are known once
    the probed runs have finished; `entered` are the identifiers of those in the race. `stopped`: the time
    was up.
    """

    kind: Literal["decide"] = "decide"
    table: str
    data_digest: str
    molecules: int
    focal: str
    tasks: tuple[TaskEntry, ...]
    encoder: str
    probes: int
    outer_labels: tuple[float, ...]
    outer_parents: tuple[int, ...]
    rules: DecideRules
    actions: tuple[DecideAction, ...] = ()
    entered: tuple[str, ...] = ()
    stopped: bool = False
    cells: tuple[DecideKey, ...]

    @property
    def score(self) -> str:
        """The score that judges."""
        return "AUROC" if self.rules.higher_is_better else "RAE"

    def joined(self, earlier: Self) -> Self:
        """With the cells of an earlier call; actions and who entered stay as they were first."""
        both = super().joined(earlier)
        kept = {"actions": earlier.actions or self.actions, "entered": earlier.entered or self.entered}
        return both.model_copy(update=kept)


class DecideRun(Result):
    """A finished training.

    `score` is that of the focal task on the judging rows, RAE or AUROC, None where undefined; `validation`
    the one that stopped the training. `best_step` is the last step of the best epoch. `outer` are the
    predictions for the molecules set aside, read at the end for averaging and the action ahead alone.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "cell",
        "action",
        "seed",
        "probed",
        "score",
        "judging_rows",
        "validation",
        "best_epoch",
        "epochs",
        "steps",
    )
    key: DecideKey
    score: float | None
    judging_rows: int
    validation: float
    best_epoch: int
    best_step: int
    epochs: int
    steps: int
    seconds: float
    outer: tuple[float, ...] = ()

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row."""
        own = self.model_dump(include=set(self.columns) - {"cell", "action", "seed", "probed"})
        yield {
            "cell": self.key.id,
            "action": self.key.action,
            "seed": self.key.seed,
            "probed": self.key.probed,
            **own,
        }
