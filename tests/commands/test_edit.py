from pathlib import Path

import pytest
from typer.testing import CliRunner

from gradprobe.cli import app
from gradprobe.errors import InputError

runner = CliRunner()
SMALL = [
    "graph",
    "edit",
    "--model",
    "mlp",
    "--edits",
    "2",
    "--seeds",
    "1",
    "--epochs",
    "4",
    "--max-steps",
    "5",
    "--anchors",
    "2",
]


def test_the_command_writes_a_report_and_shows_its_numbers(tmp_path: Path) -> None:
    given = [*SMALL, "--method", "gd,gre_plus", "--protocol", "batch", "--jobs", "1"]
    found = runner.invoke(app, [*given, "--out", str(tmp_path / "out")])
    assert found.exit_code == 0, found.output
    assert "MLP, batch edits" in found.output
    assert (tmp_path / "out" / "report.html").is_file()
    assert (tmp_path / "out" / "figures" / "inconsistency.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["graph", "edit", "korate"], "name: expected one of"),
        ([*SMALL, "--method", "gre++"], "methods: input should be 'gd', 'gre'"),
        ([*SMALL, "--protocol", "all"], "protocols: input should be 'independent'"),
        ([*SMALL, "--learning-rate", "-1"], "learning_rate: input should be greater than 0"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], message: str, tmp_path: Path) -> None:
    found = runner.invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert isinstance(found.exception, InputError)  # what `main` prints before it exits with 2
    assert message in str(found.exception)
    assert "\n" not in str(found.exception)
