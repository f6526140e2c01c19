import io
import subprocess
import sys

import pytest
from rich.console import Console

from gradprobe.errors import InputError, TraceError
from gradprobe.reports.watch.view import watch
from gradprobe.trace import Trace
from tests.reports._traces import add, header, record


def screen(path, *, width=100, height=40, until=lambda: True, terminal=False):
    """The last view, as text, of following a trace until `until` says so."""
    file = io.StringIO()
    console = Console(file=file, width=width, height=height, force_terminal=terminal)
    watch(path, console, refresh_seconds=0, until=until)
    return file.getvalue()


def test_the_view_shows_step_splits_cosines_and_conflict(tmp_path):
    trace = Trace(tmp_path, header())
    add(trace, *(record(step) for step in range(12)), record(11, split="heldout"))
    shown = screen(tmp_path)
    last = record(11).gramian.total
    cosine = last[0, 1] / (last[0, 0] * last[1, 1]) ** 0.5
    assert "focal task focal" in shown
    assert "step 11, epoch 1 · minibatch 12 · held-out 1 · last part 0 s ago" in shown
    row = next(line for line in shown.splitlines() if line.strip().startswith("x"))
    assert f"{cosine:+.2g}".replace("-", "−") in row
    assert sum(row.count(bar) for bar in "▁▂▃▄▅▆▇█") == 13
    assert "share below zero" in shown


def test_the_view_follows_a_trace_from_before_it_exists(tmp_path):
    written = []

    def until():
        if not written:
            written.append(Trace(tmp_path / "trace", header()))
        else:
            add(written[0], record(len(written)))
            written.append(None)
        return len(written) > 4

    shown = screen(tmp_path / "trace", until=until, terminal=True)
    first, later = shown.index("waiting for a trace in"), shown.index("no measurement yet")
    assert first < later < shown.index("step 1, epoch 0") < shown.index("step 2, epoch 0")


def test_ctrl_c_ends_quietly_and_gives_the_cursor_back(tmp_path):
    add(Trace(tmp_path, header()), record(0))

    def interrupted():
        raise KeyboardInterrupt

    shown = screen(tmp_path, until=interrupted, terminal=True)
    assert shown.rstrip().endswith("\x1b[?25h")
    assert "step 0" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 50), (60, 20)])
def test_two_hundred_tasks_with_long_names_fit_the_terminal(tmp_path, width, height):
    tasks = (
        "focal",
        *(f"{k}: a name of eighty characters, {k:048d}" for k in range(200)),
    )
    trace = Trace(tmp_path, header(tasks=tasks))
    add(trace, *(record(step, tasks=tasks) for step in range(40)), record(1, split="heldout", tasks=tasks))
    lines = screen(tmp_path, width=width, height=height).splitlines()
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert any("more" in line for line in lines)


def test_names_are_text_and_never_markup(tmp_path):
    tasks = ("focal", "[bold]x[/bold]", "[/] y")
    add(Trace(tmp_path, header(tasks=tasks)), record(0, tasks=tasks))
    shown = screen(tmp_path)
    assert "[bold]x[/bold]" in shown
    assert "[/] y" in shown


def test_a_task_without_a_cosine_is_a_dash_not_a_zero(tmp_path):
    add(Trace(tmp_path, header()), record(0, zero=("y",)))
    row = next(line for line in screen(tmp_path).splitlines() if line.strip().startswith("y"))
    assert row.split() == ["y", "–"]


def test_damaged_parts_are_counted(tmp_path):
    add(Trace(tmp_path, header()), record(0))
    (tmp_path / "gramians-000009.parquet").write_bytes(b"PAR1")
    assert "1 part cannot be read" in screen(tmp_path)


def test_what_is_no_trace_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(InputError, match="expected the folder of a trace, got the file"):
        screen(__file__)
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(InputError, match=r"got the study .* name one of its cells': .*cells/\.\.\./trace"):
        screen(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "header.json").write_text("{}")
    with pytest.raises(TraceError, match="some other JSON file"):
        screen(tmp_path / "other")
    with pytest.raises(InputError, match="refresh_seconds: expected seconds from 0 on, got -1"):
        watch(tmp_path, Console(), refresh_seconds=-1)


def test_watching_loads_no_torch():
    code = "import sys, gradprobe.reports.watch; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
