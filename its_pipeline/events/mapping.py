"""How a foreign file's columns become events: declared by a person, validated before reading.

Reading the file belongs to `importing`.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Literal, TypeVar

import pyarrow as pa
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from its_pipeline.events.exported import Said, mood_numbers
from its_pipeline.events.intervention import zone_names
from its_pipeline.events.keys import validate_id
from its_pipeline.events.metrics import SESSION_PERFORMANCE, OutcomeMetric

DEFAULT_EVENT_TYPE = "OBSERVATION"
TimeKind = Literal["timestamp", "day_number", "unix_seconds", "unix_milliseconds"]
FileFormat = Literal["csv", "parquet", "jsonl"]
_Model = TypeVar("_Model", bound=BaseModel)


class MappingError(ValueError):
    """A mapping is not usable."""


class ImportMapping(BaseModel):
    """Which column of a file means what.

    Attributes
    ----------
    time
        Column of the time: a date, a date and time, or a number (see `time_kind`).
    time_kind
        How to read it. `day_number` counts days from `start_on`, which is day 0.
    start_on
        Local date of day number 0.
    outcomes
        File column by outcome metric name. `sessionPerformanceScore` goes into its own column, any
        other becomes a number in `event_data` and is registered as a metric.
    aggregation
        How several values of a day become one, for the metrics registered here.
    user, user_constant
        Column of the person, or the one person the whole file is about.
    time_zone, time_zone_column
        Zone of times without an offset and of the person's days; a column wins where it is given.
    event_type, event_type_column
        Type of every event, or its column.
    event_id
        Column of a unique id; by default the position in the file counts.
    other
        File column by contract column, for `engagement_level` and the like.
    file_format
        Defaults to what the file's name says.
    delimiter, decimal_comma, encoding
        Of CSV files; the delimiter defaults to the most frequent of `,` `;` and tab in the header.
    null_values
        Texts that mean "empty"; anything else that is not a number is rejected, not dropped.
    unit
        Unit of the outcomes registered here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    time: str
    outcomes: dict[str, str]
    time_kind: TimeKind = "timestamp"
    start_on: date | None = None
    aggregation: Literal["mean", "median", "sum"] = "mean"
    user: str | None = None
    user_constant: str | None = None
    time_zone: str = "UTC"
    time_zone_column: str | None = None
    event_type: str = DEFAULT_EVENT_TYPE
    event_type_column: str | None = None
    event_id: str | None = None
    other: dict[str, str] = Field(default_factory=dict)
    file_format: FileFormat | None = None
    delimiter: str | None = None
    decimal_comma: bool = False
    encoding: str = "utf-8"
    null_values: tuple[str, ...] = ("", "NA")
    unit: str = ""

    @field_validator("time_zone")
    @classmethod
    def _is_known_zone(cls, zone: str) -> str:
        return _known_zone(zone)

    @field_validator("other")
    @classmethod
    def _known_columns(cls, other: dict[str, str]) -> dict[str, str]:
        allowed = (
            "engagement_level",
            "completion_quality",
            "content_type",
            "difficulty_level",
            "experiment_phase",
        )
        unknown = sorted(set(other) - set(allowed))
        if unknown:
            raise ValueError(f"possible are {', '.join(allowed)} but got {', '.join(unknown)}")
        return other

    @model_validator(mode="after")
    def _consistent(self) -> ImportMapping:
        if not self.outcomes:
            raise ValueError("outcomes must name at least one column")
        if (self.user is None) == (self.user_constant is None):
            raise ValueError("give either user (a column) or user_constant (one person's id)")
        if self.user_constant is not None:
            validate_id("user_constant", self.user_constant)
        if (self.time_kind == "day_number") != (self.start_on is not None):
            raise ValueError("start_on belongs to time_kind 'day_number', which needs it")
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ValueError(f"delimiter must be one character but got {self.delimiter!r}")
        self.metrics()
        return self

    def metrics(self) -> tuple[OutcomeMetric, ...]:
        """Return the metrics that an import with this mapping registers."""
        return tuple(
            OutcomeMetric(
                name=name,
                event_types=() if self.event_type_column else (self.event_type,),
                json_path=f"$.{name}",
                aggregation=self.aggregation,
                unit=self.unit,
                label=column,
            )
            for name, column in self.outcomes.items()
            if name != SESSION_PERFORMANCE
        )

    def columns(self) -> tuple[str, ...]:
        """Return the file columns the mapping needs, each once."""
        named = [
            self.time,
            self.user,
            *self.outcomes.values(),
            self.time_zone_column,
            self.event_type_column,
            self.event_id,
            *self.other.values(),
        ]
        return tuple(dict.fromkeys(name for name in named if name is not None))

    def columns_schema(self) -> pa.Schema:
        """Return the file's needed columns, each as text."""
        return pa.schema([pa.field(name, pa.string()) for name in self.columns()])


class ExportMapping(BaseModel):
    """Whose an app's export is: a mapping that names no columns, because the app is known.

    Attributes
    ----------
    user_constant
        The person.
    time_zone
        IANA zone of times without an offset and of days, for exports that have none.
    moods
        Number from 1 to 5 by name of a mood, for names that are a person's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_constant: str
    time_zone: str | None = None
    moods: dict[str, str | float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> ExportMapping:
        validate_id("user_constant", self.user_constant)
        if self.time_zone is not None:
            _known_zone(self.time_zone)
        self.said()
        return self

    def said(self) -> Said:
        """Return what it says of the export."""
        moods = mood_numbers({name: str(number) for name, number in self.moods.items()})
        return Said(self.time_zone, moods)


def _known_zone(zone: str) -> str:
    if zone not in zone_names():
        raise ValueError(f"must be a name such as 'Europe/Berlin' but got {zone!r}")
    return zone


def outcomes_of(columns: list[str]) -> dict[str, str]:
    """Return file column by metric name for columns whose metric has the column's own name.

    Characters that a metric name cannot have become `_`.
    """
    return {re.sub(r"[^A-Za-z0-9_]", "_", column): column for column in columns}


def read_mapping(file: Path) -> ImportMapping:
    """Read a mapping from a YAML file.

    Raises
    ------
    MappingError
        If the file is not YAML or the mapping is invalid; every problem is named.
    """
    return make_mapping(_content(file), str(file))


def read_export_mapping(file: Path) -> ExportMapping | None:
    """Read whose an export is from a YAML file, or None where it names a time or outcomes.

    Raises
    ------
    MappingError
        If the file is not YAML or the mapping is invalid; every problem is named.
    """
    content = _content(file)
    if not isinstance(content, dict) or content.keys() & {"time", "outcomes"}:
        return None
    return _validated(ExportMapping, content, str(file))


def _content(file: Path) -> object:
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise MappingError(f"{file}: not a YAML file in UTF-8: {_yaml_problem(error)}") from error


def _yaml_problem(error: Exception) -> str:
    """Return what is wrong and where, without the lines of the file that YAML's error quotes."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1} cannot be read"
    return type(error).__name__


def make_mapping(content: object, where: str = "mapping") -> ImportMapping:
    """Validate a mapping.

    Raises
    ------
    MappingError
        If it is invalid; every problem is named.
    """
    return _validated(ImportMapping, content, where)


def _validated(model: type[_Model], content: object, where: str) -> _Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = []
        for problem in error.errors():
            place = ".".join(str(part) for part in problem["loc"])
            text = problem["msg"].removeprefix("Value error, ")
            problems.append(f"{place}: {text}" if place else text)
        raise MappingError(f"{where}: " + "; ".join(problems)) from error
