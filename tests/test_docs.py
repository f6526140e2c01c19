import doctest
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer

from gradprobe.cli import app

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))
TEXTS = [*PAGES, *(path for name in ("README.md", "CONTRIBUTING.md") if (path := ROOT / name).exists())]
# Whatever a page shows is checked below in one way or another; text blocks hold formulas and layouts.
LANGUAGES = {"pycon", "console", "toml", "python", "text"}
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str


def blocks(page, *languages):
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start(3)), found[2], found[3])
        for found in FENCE.finditer(text)
        if not languages or found[2] in languages
    ]


def shell_lines(page):
    """Each command with what it prints: lines after `$`, or every line of a block without a language."""
    found = []
    for block in blocks(page, "console"):
        for text in ("\n" + block.text.replace("\\\n", " ")).split("\n$ ")[1:]:
            command, _, output = text.partition("\n")
            found.append((command, output))
    for block in blocks(page, ""):
        found += [(line, "") for line in block.text.splitlines() if line.strip()]
    return found


COMMANDS = [
    pytest.param(words, id=f"{page.stem}: {' '.join(words)}"[:100])
    for page in TEXTS
    for command, _ in shell_lines(page)
    if (words := shlex.split(command, comments=True))
]


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "pycon")], ids=lambda path: path.stem)
def test_the_python_sessions_of_a_page_run_as_shown(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [""] * (page.read_text(encoding="utf-8").count("\n") + 1)
    for block in blocks(page, "pycon"):
        shown = block.text.splitlines()
        lines[block.line : block.line + len(shown)] = shown
    session = doctest.DocTestParser().get_doctest("\n".join(lines), {}, page.name, str(page), 0)
    failures, attempted = doctest.DocTestRunner(verbose=False).run(session)
    assert attempted
    assert not failures


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_block_of_a_page_is_of_a_kind_that_is_checked(page):
    assert {block.language for block in blocks(page)} <= LANGUAGES


@pytest.mark.parametrize("words", COMMANDS)
def test_a_shell_command_is_one_that_exists(words):
    program, *arguments = words[0].removeprefix(".venv/bin/"), *words[1:]
    assert program in CHECKS, f"no check for {program}"
    CHECKS[program](arguments)


def check_gradprobe(arguments):
    command, name = typer.main.get_command(app), "gradprobe"
    while hasattr(command, "commands") and not arguments[0].startswith("-"):
        name, *arguments = arguments
        assert name in command.commands, f"no command {name}"
        command = command.commands[name]
    if {"--help", "--version"} & set(arguments):
        assert set(arguments) <= {"--help", "--version"}
    else:
        command.make_context(name, arguments)  # raises for an unknown option, or one of the wrong kind


def check_make(targets):
    rules = re.findall(r"^([\w -]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    rules = " ".join(rules).split()
    assert {target for target in targets if "=" not in target} <= set(rules)


def check_python(arguments):
    if arguments[:1] == ["-m"] and arguments[1].startswith("benchmarks."):
        assert (ROOT / arguments[1].replace(".", "/") / "__main__.py").exists()
        return
    paths = [word for word in arguments if "/" in word]
    assert paths
    assert all((ROOT / path).exists() for path in paths)


def check_ruff(arguments):
    assert arguments in (["check"], ["format"])


def check_pip(arguments):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    asked = re.findall(r"\[([\w,]+)\]", " ".join(arguments))
    assert {extra for group in asked for extra in group.split(",")} <= set(extras)


CHECKS = {
    "gradprobe": check_gradprobe,
    "make": check_make,
    "pip": check_pip,
    "python": check_python,
    "ruff": check_ruff,
}


def test_the_data_commands_of_the_tutorial_print_what_is_shown(tmp_path):
    pytest.importorskip("chemicals")
    shown = [
        (shlex.split(command), output)
        for command, output in shell_lines(ROOT / "docs" / "tutorial.md")
        if command.startswith("gradprobe data ") and output
    ]
    assert shown
    for words, output in shown:
        found = subprocess.run(
            [sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert found.stdout.split("\n") == [*output.rstrip("\n").split("\n"), ""]


@pytest.mark.parametrize(
    "block",
    [block for page in PAGES for block in blocks(page, "toml")],
    ids=lambda b: f"{b.page.stem}:{b.line}",
)
def test_a_configuration_is_one_that_compare_takes(block):
    from gradprobe.studies import make_config

    assert make_config(**tomllib.loads(block.text)).focal


@pytest.mark.parametrize(
    "block",
    [block for page in PAGES for block in blocks(page, "python")],
    ids=lambda b: f"{b.page.stem}:{b.line}",
)
def test_python_that_is_no_session_is_part_of_an_example_that_runs(block):
    examples = [path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.py")]
    shown = [textwrap.indent(block.text, " " * indent) for indent in (0, 4, 8, 16)]
    assert any(text in example for text in shown for example in examples)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs", reason="the docs extra is not installed")
    out = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", out],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return out


def test_the_site_builds_without_a_warning_and_fetches_nothing(site):
    pages = list(site.rglob("*.html"))
    written = {page.relative_to(site).with_suffix("") for page in pages}
    assert {page.relative_to(ROOT / "docs").with_suffix("") for page in PAGES} <= written
    for page in pages:
        collector = _Fetched()
        collector.feed(page.read_text(encoding="utf-8"))
        assert not [address for address in collector.addresses if re.match(r"(https?:)?//", address)]


class _Fetched(HTMLParser):
    """The addresses a browser fetches when it opens a page; links to click are none of them."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag != "a":
            self.addresses += [found[name] for name in ("src", "srcset") if found.get(name)]
        if tag == "link" and found.get("rel") != "canonical":
            self.addresses.append(found.get("href") or "")
