"""What a study is asked for, checked before anything runs."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from gradprobe import combiners
from gradprobe.data import MIN_LABELS, SplitKind, TableOptions
from gradprobe.data.formats.encoding import decode
from gradprobe.data.merging import Duplicates
from gradprobe.data.options import Censored
from gradprobe.data.standardize import Standardization
from gradprobe.encoders import ENCODERS, EncoderOptions, EncoderSpec, parse_encoder, split_names
from gradprobe.errors import InputError
from gradprobe.records.compare import AUXILIARIES, Point, Scalar
from gradprobe.records.reading import read_bytes
from gradprobe.studies.axes import OPTIONS, auxiliary_counts
from gradprobe.studies.options import Count, checked, sentence
from gradprobe.studies.order import Order
from gradprobe.training.options import Precision


def _as_tuple(names: object) -> object:
    """One name where a list is meant: aux = "RLM" in a file."""
    return (names,) if isinstance(names, str) else names


Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


class StudyConfig(BaseModel):
    """The options of `gradprobe compare`; a TOML file may hold the same names.

    `table` is a table file, or the name of an embedded data set. Without `aux`, every other column of
    labels is an auxiliary, less those that nothing can be learnt from (`choose_tasks`). How its cells are
    read stands in `TableOptions`. `probe_rows` caps the molecules of each task with which a whole fold is
    measured (None: all of them), `heldout_rows` the validation molecules of the focal task beside each
    measured minibatch (None: as many as `batch_size`; 0: none). `encoders` may carry options, as in
    `mlp(width=64)`, so that several are of one kind. `encoder_options` and `combiner_options` hold options by
    kind and name, such as `{"mlp": {"width": 256}}`; those in a name come first.

    `predictions`: save every cell's predictions of validation and test molecules.

    `preset` names the claims to test, and nothing else here: `read_preset` has the options that go with them.

    `vary` holds axes: options with several values (`studies.axes.OPTIONS`), and `auxiliaries`, how many of
    them, the first ones in `order`. Cells are those of the full grid over all axes, or with `one_at_a_time`
    those on each axis with everything else as the other options say.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    focal: str
    smiles: str | None = None
    aux: Names = ()
    log10: Names = ()
    missing: Names = ()
    classes: Names = ()
    exclude: Names = ()
    min_labels: Count = MIN_LABELS
    censored: Censored = "drop"
    duplicates: Duplicates = "mean"
    standardize: Standardization = "none"
    encoders: tuple[str, ...] = ("mlp", "dmpnn", "gine")
    combiners: Names = ("average", "pcgrad", "cagrad", "cosine_gating", "rcgrad", "gragr")
    single_task: bool = False
    seeds: Count = 3
    epochs: Count = 30
    batch_size: Count = 32
    batching: Literal["balanced", "union"] = "balanced"
    split: SplitKind = "random"
    split_column: str | None = None
    stratify: str | None = None
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    patience: Count = 10
    probe_every: Count = 10
    heldout_every: Count = 5
    probe_rows: Count | None = None
    heldout_rows: Annotated[int, Field(ge=0)] | None = None
    accelerator: Literal["cpu", "gpu", "auto"] = "cpu"
    precision: Precision = "32-true"
    predictions: bool = True
    preset: str | None = None
    order: Order = "given"
    vary: dict[str, tuple[Any, ...]] = {}
    one_at_a_time: bool = False
    encoder_options: dict[str, dict[str, Any]] = {}
    combiner_options: dict[str, dict[str, Any]] = {}

    @field_validator("encoders", "combiners", "aux", "log10", "missing", "classes", "exclude")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(names))

    @field_validator("encoders", mode="before")
    @classmethod
    def _one_text_of_names(cls, names: object) -> object:
        return split_names(names) if isinstance(names, str) else names

    @field_validator("encoders")
    @classmethod
    def _known_encoders(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        _known("encoders", tuple(parse_encoder(name).kind for name in names), tuple(ENCODERS))
        return tuple(dict.fromkeys(map(_encoder_name, names)))

    @field_validator("combiners")
    @classmethod
    def _known_combiners(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = tuple(name for name in names if not _of_another_library(name))
        if known or not names:
            _known("combiners", known, combiners.names())
        return names

    @model_validator(mode="after")
    def _usable_options(self) -> StudyConfig:
        for name, options in self.encoder_options.items():
            _known("encoder_options", (name,), tuple(ENCODERS))
            try:
                ENCODERS[name].options(**options)
            except ValidationError as error:
                raise ValueError(
                    f"encoder_options.{name}.{sentence(error, ENCODERS[name].options)}"
                ) from error
        self._check_networks()
        _ = self.axes
        for name in (*self.combiners, *self.combiner_options):
            if not _of_another_library(name):
                _known("combiner_options", (name,), combiners.names())
            combiners.get(name, **self.combiner_options.get(name, {}))
        if self.split_column and (self.stratify or self.split != "random"):
            raise ValueError(
                f"split_column: expected no other option of the split, got split {self.split!r} and stratify "
                f"{self.stratify!r}; leave them out"
            )
        if self.focal in self.exclude:
            raise ValueError(f"exclude: expected columns other than the focal task, got {self.focal!r}")
        if self.focal in self.aux:
            raise ValueError(f"aux: expected auxiliaries only, got the focal task {self.focal!r} among them")
        return self

    @property
    def axes(self) -> dict[str, tuple[Scalar, ...]]:
        """The axes with values as the options have them: 64 for "64"."""
        return {name: self._axis(name, values) for name, values in self.vary.items()}

    def base(self, auxiliaries: int) -> dict[str, Scalar]:
        """The study's own value of every axis, for a table with so many auxiliaries."""
        return {name: auxiliaries if name == AUXILIARIES else getattr(self, name) for name in self.vary}

    def at(self, point: Point) -> StudyConfig:
        """The configuration of the cells at one point of the axes."""
        return self.model_copy(update={name: value for name, value in point if name != AUXILIARIES})

    def _axis(self, name: str, values: tuple[Any, ...]) -> tuple[Scalar, ...]:
        _known("vary", (name,), (AUXILIARIES, *OPTIONS))
        if not values:
            raise ValueError(f"vary: expected values of {name}, got none")
        if name == AUXILIARIES:
            return auxiliary_counts(values)
        found = []
        for value in values:
            try:
                own = type(self).model_validate(self.model_dump(exclude={"vary"}) | {name: value})
            except ValidationError as error:
                raise ValueError(f"vary: {sentence(error, type(self))}") from error
            found.append(getattr(own, name))
        return tuple(dict.fromkeys(found))

    def encoder(self, name: str) -> tuple[EncoderSpec, EncoderOptions]:
        """How one of the study's encoders is built, and its options."""
        named = parse_encoder(name)
        return named.spec, named.options(self.encoder_options.get(named.kind))

    def _check_networks(self) -> None:
        """Refuse one network under two names: it would run twice."""
        names: dict[tuple[str, str], str] = {}
        for name in self.encoders:
            spec, options = self.encoder(name)
            other = names.setdefault((spec.name, options.model_dump_json()), name)
            if other != name:
                raise ValueError(
                    f"encoders: expected different networks, got {other} and {name}, which are the same; "
                    "leave one of them out"
                )

    def table_options(self) -> TableOptions:
        """How the table is read."""
        return TableOptions(
            named=(self.focal, *self.aux),
            missing=self.missing,
            classes=self.classes,
            exclude=self.exclude,
            censored=self.censored,
            duplicates=self.duplicates,
            standardize=self.standardize,
            split_column=self.split_column,
            stratify=self.stratify,
        )


def make_config(**values: Any) -> StudyConfig:
    """A checked configuration.

    Raises:
        InputError: an option that is unknown or out of range, in one sentence.
    """
    return checked(StudyConfig, values)


def read_config(path: str | Path) -> dict[str, Any]:
    """The options in a TOML file, unchecked: options of the command line may still replace some.

    Raises:
        InputError: the file is missing or no TOML.
    """
    content = read_bytes(Path(path), what="a TOML file of options", most=1_000_000)
    try:
        return tomllib.loads(decode(content)[0])
    except RecursionError as error:
        raise InputError(f"config: expected TOML, got {path}, which is nested too deeply") from error
    except ValueError as error:
        # Broken TOML, other encodings, and numbers of more digits than Python converts.
        raise InputError(f"config: expected TOML, got {path}, which is not ({error})") from error


def _of_another_library(combiner: str) -> bool:
    """Whether it is a name such as `torchjd:UPGrad`, which `combiners.get` checks."""
    return ":" in combiner


def _encoder_name(text: str) -> str:
    named = parse_encoder(text)
    try:
        return named.name
    except ValidationError as error:
        raise ValueError(f"encoders: {named.kind}.{sentence(error, named.spec.options)}") from error


def _known(argument: str, names: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError(f"{argument}: expected at least one of {', '.join(known)}, got none")
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"{argument}: expected some of {', '.join(known)}, got {name!r}{hint}")
    return names
