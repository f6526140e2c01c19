"""decision.json: what to do about the auxiliaries, how sure that is, and what it rests on."""

from __future__ import annotations

from typing import Literal

from gradprobe.records.record import Record

FORMAT: Literal["gradprobe decision"] = "gradprobe decision"
SCHEMA: Literal[2] = 2

# ahead: change to `recommended`. averaging: no action beats it by the margin. not confirmed: one was ahead
# until rows judged it that had not chosen it. predicted: nothing was trained but averaging.
Claim = Literal["ahead", "averaging", "not confirmed", "not settled", "cannot matter", "predicted"]


class Range(Record):
    """A mean over `pairs` with its interval; None where there is none."""

    mean: float | None
    low: float | None
    high: float | None
    pairs: int


class Predicted(Record):
    """What gradients of averaging's runs foretell of an action.

    `effect` is the reduction of the focal task's held-out loss beyond averaging's, over what the focal
    task's own gradients achieve; positive helps. `runs` are the probed runs behind it.
    """

    effect: float | None
    low: float | None
    high: float | None
    runs: int
    reason: str = ""


class ActionLine(Record):
    """One action: what was predicted, what training said, and what it costs.

    `trained` is how much better than averaging's its score is, positive where better, in the units of
    `Decision.unit`, at the level of its last look; `status` its place in the race. `refuted`: prediction and
    training disagree about the sign, and training's interval leaves zero out.
    """

    action: str
    status: str
    predicted: Predicted | None = None
    trained: Range | None = None
    refuted: bool = False
    seconds: float | None = None
    relative_cost: float | None = None
    rests_on: str = ""


class OuterPart(Record):
    """How much better the recommended action is than averaging on rows that nothing was chosen on."""

    difference: float
    low: float
    high: float
    parents: int
    confirmed: bool


class NextRuns(Record):
    """The cheapest runs that may settle what is open; `seconds` is None where none was timed."""

    action: str
    pairs: int
    trainings: float
    seconds: float | None
    text: str


class Cost(Record):
    """What the decision took, in full trainings (a pilot is a part of one) and in seconds.

    All trainings count, the probed, the failed and the final ones too.
    """

    trainings: float
    seconds: float
    probes: float = 0.0
    pilots: float = 0.0
    failed: int = 0


class Decision(Record):
    """A decision about one focal task and one encoder.

    `recommended` is the action to use, `average` for averaging; `sentence` says it in one sentence.
    `unit` is "relative" where effects are parts of averaging's score, else "score". `effect` is the
    recommended action's, from seeds that had no part in choosing it; `outer` is its effect on rows set aside.
    """

    format: Literal["gradprobe decision"] = FORMAT
    schema_version: Literal[2] = SCHEMA
    claim: Claim
    recommended: str
    sentence: str
    focal: str = ""
    encoder: str = ""
    score: str = "score"
    higher_is_better: bool = False
    unit: Literal["relative", "score"] = "relative"
    margin: float
    level: float
    looks: tuple[int, ...] = ()
    actions: tuple[ActionLine, ...] = ()
    effect: Range | None = None
    outer: OuterPart | None = None
    cost: Cost
    next_runs: tuple[NextRuns, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
