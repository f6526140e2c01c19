import html
import io
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from gradprobe.errors import InputError, TraceError
from gradprobe.reports import Summary, report, show, summarise
from gradprobe.reports.compare.document import compare_document
from gradprobe.reports.compare.headline import headline
from gradprobe.reports.kit.numbers import difference, number, signed, span
from gradprobe.trace import GramianRecord, Trace
from tests.reports import _studies as make

HOSTILE = ("<script>alert(1)</script>", "[red]$\\frac{a}{b}$[/red]", "日本語 \n tab\t&amp;", "a" * 80)


class Text(HTMLParser):
    """The text of a page, its tags, and the alternative texts of its images."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.tags: list[str] = []
        self.alts: list[str] = []
        self.links: list[str] = []
        self.feed(page)
        self.text = " ".join(" ".join(self.parts).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        found = dict(attributes)
        if tag == "img":
            self.alts.append(found["alt"])
        self.links += [found[name] for name in ("src", "href") if name in found]

    def handle_data(self, data):
        self.parts.append(data)


def read(path: Path) -> Text:
    return Text(path.read_text(encoding="utf-8"))


def terminal(summary: Summary) -> str:
    console = Console(file=io.StringIO(), width=400, color_system=None)
    console.print(show(summary))
    return " ".join(console.file.getvalue().replace("│", " ").split())


def written(source, tmp_path) -> Text:
    return read(report(source, tmp_path / "out" / "r.html"))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = make.study(
        tmp_path_factory.mktemp("study") / "s",
        failed=("mlp-pcgrad-seed1",),
        trace_options={"mlp": {"folds": True}},
    )
    report(path)
    return path


@pytest.fixture(scope="module")
def summary(study):
    return summarise(study)


def test_a_study_gets_its_report_figures_and_verdict_in_its_folder(study):
    assert (study / "report.html").stat().st_size < 3_000_000
    drawn = {path.stem for path in (study / "figures").iterdir()}
    assert drawn == {figure.name for figure in compare_document(summarise(study)).figures}
    assert len(drawn) == 17
    for path in (study / "figures").iterdir():
        with Image.open(path) as image:
            assert image.width > 800
    assert not list(study.glob("*.unfinished"))


def test_the_page_needs_nothing_but_itself(study):
    page = read(study / "report.html")
    assert page.links
    assert all(link.startswith("data:") for link in page.links)
    assert "http" not in re.sub(r"data:[^\"]+", "", (study / "report.html").read_text())
    assert "script" not in page.tags


def test_the_images_of_the_page_are_the_written_figures(study):
    import base64

    page = read(study / "report.html")
    inside = {base64.b64decode(link.split(",", 1)[1]) for link in page.links if link.startswith("data:image")}
    assert inside == {path.read_bytes() for path in (study / "figures").iterdir()}


def test_page_terminal_and_descriptions_show_the_numbers_of_the_summary(study, summary):
    page, screen = read(study / "report.html"), terminal(summary)
    alts = " ".join(page.alts)
    for encoder in summary.encoders:
        cosine = encoder.gradients.splits["minibatch"].mean["cosine"]
        everywhere = [number(cosine.mean), number(encoder.rank.raw.mean)]
        for score in encoder.scores:
            everywhere.append(number(score.estimate.mean))
            if score.difference is not None:
                everywhere.append(number(score.difference.mean, signed=True))
                assert difference(score.difference) in alts
                if score.difference.seeds > 1:
                    everywhere.append(span(score.difference.low, score.difference.high, signed))
        everywhere += [number(leverage.largest) for leverage in encoder.leverages if leverage.steps]
        for text in everywhere:
            for place in (page.text, screen, alts):
                assert text in place
        assert number(encoder.chance) in page.text
        sentence = encoder.verdict.sentence[1:]
        assert sentence in page.text
        assert sentence in screen
    assert headline(summary) in page.text
    assert headline(summary) in screen


def test_every_section_says_what_to_look_for(study):
    page = (study / "report.html").read_text(encoding="utf-8")
    sections = re.findall(r"<section>\s*<h2>(.*?)</h2>\s*<p class=\"look\">(.*?)</p>", page, re.DOTALL)
    assert len(sections) == len(re.findall(r"<section>", page)) == 20
    assert all(look.startswith("Look ") and look.endswith(".") for _, look in sections)


def test_provenance_names_data_versions_seeds_command_batches_and_failures(study):
    page = read(study / "report.html").text
    for text in (
        "a" * 64,
        "2.13.0",
        "0, 1, 2",
        "gradprobe compare table.csv --focal 'flash point'",
        "balanced: 32 molecules a task and step",
        "loop",
        "mlp-pcgrad-seed1 failed losses: expected finite losses, got NaN for 'flash point' at step 40",
        "2, listed in skipped.csv",
    ):
        assert text in page


def test_the_verdict_file_holds_the_summarys_verdicts(study, summary):
    found = json.loads((study / "verdict.json").read_text(encoding="utf-8"))
    assert (found["format"], found["schema_version"]) == ("gradprobe verdict", 1)
    assert found["metric"] == {"name": "RAE", "lower_is_better": True}
    by_encoder = {entry["encoder"]: entry for entry in found["encoders"]}
    for encoder in summary.encoders:
        assert by_encoder[encoder.name]["verdict"] == encoder.verdict.call.value
    assert by_encoder["dmpnn"]["helps"] == ["rcgrad"]
    evidence = {entry["combiner"]: entry for entry in by_encoder["mlp"]["evidence"]}
    assert evidence["rcgrad"]["difference"]["seeds"] == 3
    assert evidence["rcgrad"]["leverage"]["steps"] == 36


def test_reports_of_the_same_source_are_the_same_bytes(tmp_path):
    # In one process, with one version of matplotlib and its fonts; other machines may draw other bytes.
    first, second = (report(one_measurement(), tmp_path / f"{k}.html") for k in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_hostile_names_are_text_everywhere(tmp_path):
    path = make.study(tmp_path / "s", tasks=HOSTILE, encoders=("mlp",), combiners=("average",), seeds=1)
    target = report(path)
    page = read(target)
    assert "script" not in page.tags
    assert HOSTILE[0] in page.text
    assert html.escape(HOSTILE[0]) in target.read_text(encoding="utf-8")
    screen = terminal(summarise(path))
    assert HOSTILE[0] in screen
    Console(file=io.StringIO(), width=30).print(show(summarise(path)))


def test_two_hundred_tasks_with_long_names_stay_readable_and_small(tmp_path):
    tasks = tuple(
        f"{i:03d} " + "assay of something at some concentration in some cell line, replicate "[:76]
        for i in range(200)
    )
    trace = make.trace_in_memory(tasks=tasks, steps=2)
    target = report(trace, tmp_path / "r.html")
    assert target.stat().st_size < 3_000_000
    page = read(target)
    assert all(task.strip() in page.text for task in tasks)
    assert max(len(alt) for alt in page.alts) < 2_000


def test_a_bare_trace_on_disk_is_reported_beside_it(tmp_path):
    with Trace(tmp_path / "t", make.header()) as trace:
        make.fill(trace)
    target = report(tmp_path / "t")
    assert target == tmp_path / "t" / "report.html"
    page = read(target).text
    assert "for this run" in page
    assert "by combiner" not in page.replace("Evidence by combiner", "")
    assert {path.suffix for path in (tmp_path / "t").iterdir()} == {".json", ".parquet", ".html"}
    Trace.load(tmp_path / "t")


def test_a_bare_trace_without_conflict_is_safe_under_its_assumption(tmp_path):
    verdict = summarise(make.trace_in_memory(noise=0.01)).encoders[0].verdict
    assert verdict.call.value == "averaging is safe"
    assert "mean or the sum of its task losses" in verdict.caution


def one_measurement() -> Trace:
    trace = Trace(header=make.header())
    made = make.gramian(make.TASKS, np.random.default_rng(0))
    trace.append(GramianRecord(0, "minibatch", "loop", made, np.ones(4)))
    return trace


SOURCES = {
    "empty": Trace,
    "no focal": lambda: make.fill(Trace(header=make.header(focal=""))),
    "one measurement": one_measurement,
    "before training only": lambda: make.trace_in_memory(steps=0),
    "folds": lambda: make.trace_in_memory(folds=True),
    "folds, zero focal": lambda: make.trace_in_memory(folds=True, zero=make.TASKS[:1]),
    "folds, zero everywhere": lambda: make.trace_in_memory(folds=True, zero=make.TASKS),
    "folds, no focal": lambda: make.fill(Trace(header=make.header(focal="")), folds=True),
    "folds, focal never measured": lambda: make.fill(Trace(header=make.header(focal="other")), folds=True),
    "zero focal": lambda: make.trace_in_memory(zero=make.TASKS[:1]),
    "zero everywhere": lambda: make.trace_in_memory(zero=make.TASKS),
    "focal never measured": lambda: make.fill(Trace(header=make.header(focal="other"))),
}


@pytest.fixture
def coarse(monkeypatch):
    """Figures of few dots, where only their making is tested."""
    monkeypatch.setattr("gradprobe.reports.kit.plots.canvas._DPI", 20)


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("name", SOURCES)
def test_odd_traces_are_reported(name, tmp_path):
    found = summarise(SOURCES[name]())
    page = written(found, tmp_path)
    assert "insufficient evidence" in page.text
    assert "nan" not in re.sub(r"[a-z]*nan[a-z]+", "", page.text.lower())
    assert terminal(found)


STUDIES = {
    "running": {"running": ("mlp-average-seed0",), "waiting": ("mlp-pcgrad-seed0",)},
    "nothing finished": {"running": ("mlp-average-seed0", "mlp-pcgrad-seed0")},
    "nothing started": {"waiting": ("mlp-average-seed0", "mlp-pcgrad-seed0")},
    "everything failed": {"failed": ("mlp-average-seed0", "mlp-pcgrad-seed0")},
    "classification": {"kind": "classification"},
    "no averaging": {"combiners": ("pcgrad",)},
    "unknown combiner": {"combiners": ("average", "surgeon")},
    "single task alone": {"combiners": ("single_task",)},
}


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("name", STUDIES)
def test_odd_studies_are_reported(name, tmp_path):
    options = {"encoders": ("mlp",), "combiners": ("average", "pcgrad"), "seeds": 1, **STUDIES[name]}
    found = summarise(make.study(tmp_path / "s", **options))
    page = written(found, tmp_path)
    assert "insufficient evidence" in page.text
    screen = terminal(found)
    assert "insufficient evidence" in screen
    for key, state in (("failed", "failed"), ("running", "unfinished"), ("waiting", "waiting")):
        for cell in options.get(key, ()):
            assert f"{cell} {state}" in page.text
            assert f"{cell} {state}" in screen
    assert ("So far, " in page.text) == bool({"running", "waiting"} & set(options))


def test_undefined_scores_are_left_out(tmp_path):
    scores = {"mlp-average-seed0": float("nan")}
    path = make.study(
        tmp_path / "s", encoders=("mlp",), combiners=("average", "pcgrad"), seeds=2, scores=scores
    )
    found = {score.combiner: score for score in summarise(path).encoders[0].scores}
    assert (found["average"].estimate.seeds, found["pcgrad"].difference.seeds) == (1, 1)


def test_a_damaged_trace_of_a_cell_is_named_and_the_others_reported(tmp_path):
    path = make.study(tmp_path / "s", encoders=("mlp",), combiners=("average",), seeds=2)
    (path / "cells" / "mlp-average-seed1" / "trace" / "header.json").write_text("{")
    summary = summarise(path)
    assert summary.encoders[0].seeds == (0,)
    (damage,) = summary.provenance.damaged
    assert damage.cell == "mlp-average-seed1"
    assert "trace/header.json was changed" in damage.note


def test_a_damaged_result_counts_as_not_finished(tmp_path):
    path = make.study(tmp_path / "s", encoders=("mlp",), combiners=("average",), seeds=1)
    (path / "cells" / "mlp-average-seed0" / "metrics.json").write_text('{"key"')
    assert summarise(path).finished == 0


@pytest.mark.parametrize(
    ("make_source", "error", "message"),
    [
        (lambda path: path / "absent", InputError, "which does not exist"),
        (lambda path: path, InputError, "study.json of a study or the header.json of a trace"),
        (lambda path: written_file(path / "study.json", "[]"), InputError, "gradprobe study"),
        (lambda path: written_file(path / "study.json", '{"schema_version": 99}'), InputError, "upgrade"),
        (lambda path: written_file(path / "header.json", '{"format": "x"}'), TraceError, "some other JSON"),
        (
            lambda path: written_file(
                path / "header.json", '{"format": "gradprobe trace", "schema_version": 9}'
            ),
            TraceError,
            "upgrade",
        ),
    ],
)
def test_bad_sources_are_refused_in_one_sentence(make_source, error, message, tmp_path):
    with pytest.raises(error, match=message):
        report(make_source(tmp_path))


def written_file(path: Path, text: str) -> Path:
    path.write_text(text)
    return path.parent


def test_a_trace_in_memory_needs_a_place_to_write_to():
    with pytest.raises(InputError, match="out: expected the HTML file to write, got None"):
        report(make.trace_in_memory(steps=1))


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="out: expected a place that can be written"):
        report(Trace(), tmp_path / "file" / "r.html")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path):
    with Trace(tmp_path / "t", make.header()) as trace:
        make.fill(trace, steps=1)
    (tmp_path / "t").chmod(0o500)
    try:
        with pytest.raises(InputError, match="name another file with --out"):
            report(tmp_path / "t")
    finally:
        (tmp_path / "t").chmod(0o700)
