"""Reports of every kind in a browser, on a desk and in a hand: all frames of one page that Chromium opens."""

import json
import re
import shutil
import subprocess

import pytest

from gradprobe.reports import load
from gradprobe.reports.depth.document import depth_document
from gradprobe.reports.depth.summary import summarise_depth
from gradprobe.reports.dynamics.document import dynamics_document
from gradprobe.reports.dynamics.summary import summarise_dynamics
from gradprobe.reports.editing.document import edit_document
from gradprobe.reports.editing.summary import summarise_edits
from gradprobe.reports.nodes.document import nodes_document
from gradprobe.reports.publish import write
from tests.reports import _studies as make
from tests.reports import test_depth_report as depth
from tests.reports.dynamics import _runs as dynamics
from tests.reports.editing import _cells as editing
from tests.reports.nodes import _summaries as nodes

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=8000",
    "--dump-dom",
)
WIDTHS = (1280, 390)
# Only in the copy that the test opens: the report itself has no script.
ASK = """<script>
const box = document.querySelector(".headline").getBoundingClientRect();
document.querySelectorAll("details").forEach(details => { details.open = true; });
parent.postMessage(JSON.stringify({
  kind: location.hash.slice(1),
  headline: document.querySelector(".headline").innerText,
  seen: box.height > 0 && box.top >= 0 && box.bottom < innerHeight,
  width: innerWidth, content: document.documentElement.scrollWidth,
  images: [...document.images].every(image => image.complete && image.naturalWidth > 0),
  tables: document.querySelectorAll(".scroll").length,
  cut: [...document.querySelectorAll(".scroll")].filter(box => box.scrollWidth > box.clientWidth + 1)
    .map(box => box.getAttribute("aria-label")),
}), "*");
</script></html>"""
# Frames, because a window of Chromium's own is never narrower than 500 pixels.
PAGE = """<!doctype html><title>waiting</title><link rel="icon" href="data:,">
<script>const said = []; addEventListener("message", message => {{
  said.push(JSON.parse(message.data)); document.title = JSON.stringify(said);
}});</script>{frames}"""
FRAME = '<iframe src="{name}.html#{name}" width="{width}" height="800" style="border: 0"></iframe>'

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


def documents(folder):
    tasks = (make.TASKS[0], "x" * 80, *make.TASKS[1:])
    options = {"mlp": {"folds": True}}
    study = make.study(
        folder / "s", tasks=tasks, combiners=("average", "rcgrad"), seeds=2, trace_options=options
    )
    return {
        "compare": load(study).document,
        "depth": depth_document(summarise_depth(depth.GRAPH, depth.OPTIONS, depth._runs())),
        "dynamics": dynamics_document(summarise_dynamics(dynamics.OPTIONS, dynamics.sweep())),
        "edit": edit_document(
            summarise_edits(editing.GRAPH, editing.OPTIONS, [editing.cell(seed) for seed in range(3)])
        ),
        "nodes": nodes_document(nodes.summary()),
    }


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    shown = documents(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gradprobe.reports.kit.plots.canvas._DPI", 40)
        pages = {name: write(document, folder / f"{name}.html") for name, document in shown.items()}
    for page in pages.values():
        page.write_text(page.read_text(encoding="utf-8").replace("</html>", ASK), encoding="utf-8")
    frames = "".join(FRAME.format(name=name, width=width) for name in shown for width in WIDTHS)
    (folder / "all.html").write_text(PAGE.format(frames=frames), encoding="utf-8")
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'user'}", (folder / "all.html").as_uri()]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in ran.stderr
    title = re.search(r"<title>(.*?)</title>", ran.stdout, re.DOTALL).group(1)
    said = json.loads(title.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    return shown, {(each["kind"], each["width"]): each for each in said}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["compare", "depth", "dynamics", "edit", "nodes"])
def test_a_report_opens_with_its_headline_in_view_and_nothing_off_the_screen(seen, kind, width):
    shown, found = seen
    page = found[kind, width]
    assert page["headline"] == shown[kind].headline
    assert page["seen"]
    assert page["images"]
    assert page["content"] <= width
    assert page["tables"]
    assert page["cut"] == []
