import csv
from pathlib import Path

from gradprobe.studies import plan_study, run_study

from ._tables import small_config, write_table


def test_more_seeds_and_combiners_extend_a_study_and_keep_its_cells(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table.csv")
    first = plan_study(small_config(table, seeds=1, combiners=("average",)), tmp_path / "out")
    run_study(first, jobs=1)
    done = first.folder.cell(first.manifest.cells[0]) / "metrics.json"
    stamp, rows = done.stat().st_mtime_ns, first.folder.results.read_text().splitlines()
    second = plan_study(small_config(table, seeds=2, combiners=("average", "rcgrad")), tmp_path / "out")
    outcome = run_study(second, jobs=1)
    assert outcome.finished == 4
    assert done.stat().st_mtime_ns == stamp, "a finished cell ran again"
    assert set(rows) <= set(second.folder.results.read_text().splitlines())
    with second.folder.results.open() as file:
        assert {row["cell"] for row in csv.DictReader(file)} == {key.id for key in second.manifest.cells}
