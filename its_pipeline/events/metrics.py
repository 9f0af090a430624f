"""The outcome metrics: which events make a daily number, how, within which range, in which unit.

A metric is a declaration; the SQL that computes it lives in `daily.py`. Here belong the shape of a
declaration, the metrics that ship, and reading a person's own from a settings file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from its_pipeline.events.analysis_options import UNSAID, AnalysisOptions
from its_pipeline.events.traits import MOST_TRAITS, check_trait_name
from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.schedules.cadence import AUTO, DAYS, Cadence

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

IMPORTED_FOLDER = "metrics.d"
"""Folder of the metrics that imports register, under the store root."""

SESSION_PERFORMANCE = "sessionPerformanceScore"

NUMERIC_COLUMNS = ("session_performance_score",)
"""Numeric outcome columns of an event that a metric may read."""

CATEGORY_COLUMNS = (
    "engagement_level",
    "completion_quality",
    "content_type",
    "difficulty_level",
    "experiment_phase",
)
"""Text columns of an event whose share of one value a `rate` metric may count."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_JSON_PATH = re.compile(r"\$(\.[A-Za-z_][A-Za-z0-9_]*|\[[0-9]{1,4}\])+")
_EVENT_TYPE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


NO_TIME_OF_DAY = (
    "time-of-day shares are not in the model: a day without events counts as zero, and no event "
    "says at what time of day"
)
"""Why the shares leave the model of a metric without `has_time_of_day`, for plans and pages."""


class MetricError(ValueError):
    """A metrics settings file or one of its entries is not usable."""


class UnknownMetricError(ValueError):
    """A metric was asked for that is not registered.

    Attributes
    ----------
    name
        What was asked for.
    known
        The registered names, sorted.
    """

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(name, known)
        self.name = name
        self.known = known

    def __str__(self) -> str:
        return (
            f"unknown outcome metric {self.name!r}; known metrics are {', '.join(self.known)}; "
            "add others to the metrics settings file"
        )


class OutcomeMetric(BaseModel):
    """One outcome metric.

    Attributes
    ----------
    name
        What interventions refer to; letters, digits and underscores.
    event_types
        Events that count; empty means every event.
    column
        Event column that holds the value; or `json_path`, a path into `event_data`.
    aggregation
        From one day's values to one number. `count` counts events (or non-null values when a
        column is given); `rate` is the share of values that equal `equals`.
    equals
        For `rate`: the value whose share is taken.
    minimum, maximum
        Legal range of one value, both **INCLUSIVE**; an event with a number outside is rejected.
    unit
        Unit of the daily number, for texts.
    zero_days
        For `count` and `sum`: whether a day without events between a person's first and last
        event is a real zero. Otherwise such a day is missing.
    label
        A name for people; defaults to `name`.
    likelihood
        How the daily number scatters, as `its.AnalysisSpec` names it: ``normal``, or ``student_t``
        where a few days lie far from the rest, ``lognormal``, ``poisson``, ``negative_binomial``,
        ``binomial``; `analysis` may say it instead.
    analysis
        Options of the analyses of this metric; a logged intervention or a request may differ.
    pooled_in
        In what effects of many people are pooled: ``unit``, the metric's; ``baseline_sd``, sds of
        each person's own days without the intervention, where people's units are not the same.
    pooled_by
        One or two traits, of people (`stores.person_traits`) or of designs
        (`events.traits.DESIGN_TRAITS`), that effects of many people are regressed on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    event_types: tuple[str, ...] = ()
    column: str | None = None
    json_path: str | None = None
    aggregation: Literal["mean", "median", "sum", "count", "rate"] = "mean"
    equals: str | None = None
    minimum: float = Field(default=-math.inf)
    maximum: float = Field(default=math.inf)
    unit: str = ""
    zero_days: bool = False
    label: str = ""
    likelihood: str = "normal"
    analysis: AnalysisOptions = UNSAID
    pooled_in: Literal["unit", "baseline_sd"] = "unit"
    pooled_by: tuple[str, ...] = ()

    @field_validator("name")
    @classmethod
    def _legal_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(f"must be a letter, then letters, digits or _, but is {name!r}")
        return name

    @field_validator("event_types")
    @classmethod
    def _legal_event_types(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        for event_type in types:
            if not _EVENT_TYPE.fullmatch(event_type):
                raise ValueError(
                    f"must be letters, digits or any of _ . : -, but has {event_type!r}"
                )
        return types

    @field_validator("pooled_by")
    @classmethod
    def _legal_traits(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            check_trait_name(name)
        if len(names) > MOST_TRAITS or len(set(names)) < len(names):
            raise ValueError(
                f"must be one or {MOST_TRAITS} different traits but has {', '.join(names)}: with "
                "more, one of them will look as if it mattered"
            )
        return names

    @field_validator("json_path")
    @classmethod
    def _legal_json_path(cls, path: str | None) -> str | None:
        if path is not None and not _JSON_PATH.fullmatch(path):
            raise ValueError(f"must look like $.minutes or $.answers[0].score, but is {path!r}")
        return path

    @model_validator(mode="after")
    def _consistent(self) -> OutcomeMetric:
        if self.column is not None and self.json_path is not None:
            raise ValueError("give column or json_path, not both")
        has_value = self.column is not None or self.json_path is not None
        if not has_value and self.aggregation != "count":
            raise ValueError(f"aggregation {self.aggregation!r} needs a column or a json_path")
        if self.column is not None:
            self._check_column(self.column)
        if (self.aggregation == "rate") != (self.equals is not None):
            raise ValueError("equals belongs to aggregation 'rate', and 'rate' needs it")
        if self.zero_days and self.aggregation not in ("count", "sum"):
            raise ValueError(f"zero_days has no meaning for aggregation {self.aggregation!r}")
        if not self.minimum < self.maximum:
            raise ValueError(f"minimum {self.minimum} must be below maximum {self.maximum}")
        self._check_analysis()
        return self

    def _check_analysis(self) -> None:
        chosen = self.analysis.likelihood
        if "likelihood" in self.model_fields_set and chosen not in (None, self.likelihood):
            raise ValueError(
                f"likelihood is {self.likelihood!r} but analysis says {chosen!r}; say it once"
            )
        if self.zero_days and self.analysis.covariates:
            raise ValueError(
                f"analysis has covariates {', '.join(self.analysis.covariates)} but zero_days "
                "makes days without events count, which have no time of day; leave one of the two "
                "out"
            )

    def _check_column(self, column: str) -> None:
        allowed = NUMERIC_COLUMNS
        if self.aggregation in ("rate", "count"):
            allowed = NUMERIC_COLUMNS + CATEGORY_COLUMNS
        if column not in allowed:
            raise ValueError(
                f"column {column!r} cannot be used with aggregation {self.aggregation!r}; "
                f"possible columns are {', '.join(allowed)}"
            )

    @property
    def title(self) -> str:
        """The name for people."""
        return self.label or self.name

    @property
    def is_share(self) -> bool:
        """Whether a day's number is a share of, or the mean over, its events."""
        return self.aggregation in ("mean", "rate")

    @property
    def calendar(self) -> Cadence:
        """The unit of time that is declared; days where it is found from the dates."""
        said = self.analysis.cadence
        return DAYS if said in (None, AUTO) else Cadence.of(said)

    @property
    def has_time_of_day(self) -> bool:
        """Whether every observed day has events, and so shares by time of day."""
        return not self.zero_days


SHIPPED: tuple[OutcomeMetric, ...] = (
    OutcomeMetric(
        name=SESSION_PERFORMANCE,
        event_types=("SESSION_ENDED",),
        column="session_performance_score",
        aggregation="mean",
        minimum=0.0,
        maximum=100.0,
        unit="points",
        label="Session performance",
    ),
)
"""The metrics that are there without any settings file."""


def load_metrics(
    settings_file: Path | str | None, imported: Path | None = None
) -> dict[str, OutcomeMetric]:
    """Return the registered metrics by name: the shipped ones and those of the settings file.

    Parameters
    ----------
    settings_file
        A YAML file with a list `metrics:`; a file that does not exist adds nothing.
    imported
        Folder of further such files, which imports write; read in name order. By default the
        folder `metrics.d` beside the settings file.

    Raises
    ------
    MetricError
        If the settings file is not YAML of that shape, an entry is invalid, or a name is
        registered twice with different meanings. All invalid entries of a file are named at once.
        A damaged file of an import is set aside instead.
    """
    registered = {metric.name: metric for metric in SHIPPED}
    found: dict[Path, tuple[OutcomeMetric, ...]] = {}
    if settings_file is not None:
        main = Path(settings_file)
        if main.is_file():
            found[main] = read_metrics_file(main)
        imported = imported or main.parent / IMPORTED_FOLDER
    if imported is not None:
        for file in sorted(imported.glob("*.yaml")):
            # An import wrote it, and registers its metrics again (`import_metrics`).
            own = read_or_set_aside(file, _registered_by_import, imported.parent)
            found[file] = own or ()
    for file, metrics in found.items():
        for metric in metrics:
            known = registered.get(metric.name)
            if known is not None and known != metric and known not in SHIPPED:
                raise MetricError(
                    f"{file}: metric {metric.name!r} is registered before with another meaning; "
                    "rename one of the two, or declare it alike in both"
                )
            registered[metric.name] = metric
    return registered


def registered_metrics(settings: Settings) -> dict[str, OutcomeMetric]:
    """Return the metrics of an installation: shipped, its settings file's, and its imports'."""
    return load_metrics(settings.resolved_metrics_file, settings.store_root / IMPORTED_FOLDER)


def _registered_by_import(file: Path) -> tuple[OutcomeMetric, ...]:
    metrics = read_metrics_file(file)
    if not metrics:
        raise MetricError(f"{file}: no metric is in it")
    return metrics


def read_metrics_file(file: Path) -> tuple[OutcomeMetric, ...]:
    """Read the metrics of one settings file.

    Raises
    ------
    MetricError
        As in `load_metrics`.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MetricError(f"{file}: not a YAML file in UTF-8: {error}") from error
    if content is None:
        return ()
    entries = content.get("metrics") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise MetricError(f"{file}: expected a mapping with a list 'metrics', got {content!r:.80}")
    metrics: list[OutcomeMetric] = []
    problems: list[str] = []
    for number, entry in enumerate(entries, start=1):
        try:
            metrics.append(OutcomeMetric.model_validate(entry))
        except ValidationError as error:
            problems += [f"entry {number}{_where(entry)}: {text}" for text in _texts(error)]
    names = [metric.name for metric in metrics]
    problems += [f"{name!r} is given twice" for name in sorted(set(names)) if names.count(name) > 1]
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise MetricError(f"{file}: no metric of it is taken{listed}")
    return tuple(metrics)


def write_metrics_file(file: Path, metrics: tuple[OutcomeMetric, ...]) -> None:
    """Write metrics in the form `read_metrics_file` reads; the file is replaced whole."""
    entries = [metric.model_dump(mode="json", exclude_defaults=True) for metric in metrics]
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.tmp")
    beside.write_text(yaml.safe_dump({"metrics": entries}, sort_keys=False), encoding="utf-8")
    beside.replace(file)


def get_metric(metrics: Mapping[str, OutcomeMetric], name: str) -> OutcomeMetric:
    """Return the metric called `name`.

    Raises
    ------
    UnknownMetricError
        If there is none; the message lists the known ones.
    """
    try:
        return metrics[name]
    except KeyError:
        raise UnknownMetricError(name, tuple(sorted(metrics))) from None


def _where(entry: Any) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    return f" ({name!r})" if name is not None else ""


def _texts(error: ValidationError) -> list[str]:
    texts = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
        if problem["type"] == "extra_forbidden":
            message = (
                "is no field of a metric; take it out, or spell it as one of "
                f"{', '.join(OutcomeMetric.model_fields)}"
            )
        elif problem["type"] == "missing":
            message = "is missing; add it"
        elif problem["type"] != "value_error":
            message += f" but is {problem['input']!r:.80}; correct it"
        texts.append(f"{place}: {message}" if place else message)
    return texts
