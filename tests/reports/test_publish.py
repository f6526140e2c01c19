"""Where the files of a report go."""

import pytest

from gradprobe.errors import InputError
from gradprobe.reports import publish


def test_figures_are_not_written_through_a_link_out_of_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("gradprobe.reports.kit.html.render", lambda *_: "page")
    monkeypatch.setattr(publish, "draw", lambda _: {"gains": b"png"})
    study, outside = tmp_path / "study", tmp_path / "outside"
    study.mkdir()
    outside.mkdir()
    (study / "figures").symlink_to(outside)
    with pytest.raises(InputError, match="got a link to"):
        publish.write(None, study / "report.html", beside={"verdict.json": "{}"})
    assert not list(outside.iterdir())
    (study / "figures").unlink()
    publish.write(None, study / "report.html", beside={"verdict.json": "{}"})
    assert (study / "figures" / "gains.png").read_bytes() == b"png"
