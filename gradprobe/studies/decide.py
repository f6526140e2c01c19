"""The study of gradprobe decide: probed runs, the race of what they promise, and the part set aside."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from gradprobe.data import MoleculeTable, Splits, load_table, split_molecules
from gradprobe.data.choosing import choose_tasks
from gradprobe.data.formats.raw import Progress
from gradprobe.data.splits import task_rows
from gradprobe.data.standardize import parent_keys
from gradprobe.data.task_labels import IntArray
from gradprobe.decisions import Course, Rules
from gradprobe.decisions.candidates import SHARES, candidates
from gradprobe.errors import InputError, TrainingError
from gradprobe.race.confirm import FEWEST_PARENTS
from gradprobe.records.compare import TaskEntry
from gradprobe.records.decide import (
    AVERAGE,
    DecideAction,
    DecideKey,
    DecideManifest,
    DecideRules,
    DecideRun,
)
from gradprobe.records.kinds import DECIDE
from gradprobe.reports.decide.replay import Study, course_of, ledger_of, ranked, rules_of
from gradprobe.studies.config import StudyConfig
from gradprobe.studies.decide_cell import DecideWork
from gradprobe.studies.grid import Outcome, Watch, run_study
from gradprobe.studies.options import Count, Positive, checked
from gradprobe.studies.plan import Plan, plan_cells

_PACKAGES = ("gradprobe", "torch", "numpy", "scipy", "pandas", "rdkit", "chemprop", "torch-geometric")
# The seed of the outer part, and of no training: splits of one seed are alike, whatever the kind of split.
_OUTER_SEED = 2**31 - 1
# So many parent compounds make an outer part worth having; a tenth of a small table holds fewer.
_OUTER_PARENTS = 20
# What trainings with a seed depend on, besides the table.
_TRAINING = (
    "focal",
    "batch_size",
    "batching",
    "epochs",
    "learning_rate",
    "weight_decay",
    "patience",
    "split",
    "probe_every",
    "probe_rows",
    "heldout_rows",
    "encoder_options",
    "combiner_options",
)
DecidePlan = Plan[DecideManifest, DecideKey, DecideRun]
Tell = Callable[[str], None]


class DecideOptions(BaseModel):
    """The options of `gradprobe decide` besides those of the table and of training.

    `trainings` and `seconds` are the budget (neither: as many as the race takes), `margin` the smallest part
    of averaging's score worth a change, `probes` the probed runs of averaging, `shares` the focal shares to
    consider, `enter` the most actions in the race, `judges` the pairs that judge the action ahead.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trainings: Count | None = None
    seconds: Positive | None = None
    margin: Positive = 0.02
    probes: Annotated[int, Field(ge=1, le=10)] = 2
    shares: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = SHARES
    enter: Count = 4
    judges: Annotated[int, Field(ge=2)] = 5


def decide_options(**values: object) -> DecideOptions:
    """Checked options.

    Raises:
        InputError: an option that is unknown or out of range, in one sentence.
    """
    return checked(DecideOptions, values)


@dataclass(frozen=True, eq=False)
class Question:
    """A decision to make: a table, how it is trained, what may be spent, and the molecules set aside."""

    config: StudyConfig
    options: DecideOptions
    table: MoleculeTable
    outer: IntArray
    parents: tuple[int, ...]

    @property
    def encoder(self) -> str:
        """The encoder."""
        return self.config.encoders[0]


def question(config: StudyConfig, options: DecideOptions, *, progress: Progress | None = None) -> Question:
    """Read and check the table, and set the outer part aside.

    The outer part is the test split of a split by parent compounds, with the validation split where it holds
    fewer than 20 parents with focal labels.

    Raises:
        InputError: the table, a task or an option cannot be used, or too few parents have focal labels.
    """
    _check(config)
    table = load_table(
        config.table,
        smiles=config.smiles,
        log10=config.log10,
        options=config.table_options(),
        progress=progress,
    )
    chosen = choose_tasks(table, config.focal, config.aux, min_labels=config.min_labels, kind=config.split)
    ordered = chosen.select((config.focal, *(task for task in chosen.tasks if task != config.focal)))
    candidates(ordered.tasks, config.focal, use=_used(config), options=config.combiner_options)
    splits = split_molecules(ordered, kind="parent", seed=_OUTER_SEED)
    outer = splits.test
    if len(set(_parents(ordered, outer, config.focal))) < _OUTER_PARENTS:
        outer = np.sort(np.concatenate([splits.test, splits.validation]))
    parents = _parents(ordered, outer, config.focal)
    if len(set(parents)) < FEWEST_PARENTS:
        raise InputError(
            f"focal: expected labels of {config.focal!r} for at least {FEWEST_PARENTS} parent compounds to "
            f"set aside, a tenth or a fifth of all, got {len(set(parents))}; take a task with more labels"
        )
    return Question(config, options, ordered, outer, parents)


def run_decision(
    asked: Question,
    out: str | Path,
    *,
    jobs: int = 0,
    watch: Watch | None = None,
    tell: Tell | None = None,
    backend: str = "loky",
    clock: Callable[[], float] = time.monotonic,
) -> Outcome[DecideManifest, DecideKey, DecideRun]:
    """Probe averaging, race what the probes promise, and judge the action ahead; resumes what a folder holds.

    Which trainings come next follows from the finished ones alone, so an interrupted decision goes the same
    way. Failed trainings count and are not tried again. `tell` is called with what is being weighed.

    Raises:
        InputError: the folder holds another study, is being written, or cannot be written.
        TrainingError: a process was killed, or no probed run finished.
    """
    started, say = clock(), tell or (lambda _: None)
    runner = _Runner(asked, out, jobs, watch, backend)
    say(f"probing averaging: {asked.options.probes} trainings")
    outcome = runner.run([_probe(seed) for seed in range(asked.options.probes)])
    study = outcome.study
    _check_probed(study)
    runner.actions = study.manifest.actions or ranked(
        study,
        shares=asked.options.shares,
        use=_used(asked.config),
        options=asked.config.combiner_options,
    )
    runner.trainings = _trainings(asked.options, study, clock() - started, jobs)
    ids = {action.name: action.id for action in runner.actions}
    while True:
        late = asked.options.seconds is not None and clock() - started >= asked.options.seconds
        # What was decided so far lies in the folder before the next training starts.
        outcome = runner.run([], stopped=late)
        found = course_of(outcome.study)
        if not found.wanted:
            return outcome
        runner.entered = found.entered
        say(_weighed(found, outcome.study))
        runner.run([DecideKey(action=ids.get(run.action, AVERAGE), seed=run.seed) for run in found.wanted])


@dataclass
class _Runner:
    """Opens the folder again and again, each time for the cells that are wanted next."""

    asked: Question
    out: str | Path
    jobs: int
    watch: Watch | None
    backend: str
    actions: tuple[DecideAction, ...] = ()
    entered: tuple[str, ...] = ()
    trainings: float | None = None

    def run(
        self, keys: list[DecideKey], *, stopped: bool = False
    ) -> Outcome[DecideManifest, DecideKey, DecideRun]:
        plan = self._plan(keys, stopped=stopped)
        return run_study(plan, jobs=self.jobs, watch=self.watch if keys else None, backend=self.backend)

    def _plan(self, keys: list[DecideKey], *, stopped: bool) -> DecidePlan:
        asked, config, table = self.asked, self.asked.config, self.asked.table
        spec, encoder = config.encoder(asked.encoder)
        training = config.model_dump(mode="json", include=set(_TRAINING))
        return plan_cells(
            DECIDE,
            self.out,
            identity={
                "table": table.digest,
                "tasks": list(table.tasks),
                "encoder": spec.name,
                "encoder_with": encoder.model_dump(mode="json"),
                "probes": asked.options.probes,
                "margin": asked.options.margin,
                "judges": asked.options.judges,
                **training,
            },
            options={**config.model_dump(mode="json"), "decide": asked.options.model_dump(mode="json")},
            cells=keys,
            work=DecideWork(config, table, asked.outer, {action.id: action for action in self.actions}),
            packages=_PACKAGES,
            table=config.table,
            data_digest=table.digest,
            molecules=len(table.smiles),
            focal=config.focal,
            tasks=tuple(
                TaskEntry(name=task, kind=table.kinds[task], n=table.count(task)) for task in table.tasks
            ),
            encoder=asked.encoder,
            probes=asked.options.probes,
            outer_labels=tuple(float(y) for y in table.of(config.focal).at(_outer_rows(asked))[0]),
            outer_parents=asked.parents,
            rules=self._rules(),
            actions=self.actions,
            entered=self.entered,
            stopped=stopped,
        )

    def _rules(self) -> DecideRules:
        options = self.asked.options
        rules = Rules(
            higher_is_better=self.asked.table.kinds[self.asked.config.focal] == "classification",
            margin=options.margin,
            trainings=self.trainings,
            enter=options.enter,
            judges=options.judges,
            first_seed=options.probes,
            before=float(options.probes),
        )
        return DecideRules(**{name: getattr(rules, name) for name in DecideRules.model_fields})


def _check(config: StudyConfig) -> None:
    if len(config.encoders) != 1:
        raise InputError(
            f"encoder: expected one, got {', '.join(config.encoders)}; "
            "make a decision for each, in its own folder"
        )
    given = {"split_column": config.split_column, "stratify": config.stratify, "vary": config.vary}
    for name, value in given.items():
        if value:
            raise InputError(
                f"{name}: expected nothing, as a decision splits by seeds, got {value!r}; leave it out"
            )


def _used(config: StudyConfig) -> list[str]:
    return [name for name in config.combiners if name != AVERAGE]


def _probe(seed: int) -> DecideKey:
    return DecideKey(action=AVERAGE, probed=True, seed=seed)


def _check_probed(study: Study) -> None:
    if not any(key.probed for key in study.results):
        reasons = "; ".join(dict.fromkeys(study.problems().values()))
        raise TrainingError(f"no probed run of averaging finished: {reasons}")


def _weighed(found: Course, study: Study) -> str:
    """What is being weighed, and what is spent."""
    rules, ledger = rules_of(study.manifest), ledger_of(study)
    spent = rules.before + ledger.trainings
    left = "" if rules.trainings is None else f"; {spent:g} of {rules.trainings:g} trainings spent"
    if found.stage == "judges":
        return f"judging {found.leader}: {len(found.wanted)} trainings{left}"
    running = sorted({run.action for run in found.wanted} - {AVERAGE})
    return f"racing {', '.join(running)} against averaging: {len(found.wanted)} trainings{left}"


def _trainings(options: DecideOptions, study: Study, spent: float, jobs: int) -> float | None:
    """What may be spent in trainings, probed runs among them."""
    if options.seconds is None:
        return options.trainings
    times = [result.seconds for result in study.results.values()]
    each = sum(times) / len(times)
    beside = jobs or os.cpu_count() or 1
    done = options.probes + ledger_of(study).trainings
    fit = done + max(options.seconds - spent, 0.0) * beside / each
    return float(min(fit, options.trainings or fit))


def _parents(table: MoleculeTable, outer: IntArray, focal: str) -> tuple[int, ...]:
    """The number of the parent compound of each molecule set aside that has a focal label."""
    rows = _focal_rows(table, outer, focal)
    keys = parent_keys([table.smiles[row] for row in rows])
    numbers: dict[str, int] = {}
    return tuple(numbers.setdefault(key, len(numbers)) for key in keys)


def _focal_rows(table: MoleculeTable, outer: IntArray, focal: str) -> IntArray:
    empty = np.zeros(0, dtype=np.intp)
    return task_rows(table, Splits(empty, empty, outer), focal, "test")


def _outer_rows(asked: Question) -> IntArray:
    return _focal_rows(asked.table, asked.outer, asked.config.focal)
