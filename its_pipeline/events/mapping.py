"""How a foreign file's columns become events: declared by a person, validated before reading.

Reading the file belongs to `importing`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeVar

import pyarrow as pa
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from its_pipeline.events.analysis_options import UNSAID, AnalysisOptions
from its_pipeline.events.cell_texts import DateOrder
from its_pipeline.events.exported import Said, mood_numbers
from its_pipeline.events.intervention import zone_names
from its_pipeline.events.keys import validate_id
from its_pipeline.events.metrics import SESSION_PERFORMANCE, OutcomeMetric
from its_pipeline.schedules.cadence import SESSION_ZERO

DEFAULT_EVENT_TYPE = "OBSERVATION"
TimeKind = Literal[
    "timestamp", "day_number", "session", "unix_seconds", "unix_milliseconds", "year", "excel_days"
]
FileFormat = Literal["csv", "parquet", "jsonl", "sheet"]


MAXIMUM_HEADER_LINE = 1000

_LATER_FIELDS = (
    "units",
    "date_order",
    "thousands",
    "percent",
    "yes_no",
    "sheet",
    "header_line",
    "any_user",
)
"""Fields that came later: unsaid, they are no part of an import's digest, which stays as it was."""
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
        How to read it. `day_number` counts days from `start_on`, which is day 0; `session` numbers
        sessions, which have no dates (see `schedules.cadence.session_on`); `year` is a year
        of four digits, meant as its first day; `excel_days` are Excel's serial numbers.
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
    units
        Unit by outcome metric name, where they differ.
    date_order
        Reads dates other than ISO's: with signs between, month names, two-digit years, months.
        `ymd`, `dmy` or `mdy` says what `01/02/03` means. Without it only ISO dates are read.
    thousands
        The sign that may stand between thousands: `,`, `.`, `'` or a space.
    percent
        Whether a percent sign may follow a number; `6.7%` is 6.7.
    yes_no
        Whether yes and true are 1, no and false 0.
    sheet
        Of a spreadsheet with several sheets, the one to read.
    header_line
        Line of the column names, counted from 1; the lines above are not read. 0: there are none,
        and the columns are `column_1`, `column_2`, ...
    any_user
        Whether ids of people may hold any signs; they get a legal key (`keys.key_of_id`).
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
    units: dict[str, str] = Field(default_factory=dict)
    date_order: DateOrder | None = None
    thousands: Literal[",", ".", "'", " "] | None = None
    percent: bool = False
    yes_no: bool = False
    sheet: str | None = None
    header_line: int | None = Field(default=None, ge=0, le=MAXIMUM_HEADER_LINE)
    any_user: bool = False

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
        if self.thousands == ("," if self.decimal_comma else "."):
            raise ValueError(f"thousands {self.thousands!r} is the decimal sign already")
        self.metrics()
        return self

    def metrics(self) -> tuple[OutcomeMetric, ...]:
        """Return the metrics that an import with this mapping registers."""
        analysis = AnalysisOptions(cadence="session") if self.time_kind == "session" else UNSAID
        return tuple(
            OutcomeMetric(
                name=name,
                event_types=() if self.event_type_column else (self.event_type,),
                json_path=f"$.{name}",
                aggregation=self.aggregation,
                unit=self.units.get(name, self.unit),
                label=column,
                analysis=analysis,
            )
            for name, column in self.outcomes.items()
            if name != SESSION_PERFORMANCE
        )

    @property
    def day_zero(self) -> date | None:
        """Local date of number 0, where the time is a number of days or of sessions."""
        return SESSION_ZERO if self.time_kind == "session" else self.start_on

    @property
    def has_rules(self) -> bool:
        """Whether it declares how texts are read, beyond what the contract itself reads."""
        return bool(self.date_order or self.thousands or self.percent or self.yes_no)

    def record(self) -> dict[str, Any]:
        """Return the mapping as JSON-able values, without later fields that say nothing."""
        return {
            name: value
            for name, value in self.model_dump(mode="json").items()
            if name not in _LATER_FIELDS or (value not in (None, {}) and value is not False)
        }

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


def outcomes_of(columns: Iterable[str]) -> dict[str, str]:
    """Return file column by metric name for columns whose metric has the column's own name.

    Characters that a metric name cannot have become `_`; a name that then begins with no letter
    has `outcome_` ahead of it, and one that is taken already a number behind it.
    """
    found: dict[str, str] = {}
    for column in columns:
        name = re.sub(r"[^A-Za-z0-9_]", "_", column)
        name = (name if re.match(r"[A-Za-z]", name) else f"outcome_{name}")[:60]
        number = 1
        while name in found:
            number += 1
            name = f"{name.removesuffix(f'_{number - 1}')}_{number}"
        found[name] = column
    return found


def numbered_columns(number: int) -> list[str]:
    """Return the names of columns that have none: `column_1`, `column_2`, ..."""
    return named_columns([""] * number)


def named_columns(names: Iterable[str]) -> list[str]:
    """Return a header's names; those that are empty become `column_` and the place."""
    return [(name.strip() and name) or f"column_{n}" for n, name in enumerate(names, start=1)]


def read_mapping_fields(file: Path) -> dict[str, Any]:
    """Read the fields of a mapping that may leave some to the data from a YAML file.

    Raises
    ------
    MappingError
        If the file is not YAML, or holds no fields.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise MappingError(f"{file}: not a YAML file in UTF-8: {_yaml_problem(error)}") from error
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise MappingError(f"{file}: expected fields such as 'time: day', and found none")
    return content


def make_export_mapping(content: object, where: str) -> ExportMapping:
    """Validate whose an app's export is said to be.

    Raises
    ------
    MappingError
        If it is invalid; every problem is named.
    """
    return _validated(ExportMapping, content, where)


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
