import json
import re
import shutil
import subprocess

import pytest

from gradprobe.reports import report, summarise
from gradprobe.reports.compare.headline import headline
from tests.reports import _studies as make

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
    "--virtual-time-budget=5000",
    "--dump-dom",
)
# Only in the copy that the test opens: the report itself has no script.
ASK = """<script>
const box = document.querySelector(".headline").getBoundingClientRect();
parent.postMessage(JSON.stringify({
  headline: document.querySelector(".headline").innerText,
  seen: box.height > 0 && box.top >= 0 && box.bottom < innerHeight,
  width: innerWidth, content: document.documentElement.scrollWidth,
  images: [...document.images].every(image => image.complete && image.naturalWidth > 0),
}), "*");
</script></html>"""
# A frame, because a window of Chromium's own is never narrower than 500 pixels.
FRAME = """<!doctype html><title>waiting</title><link rel="icon" href="data:,">
<script>addEventListener("message", message => {{ document.title = message.data; }});</script>
<iframe src="asking.html" width="{width}" height="800" style="border: 0"></iframe>"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    tasks = (make.TASKS[0], "x" * 80, *make.TASKS[1:])
    study = make.study(folder / "s", tasks=tasks, encoders=("mlp",), combiners=("average", "rcgrad"), seeds=2)
    written = report(study)
    copy = folder / "asking.html"
    copy.write_text(written.read_text(encoding="utf-8").replace("</html>", ASK), encoding="utf-8")
    return copy, headline(summarise(study))


@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_opens_without_errors_and_shows_its_verdict(page, width, tmp_path):
    path, wanted = page
    frame = path.with_name(f"frame{width}.html")
    frame.write_text(FRAME.format(width=width), encoding="utf-8")
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path}", frame.as_uri()]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "CONSOLE" not in ran.stderr
    found = json.loads(re.search(r"<title>(.*?)</title>", ran.stdout).group(1))
    assert found["headline"] == wanted
    assert found["seen"]
    assert found["images"]
    assert found["content"] <= found["width"] == width
