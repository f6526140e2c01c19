"""Encoders with options in one study: several of one kind, under the names that were asked for."""

import csv
from pathlib import Path

from gradprobe.records.study import read_study
from gradprobe.reports import summarise
from gradprobe.studies import plan_study, run_study

from ._tables import small_config, write_table


def test_two_networks_of_one_kind_are_two_encoders_of_the_study(tmp_path: Path) -> None:
    names = ("mlp", "mlp(width=4)")
    table = write_table(tmp_path / "table.csv")
    config = small_config(table, encoders=names, combiners=("average",), seeds=1, epochs=1)
    run_study(plan_study(config, tmp_path / "out", command=["x"]), jobs=1)

    study = read_study(tmp_path / "out")
    assert study.manifest.encoders == names
    assert (tmp_path / "out" / "cells" / "mlp(width=4)-average-seed0" / "metrics.json").is_file()
    with study.folder.results.open() as file:
        assert {row["encoder"] for row in csv.DictReader(file)} == set(names)
    # A fingerprint of 2048 bits into one layer, of the kind's width and of its own.
    parameters = {key.encoder: result.trunk_parameters for key, result in study.results.items()}
    assert parameters == {"mlp": 2048 * 8 + 8, "mlp(width=4)": 2048 * 4 + 4}
    assert [encoder.name for encoder in summarise(tmp_path / "out").encoders] == list(names)


def test_a_study_takes_another_encoder_of_the_same_kind_later(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table.csv")
    options = {"combiners": ("average",), "seeds": 1, "epochs": 1}
    out = tmp_path / "out"
    run_study(plan_study(small_config(table, encoders=("mlp",), **options), out, command=["x"]), jobs=1)
    before = (out / "cells" / "mlp-average-seed0" / "metrics.json").stat().st_mtime_ns
    more = small_config(table, encoders=("mlp", "mlp(width=4)"), **options)
    assert run_study(plan_study(more, out, command=["x"]), jobs=1).finished == 2
    assert (out / "cells" / "mlp-average-seed0" / "metrics.json").stat().st_mtime_ns == before
