"""A folder of version 0.1.0 shows the numbers that its report showed then, kept beside it as JSON."""

import json
import shlex
import shutil
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gradprobe.cli import app
from gradprobe.errors import InputError
from gradprobe.reports import report
from tests.reports._numbers import Reported, numbers

FOLDERS = Path(__file__).with_name("folders")
GRIDS = ("nodes", "edit", "depth", "dynamics")


def value(number: str) -> float:
    mantissa, _, power = number.replace("−", "-").replace(",", "").partition("×10")
    exponent = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    return float(mantissa) * 10.0 ** int(exponent or 0)


def last_digit(number: str) -> float:
    decimals = number.partition("×")[0].partition(".")[2]
    return value(f"1×{number.partition('×')[2]}" if "×" in number else "1") * 10.0 ** -len(decimals)


def alike(one: str, other: str) -> bool:
    """The same numbers, but for the last digit, which another processor may round the other way."""
    pairs = list(zip(one.split(" | "), other.split(" | "), strict=False))
    return one.count("|") == other.count("|") and all(
        abs(value(a) - value(b)) <= 1.01 * last_digit(a) for a, b in pairs
    )


def missing(kind: str, page: str) -> list[str]:
    """What a page no longer shows of what was shown."""
    wanted, shown = json.loads((FOLDERS / f"{kind}.json").read_text()), Reported(page).counted()
    gone = []
    for part, pairs in wanted.items():
        left = Counter(dict(shown[part]))
        lost = Counter(dict(pairs))
        lost, left = lost - left, left - lost
        for name in lost.elements():
            near = next((other for other in left.elements() if alike(name, other)), None)
            if near is None:
                gone.append(f"{part}: {name}")
            else:
                left -= Counter([near])
    return gone


def test_numbers_are_read_as_they_are_written():
    text = "−0.0123 (95% interval 1,234 to 4.20×10⁻⁷), sha 3f2a, GRE2"
    assert numbers(text) == ["−0.0123", "95", "1,234", "4.20×10⁻⁷"]
    assert value("−4.20×10⁻⁷") == pytest.approx(-4.2e-7)
    assert alike("0.123 | 7", "0.124 | 7")
    assert not alike("0.123 | 7", "0.125 | 7")


def test_a_lost_and_a_changed_number_are_noticed(tmp_path):
    page = report(FOLDERS / "compare", tmp_path / "r.html").read_text()
    rows = Reported(page).rows
    number = next(cell for row in rows for cell in row if "." in cell and len(cell) > 3)
    assert missing("compare", page.replace(f">{number}", ">8.88"))
    assert not missing("compare", page)


@pytest.mark.parametrize("kind", GRIDS)
def test_the_same_command_on_an_older_folder_shows_the_same_numbers(kind, tmp_path):
    folder = tmp_path / kind
    shutil.copytree(FOLDERS / kind, folder)
    command = json.loads((folder / "grid.json").read_text())["command"]
    arguments = [*shlex.split(command)[1:-1], str(folder)]
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 0, ran.output
    page = folder / "report.html"
    assert missing(kind, page.read_text()) == []
    page.unlink()
    assert report(folder) == page
    assert missing(kind, page.read_text()) == []


@pytest.mark.parametrize("kind", GRIDS)
def test_an_older_folder_says_which_command_brings_its_report_back(kind):
    with pytest.raises(InputError, match=f"run its command again .gradprobe {kind} "):
        report(FOLDERS / kind)
