from typer.testing import CliRunner

from gradprobe.cli import app
from gradprobe.commands import compare
from gradprobe.geometry import heldout_products
from gradprobe.studies.synthetic import FOCAL, TASKS, run_synthetic_demo


def test_the_synthetic_tasks_do_to_the_focal_one_what_their_names_say(tmp_path):
    trace = run_synthetic_demo(tmp_path / "trace")
    products, effects = heldout_products([record.gramian for record in trace.gramians], focal=FOCAL)
    sums = dict(zip(products.tasks, effects.sum(axis=0), strict=True))
    assert set(sums) == set(TASKS)
    assert sums["related"] > 0 > sums["competing"]
    assert abs(sums["noise"]) < min(sums["related"], -sums["competing"])


def test_the_demo_shows_made_up_tasks_where_packages_for_molecules_are_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "_MOLECULES", ("a_package_that_nobody_has",))
    shown = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "demo")])
    assert shown.exit_code == 0, shown.output
    assert "a_package_that_nobody_has not installed: showing made-up tasks" in shown.output
    assert (tmp_path / "demo" / "report.html").is_file()
