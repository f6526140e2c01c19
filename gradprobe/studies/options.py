"""Checking what a study is asked for: one sentence about the first option that cannot be used."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, ValidationError

from gradprobe.errors import InputError

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
_Options = TypeVar("_Options", bound=BaseModel)


def checked(options: type[_Options], values: dict[str, object]) -> _Options:
    """The options of a study, of whatever kind.

    Raises:
        InputError: an option that is unknown or out of range, in one sentence.
    """
    try:
        return options.model_validate(values)
    except ValidationError as error:
        raise InputError(sentence(error, options)) from error


def sentence(error: ValidationError, model: type[BaseModel]) -> str:
    """The first complaint of pydantic, as our errors read."""
    first = error.errors(include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    place = ".".join(part for part in first["loc"] if isinstance(part, str))
    if first["type"] == "value_error":
        return message
    if first["type"] == "missing":
        return (
            f"{place}: expected a value, got none; name it on the command line or in the configuration file"
        )
    if first["type"] == "extra_forbidden":
        known = ", ".join(model.model_fields)
        return f"{place}: expected one of the options {known}, got an unknown one"
    return f"{place}: {message[0].lower()}{message[1:]}, got {first['input']!r}"
