"""A decision read off the folder of its study: the same cells give the same decision."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from gradprobe.decisions import About, Candidate, Course, Ended, Ledger, Rules, Run, course, decided
from gradprobe.decisions.candidates import Options, candidates
from gradprobe.decisions.course import shared_seeds
from gradprobe.decisions.predicted import ready_actions
from gradprobe.errors import InputError
from gradprobe.geometry import FloatArray
from gradprobe.geometry.intervals import IntArray
from gradprobe.race import Confirmation, outer_part
from gradprobe.records.decide import AVERAGE, DecideAction, DecideKey, DecideManifest, DecideRun
from gradprobe.records.decision import Decision
from gradprobe.records.study import StoredStudy
from gradprobe.trace import Trace

Study = StoredStudy[DecideManifest, DecideRun]
_NO_PREDICTION = "no prediction: the probed runs have no held-out rows of the focal task"


def rules_of(manifest: DecideManifest) -> Rules:
    """The rules that a decision fixed."""
    return Rules(**manifest.rules.model_dump())


def ledger_of(study: Study) -> Ledger:
    """The trainings of the race, finished and failed; probed runs are no part of it."""
    names = {action.id: action.name for action in study.manifest.actions}
    failed = study.problems("failed")  # damaged ones run again
    runs: dict[Run, Ended] = {}
    for cell in study.cells:
        key: DecideKey = cell.key
        if key.probed:
            continue
        run = Run(names.get(key.action, key.action), key.seed)
        if cell.result is not None:
            score = math.nan if cell.result.score is None else cell.result.score
            problem = "" if math.isfinite(score) else "its score is undefined"
            runs[run] = Ended(score, cell.result.seconds, problem)
        elif key in failed:
            runs[run] = Ended(math.nan, 0.0, failed[key])
    return Ledger(runs)


def course_of(study: Study) -> Course:
    """Where the decision stands."""
    manifest = study.manifest
    names = [action.name for action in manifest.actions if not action.idle]
    if not names:
        return Course("over")
    return course(
        names,
        rules_of(manifest),
        ledger_of(study).scores,
        stop=manifest.stopped,
        entered=manifest.entered,
    )


def ranked(
    study: Study, *, shares: Sequence[float], use: Sequence[str], options: Options
) -> tuple[DecideAction, ...]:
    """The actions by what the probed runs foretell; in their usual order where those cannot tell."""
    manifest = study.manifest
    tasks = [task.name for task in manifest.tasks]
    traces, ends = [], []
    for cell in study.cells:
        if cell.key.probed and cell.result is not None and cell.trace is not None:
            traces.append(Trace.load(cell.trace))
            ends.append(cell.result.best_step)
    try:
        found = ready_actions(
            traces, focal=manifest.focal, use=use, shares=shares, options=options, best=ends
        )
    except InputError:
        found = candidates(tasks, manifest.focal, use=use, shares=shares, options=options)
    return tuple(_action(each, tasks) for each in found)


def decision_of(study: Study) -> Decision:
    """The decision as far as the trainings in the folder carry it."""
    manifest, rules, ledger = study.manifest, rules_of(study.manifest), ledger_of(study)
    found = course_of(study)
    known = {action.name: action.predicted for action in manifest.actions}
    about = About(
        score=manifest.score,
        focal=manifest.focal,
        encoder=manifest.encoder,
        predicted={name: predicted for name, predicted in known.items() if predicted is not None},
        idle=tuple(action.name for action in manifest.actions if action.idle),
        notes=_notes(study),
    )
    names = [action.name for action in manifest.actions if not action.idle]
    return decided(names, found, rules, ledger, outer=_confirmed(study, found, rules), about=about)


def _notes(study: Study) -> tuple[str, ...]:
    """What a reader must know of the probed runs."""
    actions = study.manifest.actions
    silent = bool(actions) and not any(action.predicted for action in actions)
    failed = [
        f"the probed run of seed {key.seed} failed: {reason}"
        for key, reason in study.problems().items()
        if key.probed
    ]
    return (*((_NO_PREDICTION,) if silent else ()), *failed)


def _confirmed(study: Study, found: Course, rules: Rules) -> Confirmation | None:
    """What the molecules set aside say of the action ahead, once it was judged."""
    if found.leader is None or found.stage != "over" or found.lacking:
        return None
    manifest = study.manifest
    name = next(action.id for action in manifest.actions if action.name == found.leader)
    seeds = shared_seeds(found.leader, rules, ledger_of(study).scores)
    results = study.results
    predictions = {
        (action, seed): np.array(results[DecideKey(action=action, seed=seed)].outer)
        for action in (name, AVERAGE)
        for seed in seeds
    }
    labels = np.array(manifest.outer_labels)
    score = _auroc if rules.higher_is_better else _rae

    def difference(rows: IntArray) -> float:
        scored = [
            [score(labels[rows], predictions[action, seed][rows]) for action in (name, AVERAGE)]
            for seed in seeds
        ]
        each = [rules.improvement(own, other) for own, other in scored]
        # A resample of one class, or of equal labels, has no score: it tells no difference.
        return float(np.mean(np.nan_to_num(each)))

    return outer_part(difference, manifest.outer_parents, seed=0, level=rules.level)


def _action(candidate: Candidate, tasks: Sequence[str]) -> DecideAction:
    dropped = tuple(task for task in tasks if candidate.weights.get(task) == 0.0)
    of = partial(
        DecideAction, name=candidate.name, dropped=dropped, predicted=candidate.predicted, idle=candidate.idle
    )
    if candidate.combiner:
        return of(id=candidate.combiner.replace(":", "."), combiner=candidate.combiner)
    if len(dropped) == len(tasks) - 1:
        return of(id="focal_alone")
    if dropped:
        return of(id="drop-" + "-".join(str(tasks.index(task)) for task in dropped))
    share = 1.0 / (1.0 + sum(candidate.weights.values()))
    return of(id=f"share-{share:.3g}", focal_share=share)


def _rae(labels: FloatArray, predictions: FloatArray) -> float:
    spread = np.abs(labels - labels.mean()).sum()
    return float(np.abs(labels - predictions).sum() / spread) if spread > 0.0 else math.nan


def _auroc(labels: FloatArray, predictions: FloatArray) -> float:
    from scipy.stats import rankdata  # slow to import

    positive = labels > 0.5
    above, below = int(positive.sum()), int((~positive).sum())
    if not above or not below:
        return math.nan
    return float((rankdata(predictions)[positive].sum() - above * (above + 1) / 2.0) / (above * below))
