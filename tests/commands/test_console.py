"""What a file says is shown in the terminal and never obeyed by it."""

import io

import pytest
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gradprobe.commands.console import SafeConsole

CLIPBOARD = "\x1b]52;c;cm0gLXJmIH4=\x1b\\"
HOSTILE = [CLIPBOARD, "\x1b[2J", "a\rb", "\x9b2J", "\x07", "\u202egnp.exe", "\x7f", "\ud800"]


def console() -> SafeConsole:
    return SafeConsole(file=io.StringIO(), force_terminal=False, width=80)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("shown", ["plain", "table", "live", "markup"])
def test_no_control_character_of_a_name_reaches_the_terminal(name: str, shown: str) -> None:
    screen = console()
    table = Table(title=Text(name))
    table.add_column(Text(name))
    table.add_row(Text(name))
    if shown == "live":
        with Live(table, console=screen, auto_refresh=False):
            pass
    else:
        text = f"[bold]{name}[/bold]" if shown == "markup" else name
        screen.print(table if shown == "table" else text)
    written = screen.file.getvalue()  # type: ignore[attr-defined]
    assert written.replace("\n", "").isprintable()


def test_ordinary_names_and_line_ends_stay_as_they_are() -> None:
    screen = console()
    screen.print("log10(x) μg/mL – naïve 化合物\nsecond line", highlight=False)
    assert screen.file.getvalue() == "log10(x) μg/mL – naïve 化合物\nsecond line\n"  # type: ignore[attr-defined]


def test_colours_of_our_own_stay() -> None:
    screen = SafeConsole(file=io.StringIO(), force_terminal=True, color_system="standard", width=80)
    screen.print(Text("good", style="green"))
    assert "\x1b[32mgood" in screen.file.getvalue()  # type: ignore[attr-defined]
