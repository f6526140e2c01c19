from pathlib import Path

import pytest

from gradprobe.encoders.mlp import MLPOptions
from gradprobe.errors import InputError
from gradprobe.studies import demo_config, make_config, read_config


def test_the_demo_asks_for_the_embedded_data() -> None:
    config = demo_config()
    assert (config.table, config.focal) == ("physchem", "flash_point")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoders": ("mpl",)}, ["encoders", "mlp, dmpnn, gine", "'mpl'", "did you mean mlp"]),
        ({"encoders": ()}, ["encoders", "at least one", "none"]),
        ({"encoders": "mpl(width=3)"}, ["encoders", "mlp, dmpnn, gine", "'mpl'", "did you mean mlp"]),
        ({"encoders": "mlp(widht=3)"}, ["encoders: mlp.widht", "width, depth", "unknown"]),
        ({"encoders": "mlp(width=3.5)"}, ["encoders: mlp.width", "integer", "'3.5'"]),
        ({"encoders": "mlp(width"}, ["encoders", "mlp(width=64,depth=2)", "'mlp(width'"]),
        ({"encoders": "mlp,mlp(width=512)"}, ["mlp and mlp(width=512)", "the same", "leave one"]),
        ({"combiners": ("pcgard",)}, ["combiners", "'pcgard'", "did you mean pcgrad"]),
        ({"seeds": 0}, ["seeds", "greater than or equal to 1", "0"]),
        ({"learning_rate": -1.0}, ["learning_rate", "-1.0"]),
        ({"split": "by date"}, ["split", "'random', 'scaffold' or 'parent'", "'by date'"]),
        ({"epoch": 3}, ["epoch", "epochs", "unknown"]),
        ({"aux": ("y",)}, ["aux", "focal", "'y'"]),
        ({"encoder_options": {"mlp": {"widht": 3}}}, ["encoder_options.mlp.widht", "unknown"]),
        ({"encoder_options": {"gnn": {}}}, ["encoder_options", "'gnn'"]),
        ({"combiner_options": {"cagrad": {"c": -1}}}, ["c", "at least 0", "-1"]),
        ({"combiner_options": {"cagrad": {"k": 1}}}, ["cagrad", "c, rescale", "k"]),
    ],
)
def test_a_wrong_option_is_named_with_what_was_expected(changes: dict[str, object], words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        make_config(**({"table": "t.csv", "focal": "y"} | changes))
    assert all(word in str(error.value) for word in words), str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_focal_task_is_named() -> None:
    with pytest.raises(InputError, match="focal"):
        make_config(table="t.csv")


def test_repeated_names_count_once() -> None:
    assert make_config(table="t.csv", focal="y", encoders=["mlp", "mlp"]).encoders == ("mlp",)


def test_encoders_of_one_kind_differ_by_their_options() -> None:
    config = make_config(
        table="t.csv",
        focal="y",
        encoders="mlp( depth=1,width=64 ),mlp(width=8),dmpnn",
        encoder_options={"mlp": {"dropout": 0.5}},
    )
    assert config.encoders == ("mlp(width=64,depth=1)", "mlp(width=8)", "dmpnn")
    spec, options = config.encoder("mlp(width=8)")
    assert (spec.name, options) == ("mlp", MLPOptions(width=8, depth=2, dropout=0.5))


def test_a_toml_file_holds_the_same_options(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text('table = "t.csv"\nfocal = "y"\nseeds = 5\n[encoder_options.mlp]\nwidth = 7\n')
    config = make_config(**read_config(file))
    assert (config.seeds, config.encoder_options) == (5, {"mlp": {"width": 7}})


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text("seeds: 3")
    with pytest.raises(InputError, match=r"config: expected TOML, got .*study.toml"):
        read_config(tmp_path / "study.toml")
    with pytest.raises(InputError, match=r"absent.toml: expected a TOML file .*cannot be read"):
        read_config(tmp_path / "absent.toml")


def test_combiners_of_another_library_are_known_by_their_prefix() -> None:
    pytest.importorskip("torchjd")
    config = make_config(table="t.csv", focal="y", combiners=["torchjd:UPGrad"])
    assert config.combiners == ("torchjd:UPGrad",)
    with pytest.raises(InputError, match="torchjd"):
        make_config(table="t.csv", focal="y", combiners=["torchjd:Nothing"])
