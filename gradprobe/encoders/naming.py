"""Encoders with options by one name: `mlp`, `mlp(width=64)`, `dmpnn(width=64,depth=2)`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gradprobe.encoders.features import EncoderOptions
from gradprobe.encoders.registry import ENCODERS, EncoderSpec
from gradprobe.errors import InputError

_FORM = re.compile(r"\s*(?P<kind>[^\s(),=]+)\s*(?:\((?P<options>[^()]*)\))?\s*")


@dataclass(frozen=True)
class NamedEncoder:
    """An encoder of the registry with the options that its name gives, as text by option."""

    kind: str
    given: Mapping[str, str]

    @property
    def spec(self) -> EncoderSpec:
        """How it is featurised and built.

        Raises:
            InputError: there is no encoder of this kind.
        """
        if self.kind not in ENCODERS:
            raise InputError(f"encoder: expected one of {', '.join(ENCODERS)}, got {self.kind!r}")
        return ENCODERS[self.kind]

    def options(self, defaults: Mapping[str, Any] | None = None) -> EncoderOptions:
        """Its options: those of the name, then `defaults` of its kind, then the encoder's own.

        Raises:
            InputError: there is no encoder of this kind.
            ValidationError: an option is unknown or out of range.
        """
        return self.spec.options(**{**(defaults or {}), **self.given})

    @property
    def name(self) -> str:
        """The name as gradprobe writes it: without spaces, options in the order of the encoder's own.

        Raises:
            InputError: there is no encoder of this kind.
            ValidationError: an option is unknown or out of range.

        >>> parse_encoder(" mlp( depth=3, width = 64 )").name
        'mlp(width=64,depth=3)'
        """
        chosen = self.options().model_dump(mode="json")
        words = [f"{option}={_text(value)}" for option, value in chosen.items() if option in self.given]
        return f"{self.kind}({','.join(words)})" if words else self.kind


def parse_encoder(text: str) -> NamedEncoder:
    """The encoder behind a name; the kind and the options are checked when they are used.

    Raises:
        InputError: the text has another form, or names an option twice.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise _misread(text)
    given: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in (form["options"] or "").split(","))):
        option, equals, value = (word.strip() for word in part.partition("="))
        if not (option and equals and value):
            raise _misread(text)
        if option in given:
            raise InputError(f"encoders: expected each option once, got {option!r} twice in {text!r}")
        given[option] = value
    return NamedEncoder(form["kind"], given)


def split_names(text: str) -> list[str]:
    """The names in a list with commas; commas in brackets belong to a name.

    >>> split_names("mlp(width=64,depth=2), gine")
    ['mlp(width=64,depth=2)', 'gine']
    """
    return [name.strip() for name in re.split(r",(?![^()]*\))", text)]


def _misread(text: str) -> InputError:
    return InputError(
        f"encoders: expected a name such as mlp or mlp(width=64,depth=2), got {text!r}; "
        "options stand in one pair of brackets, as name=value"
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
