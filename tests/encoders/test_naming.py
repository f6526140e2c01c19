import pytest
from pydantic import ValidationError

from gradprobe.encoders import parse_encoder, split_names
from gradprobe.encoders.mlp import MLPOptions
from gradprobe.errors import InputError


def test_commas_in_brackets_belong_to_the_name():
    text = "mlp(width=2048),mlp(features=rdkit2d, depth=1),dmpnn , gine"
    assert split_names(text) == ["mlp(width=2048)", "mlp(features=rdkit2d, depth=1)", "dmpnn", "gine"]


@pytest.mark.parametrize(
    "text", ["mlp(width=64,depth=3)", " mlp( depth = 3 , width=64 ) ", "mlp(depth=3,width=064)"]
)
def test_one_encoder_has_one_name_however_it_is_written(text):
    assert parse_encoder(text).name == "mlp(width=64,depth=3)"


def test_a_name_without_options_stays_as_it_was():
    assert parse_encoder("mlp").name == parse_encoder("mlp()").name == "mlp"


def test_options_of_the_name_come_before_those_of_the_kind():
    options = parse_encoder("mlp(width=64,dropout=0.5)").options({"width": 8, "depth": 1})
    assert options == MLPOptions(width=64, depth=1, dropout=0.5)


@pytest.mark.parametrize("text", ["mlp(", "mlp(width)", "mlp(=3)", "mlp(width=3)x", "", "mlp(width=(3))"])
def test_what_is_no_name_is_shown_with_the_form_of_one(text):
    with pytest.raises(InputError, match=r"mlp\(width=64,depth=2\), got"):
        parse_encoder(text)


def test_an_option_named_twice_is_refused():
    with pytest.raises(InputError, match="'width' twice"):
        parse_encoder("mlp(width=3,width=4)")


def test_unknown_kinds_and_options_are_errors():
    with pytest.raises(InputError, match=r"mlp, dmpnn, gine, got 'mpl'"):
        parse_encoder("mpl(width=3)").options()
    with pytest.raises(ValidationError, match="widht"):
        _ = parse_encoder("mlp(widht=3)").name
