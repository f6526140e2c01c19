"""Every preset, at toy size, on the embedded data: what it runs, which claims it tests, what it reports."""

import csv
from pathlib import Path

import pytest

from gradprobe.data import load_table
from gradprobe.errors import InputError
from gradprobe.records.claims import MEASURES
from gradprobe.records.study import read_study
from gradprobe.reports import load, summarise
from gradprobe.reports.compare.axes.claims import Outcome
from gradprobe.studies import list_presets, make_config, plan_study, read_preset, run_study
from gradprobe.studies.presets import claims_of

TINY = {
    "mlp(width=2048)": "mlp(width=12,depth=1)",
    "mlp(width=512)": "mlp(width=10,depth=1)",
    "mlp(width=128)": "mlp(width=8,depth=1)",
    "mlp(width=64)": "mlp(width=6,depth=1)",
    "mlp(width=32)": "mlp(width=4,depth=1)",
    "mlp(features=rdkit2d,width=512)": "mlp(features=rdkit2d,width=10,depth=1)",
    "mlp(features=rdkit2d,width=64)": "mlp(features=rdkit2d,width=6,depth=1)",
    "dmpnn(width=64,depth=2)": "dmpnn(width=6,depth=2)",
    "dmpnn(width=64)": "dmpnn(width=6,depth=1)",
}


def test_the_questions_of_the_source_have_a_preset_each() -> None:
    assert set(list_presets()) == {
        "batch-size", "capacity", "dissociation", "inputs", "mechanism", "scaling", "trajectory",
    }  # fmt: skip


def test_an_unknown_preset_is_named_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"preset: expected one of .*scaling.*, got 'scalign'; did you mean"):
        read_preset("scalign")


@pytest.mark.parametrize("name", list_presets())
def test_a_preset_is_options_of_a_comparison_and_claims_that_it_can_test(name: str) -> None:
    preset = read_preset(name)
    config = make_config(table="t.csv", focal="y", preset=name, **preset.options)
    combiners = (*(("single_task",) if config.single_task else ()), *config.combiners)
    axes = {axis: tuple(17 if v == "all" else v for v in values) for axis, values in config.axes.items()}
    claims = claims_of(preset, encoders=config.encoders, combiners=combiners, axes=axes, base=config.base(17))
    assert claims
    assert [claim.impossible for claim in claims] == [""] * len(claims)
    terms = [term for claim in claims for contrast in claim.contrasts for term in contrast.terms]
    assert {term.measure for term in terms} <= set(MEASURES)
    assert {term.encoder for term in terms} <= set(config.encoders)


def test_presets_share_what_identifies_a_study_so_that_one_folder_holds_them_all() -> None:
    cells = {"encoders", "combiners", "seeds", "single_task", "vary"}
    own = [{k: v for k, v in read_preset(n).options.items() if k not in cells} for n in list_presets()]
    assert all(options == own[0] for options in own)


def test_claims_about_cells_that_a_study_lacks_say_so() -> None:
    preset = read_preset("scaling")
    claims = claims_of(preset, encoders=("mlp", "mlp(width=8)"), combiners=("average",), axes={}, base={})
    reasons = {claim.impossible for claim in claims}
    assert "the study has no cells with single_task" in reasons
    assert any(reason.startswith("encoder number 2 is mlp(width=8)") for reason in reasons)
    with_gnn = claims_of(preset, encoders=("mlp", "gine"), combiners=("average",), axes={}, base={})
    assert "auxiliaries does not vary in this study" in {claim.impossible for claim in with_gnn}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seventy of the embedded molecules with three of their properties."""
    path = tmp_path_factory.mktemp("presets") / "toy.csv"
    whole = load_table("physchem", tasks=("flash_point", "boiling_point", "density"))
    focal = whole.of("flash_point").rows[:70]
    smiles = [whole.smiles[row] for row in focal]
    columns = {task: whole.column(task)[focal] for task in whole.tasks}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["smiles", *columns])
        for place, text in enumerate(smiles):
            writer.writerow([text, *(column[place] for column in columns.values())])
    return path


TOY = {"seeds": 2, "epochs": 1, "batch_size": 16, "probe_every": 1, "probe_rows": 20, "heldout_rows": 8}


@pytest.fixture(scope="module")
def everything(table: Path) -> Path:
    """All presets in one folder, one after the other, with tiny encoders and fewer combiners."""
    out = table.parent / "out"
    for name in list_presets():
        options = read_preset(name).options
        smaller = {
            "encoders": [TINY[encoder] for encoder in options["encoders"]],
            "combiners": [c for c in options["combiners"] if c in ("average", "rcgrad")],
        }
        if "auxiliaries" in options.get("vary", {}):
            smaller["vary"] = {"auxiliaries": [0, 1, "all"]}
        given = {"table": str(table), "focal": "flash_point", "preset": name}
        config = make_config(**(options | TOY | smaller | given))
        outcome = run_study(plan_study(config, out, command=["x"]), jobs=1)
        assert not outcome.failures
    return out


def test_cells_that_presets_share_run_once(everything: Path) -> None:
    study = read_study(everything)
    ids = [key.id for key in study.results]
    assert len(ids) == len(set(ids)) == len(study.manifest.cells)
    # The calls that made them: a cell that two presets ask for is the first one's.
    assert "mlp(width=10,depth=1)-average-seed0" in ids
    assert "mlp(width=10,depth=1)-average-auxiliaries=1-seed0" in ids
    assert "dmpnn(width=6,depth=1)-average-batch_size=128-seed1" in ids


def test_every_claim_that_has_its_cells_gets_an_outcome_from_both_seeds(everything: Path) -> None:
    sweep = summarise(everything).sweep
    assert sweep is not None
    assert {found.claim.preset for found in sweep.claims} == set(list_presets())
    for found in sweep.claims:
        # Without cosine gating and the fixed weight, what speaks of them cannot be tested; nor can the signal
        # of some tiny networks be told from noise.
        lacking = "has no cells with" in found.reason or "with this measured" in found.reason
        if not lacking and "one seed" not in found.reason:
            assert found.outcome is not Outcome.NOT_TESTABLE, (found.claim.text, found.reason)
            assert all(each.value.seeds == 2 for each in found.tested)
    untested = [found.claim.text for found in sweep.claims if found.claim.impossible]
    assert all("cosine gating" in text or "fixed focal share" in text for text in untested)


def test_the_report_has_each_axis_with_a_csv_beside_each_figure(everything: Path) -> None:
    loaded = load(everything)
    titles = [section.title for section in loaded.document.sections]
    assert "Claims put to the test" in titles
    for axis in ("auxiliaries", "batch_size"):
        assert f"Focal error along {axis}" in titles
    drawn = {figure.name for figure in loaded.document.figures}
    for axis in ("auxiliaries", "batch_size"):
        for what in ("errors", "cosines", "sharing"):
            assert f"{axis}-{what}" in drawn
            rows = list(csv.DictReader(loaded.files[f"figures/{axis}-{what}.csv"].splitlines()))
            # Encoders of other presets, which stand at one place of the axis, have no line on it.
            assert {row["encoder"] for row in rows} == {"mlp(width=10,depth=1)", "dmpnn(width=6,depth=1)"}
    claims = list(csv.DictReader(loaded.files["claims.csv"].splitlines()))
    assert {row["preset"] for row in claims} == set(list_presets())
    assert {row["claim_outcome"] for row in claims} <= {outcome.value for outcome in Outcome}
