"""A whole decision about a small table: probed, raced, judged, resumed, reported."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradprobe.data.standardize import parent_keys
from gradprobe.errors import InputError
from gradprobe.records.decide import AVERAGE, DecideKey, DecideRun
from gradprobe.records.study import read_study
from gradprobe.reports import load, report
from gradprobe.reports.decide.recipe import recipe
from gradprobe.reports.decide.replay import decision_of
from gradprobe.studies import decide as study_module
from gradprobe.studies import make_config, plan_study, read_config
from gradprobe.studies.decide import decide_options, question, run_decision
from gradprobe.studies.decide_cell import DecideWork

from ._tables import write_table

SMALL = {
    "focal": "boiling",
    "encoders": "mlp(width=8,depth=1)",
    "combiners": ("pcgrad",),
    "epochs": 2,
    "batch_size": 16,
    "probe_every": 2,
}


def asked(tmp_path: Path, **options: object):
    table = write_table(tmp_path / "table.csv")
    return question(make_config(table=str(table), **SMALL), decide_options(**({"probes": 1} | options)))


def simulated(monkeypatch, effects, *, outer=None, calls=None):
    """Trainings whose scores are known; probed ones are real, so that there is something to predict from."""
    real = DecideWork.__call__

    def call(work, key, desk):
        if key.probed:
            return real(work, key, desk)
        if calls is not None:
            calls.append(key)
        name = AVERAGE if key.action == AVERAGE else work.actions[key.action].name
        if effects.get(name) == "fails":
            raise RuntimeError("out of memory")
        effect = effects.get(name, 0.0)
        noise = np.random.default_rng([key.seed, *name.encode()]).normal()
        labels = work.table.of(work.config.focal).at(
            study_module._focal_rows(work.table, work.outer, "boiling")
        )[0]
        better = (outer or {}).get(name, effect)
        errors = np.random.default_rng(7).uniform(0.9, 1.1, size=len(labels))
        return DecideRun(
            key=key,
            score=0.5 * (1.0 - effect) + 0.001 * noise,
            judging_rows=8,
            validation=0.5,
            best_epoch=1,
            best_step=3,
            epochs=2,
            steps=4,
            seconds=1.0,
            outer=tuple(labels + errors * (1.0 - better)),
        )

    monkeypatch.setattr(DecideWork, "__call__", call)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A decision that has ended: nothing helps."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        simulated(patch, {})
        return run_decision(asked(folder, enter=2), folder / "out", jobs=1).study


def test_the_outer_part_meets_no_training_and_keeps_parents_together(tmp_path):
    found = asked(tmp_path)
    work = DecideWork(found.config, found.table, found.outer, {})
    keys = parent_keys(found.table.smiles)
    outer = {keys[row] for row in found.outer}
    for seed in range(3):
        split = work.split(seed)
        rows = np.concatenate([split.train, split.validation, split.test])
        assert not np.isin(rows, found.outer).any()
        assert outer.isdisjoint({keys[row] for row in rows})
        assert len(rows) + len(found.outer) == len(keys)
    assert len(set(found.parents)) >= 10


def test_a_decision_with_real_trainings_runs_to_its_end_and_reports(tmp_path):
    said = []
    outcome = run_decision(
        asked(tmp_path, trainings=18, enter=1, probes=2), tmp_path / "out", jobs=1, tell=said.append
    )
    study = outcome.study
    assert len(study.results) <= 18
    assert said[0].startswith("probing averaging: 2")
    assert said[1].startswith("racing ")
    loaded = load(tmp_path / "out")
    assert report(loaded).is_file()
    content = json.loads((tmp_path / "out" / "decision.json").read_text())
    assert content["schema_version"] == 2
    assert content["sentence"] in loaded.document.headline
    assert content["cost"]["trainings"] == len(study.results)
    assert all(action.predicted.effect is not None for action in study.manifest.actions)
    run = study.results[DecideKey(action=AVERAGE, seed=3)]
    assert len(run.outer) == len(study.manifest.outer_labels)
    saved = pd.read_parquet(tmp_path / "out" / "cells" / run.key.id / "predictions.parquet")
    outer = saved[saved["split"] == "outer"]
    assert tuple(outer["prediction"]) == run.outer
    assert outer["label"].to_numpy() == pytest.approx(np.array(study.manifest.outer_labels))
    judging = saved[(saved["split"] == "judging") & (saved["task"] == "boiling")]
    errors = (judging["label"] - judging["prediction"]).abs().sum()
    assert run.score == pytest.approx(errors / (judging["label"] - judging["label"].mean()).abs().sum())
    make_config(**read_config(tmp_path / "out" / "recipe.toml"))


def test_the_action_ahead_is_judged_confirmed_and_its_recipe_is_one_that_compare_runs(tmp_path, monkeypatch):
    calls = []
    simulated(monkeypatch, {"drop polar": 0.1}, calls=calls)
    outcome = run_decision(asked(tmp_path, enter=6), tmp_path / "out", jobs=1)
    decision = decision_of(outcome.study)
    assert (decision.claim, decision.recommended) == ("ahead", "drop polar")
    assert decision.outer.difference == pytest.approx(0.1, abs=0.02)
    assert decision.outer.confirmed
    # Probed seeds judge nothing, and judges come after those that chose.
    assert min(key.seed for key in calls) == 2
    assert decision.effect.pairs == 5
    assert decision.cost.trainings == 1 + len(calls)
    report(tmp_path / "out")
    config = make_config(**read_config(tmp_path / "out" / "recipe.toml"))
    assert config.aux == ("long",)
    assert config.combiners == (AVERAGE,)
    plan_study(config, tmp_path / "compared")


@pytest.mark.parametrize(
    ("recommended", "wanted"),
    [
        (AVERAGE, {"combiners": (AVERAGE,), "aux": ("polar", "long")}),
        ("focal alone", {"single_task": True, "combiners": (AVERAGE,)}),
        ("pcgrad", {"combiners": (AVERAGE, "pcgrad")}),
        ("focal share 0.8", {"combiners": (AVERAGE, "weighted")}),
    ],
)
def test_every_kind_of_action_has_a_recipe_that_compare_takes(recommended, wanted, finished, tmp_path):
    decision = decision_of(finished).model_copy(update={"recommended": recommended})
    (tmp_path / "recipe.toml").write_text(recipe(finished.manifest, decision))
    config = make_config(**read_config(tmp_path / "recipe.toml"))
    for name, value in wanted.items():
        assert getattr(config, name) == value
    if recommended == "focal share 0.8":
        assert config.combiner_options["weighted"]["focal_share"] == pytest.approx(0.8)


def test_where_the_molecules_set_aside_disagree_it_is_not_confirmed(tmp_path, monkeypatch):
    simulated(monkeypatch, {"pcgrad": 0.1}, outer={"pcgrad": -0.1})
    outcome = run_decision(asked(tmp_path, enter=8), tmp_path / "out", jobs=1)
    decision = decision_of(outcome.study)
    assert (decision.claim, decision.recommended) == ("not confirmed", AVERAGE)
    assert "not confirmed" in load(tmp_path / "out").document.headline


def test_an_interrupted_decision_goes_the_same_way(tmp_path, monkeypatch):
    straight, halting, resumed = [], [], []
    effects = {"drop polar": 0.015, "pcgrad": -0.05}
    simulated(monkeypatch, effects, calls=straight)
    one = run_decision(asked(tmp_path, enter=3), tmp_path / "one", jobs=1)

    class Halt(BaseException):
        pass

    class Halting(list):
        def append(self, key):
            if len(self) == 7:
                raise Halt
            super().append(key)

    halting = Halting()
    simulated(monkeypatch, effects, calls=halting)
    with pytest.raises(Halt):
        run_decision(asked(tmp_path, enter=3), tmp_path / "two", jobs=1)
    simulated(monkeypatch, effects, calls=resumed)
    two = run_decision(asked(tmp_path, enter=3), tmp_path / "two", jobs=1)
    assert [*halting, *resumed] == straight
    first, second = decision_of(one.study), decision_of(two.study)
    assert first.model_dump(exclude={"actions"}) == second.model_dump(exclude={"actions"})


def test_a_larger_budget_continues_the_same_race(tmp_path, monkeypatch):
    simulated(monkeypatch, {})
    small = run_decision(asked(tmp_path, trainings=18, enter=3), tmp_path / "out", jobs=1)
    assert small.study.manifest.entered
    calls = []
    simulated(monkeypatch, {}, calls=calls)
    large = run_decision(asked(tmp_path, trainings=60, enter=3), tmp_path / "out", jobs=1)
    assert large.study.manifest.entered == small.study.manifest.entered
    assert len(large.study.results) >= len(small.study.results)
    assert not set(calls) & set(small.study.results)


def test_failed_trainings_are_counted_and_not_tried_again(tmp_path, monkeypatch):
    calls = []
    simulated(monkeypatch, {"focal alone": "fails"}, calls=calls)
    run_decision(asked(tmp_path, enter=8), tmp_path / "out", jobs=1)
    again = []
    simulated(monkeypatch, {"focal alone": "fails"}, calls=again)
    outcome = run_decision(asked(tmp_path, enter=8), tmp_path / "out", jobs=1)
    assert not again
    decision = decision_of(outcome.study)
    line = next(line for line in decision.actions if line.action == "focal alone")
    assert line.status == "failed"
    assert decision.cost.failed == 3
    assert "RuntimeError: out of memory" in decision.problems[0]
    assert decision.claim == "not settled"


def test_a_budget_of_time_ends_the_race(tmp_path, monkeypatch):
    simulated(monkeypatch, {})
    outcome = run_decision(asked(tmp_path, seconds=1e-3, enter=3), tmp_path / "out", jobs=1)
    assert {key.probed for key in outcome.study.results} == {True}
    decision = decision_of(outcome.study)
    assert decision.claim == "not settled"
    assert not math.isnan(decision.next_runs[0].trainings)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"encoders": "mlp,gine"}, "encoder: expected one"),
        ({"stratify": "long"}, "stratify: expected nothing"),
        ({"combiners": ("magic",)}, "magic"),
        ({"focal": "absent"}, "absent"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, options, named):
    table = write_table(tmp_path / "table.csv")
    with pytest.raises(InputError, match=named):
        question(make_config(table=str(table), **{**SMALL, **options}), decide_options())


def test_the_study_reads_back_from_its_folder_alone(finished):
    assert decision_of(read_study(finished.folder.path)) == decision_of(finished)
