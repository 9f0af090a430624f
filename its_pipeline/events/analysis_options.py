"""The options of an analysis that a person may choose: their names, values, rules and texts.

What belongs here: the one definition that a metric's declaration, a logged intervention, a request
over HTTP and the command line share, and how one's choice goes over another's. What does not: who
goes over whom and what becomes of it (`experiments.options`), or what the statistics make of an
option (`its.spec`). Events know nothing of the statistics, so the likelihoods are named here once
more; a test holds names and defaults against `its`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from its_pipeline.schedules.cadence import AUTO, Cadence

#: Night is the reference: the four shares add up to one, so three carry all there is to know.
SHARE_COLUMNS: Final = ("share_morning", "share_afternoon", "share_evening")

LIKELIHOODS: Final = (
    "normal",
    "student_t",
    "lognormal",
    "poisson",
    "negative_binomial",
    "binomial",
)

CARRYOVERS: Final = ("none", "decay")

MOST_COMPARISONS: Final = 8
_COMPARISON: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")

_SWITCHES: Final = {"yes": True, "no": False}


def _schema(*kinds: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [*kinds, {"type": "null"}]})


def _texts(values: tuple[str, ...]) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def _one_of(name: str, value: Any, allowed: tuple[str, ...], remedy: str) -> Any:
    if value is not None and value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)} but got {value!r}; {remedy}")
    return value


def check_comparison_name(name: str) -> None:
    """Raise ValueError where a comparison series cannot be called so.

    Parameters
    ----------
    name
        Of an outcome metric or of an external series.
    """
    if not _COMPARISON.fullmatch(name):
        raise ValueError(
            "the name of a comparison series must be a letter, then letters, digits or _ (at most "
            f"64 in all), but got {name!r}"
        )
    if name.startswith("share_"):
        raise ValueError(
            f"the name of a comparison series must not begin with share_ but got {name!r}; times "
            "of day are said by covariates"
        )


class AnalysisOptions(BaseModel):
    """Options of the analysis of a daily outcome; None: not said, so somebody else's choice counts.

    Attributes
    ----------
    likelihood
        How days scatter: ``normal``, or ``student_t`` where a few days lie far from the rest;
        ``lognormal`` for positive times and amounts, ``negative_binomial`` or ``poisson`` for
        counts, ``binomial`` for yes/no and shares.
    season
        ``day_of_week`` or ``none``.
    slope
        Whether the trend may change at the intervention: True, False or ``auto``; "yes" and "no"
        are read too.
    trend
        Whether a straight trend is in the model; without it no slope can change.
    carryover
        ``decay``: what is left of the effect after stopping is estimated, fading over a few days;
        for interventions that are on and off again.
    covariates
        Which time-of-day shares are adjusted for, of `SHARE_COLUMNS`; empty or "none": none.
    comparisons
        Comparison series, in the model as not affected by the intervention: names of the person's
        other outcome metrics, or of external series; empty or "none": none.
    cadence
        The unit of time: ``auto`` finds it from the dates; ``day``, ``week``, ``month``,
        ``quarter``, ``year``, ``session``, ``irregular``, or a step such as ``14-day``.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "description": "Options of an analysis; what is absent or null is as it is otherwise: "
            "the intervention's, else the metric's, else the installation's.",
            "examples": [{"slope": "no", "covariates": ["share_morning"]}],
        },
    )

    seasons: ClassVar[tuple[str, ...]] = ("day_of_week", "none")
    known_covariates: ClassVar[tuple[str, ...] | None] = SHARE_COLUMNS

    likelihood: Annotated[str | None, _schema(_texts(LIKELIHOODS))] = Field(
        default=None,
        description="How days scatter: student_t where a few days lie far from the rest, lognormal "
        "for positive times and amounts, negative_binomial or poisson for counts, binomial for "
        "yes/no and shares.",
    )
    season: Annotated[str | None, _schema(_texts(seasons))] = Field(
        default=None,
        description="Whether days of the week differ; and the time of the year, where a window has "
        "a year and a half of days.",
    )
    slope: Annotated[
        bool | Literal["auto"] | None, _schema({"type": "boolean"}, _texts(("auto", "yes", "no")))
    ] = Field(default=None, description="Whether the trend may change at the intervention.")
    trend: Annotated[bool | None, _schema({"type": "boolean"})] = Field(
        default=None, description="Whether a straight trend is in the model."
    )
    carryover: Annotated[str | None, _schema(_texts(CARRYOVERS))] = Field(
        default=None,
        description="Whether what is left of the effect after stopping is estimated: decay or "
        "none.",
    )
    covariates: Annotated[
        tuple[str, ...] | None,
        _schema(
            {
                "type": "array",
                "items": _texts(SHARE_COLUMNS),
                "uniqueItems": True,
                "maxItems": len(SHARE_COLUMNS),
            },
            _texts(("none",)),
        ),
    ] = Field(default=None, description="Which time-of-day shares are adjusted for.")
    comparisons: Annotated[
        tuple[str, ...] | None,
        _schema(
            {
                "type": "array",
                "items": {"type": "string", "pattern": f"^{_COMPARISON.pattern}$"},
                "uniqueItems": True,
                "maxItems": MOST_COMPARISONS,
            },
            _texts(("none",)),
        ),
    ] = Field(
        default=None,
        description="Comparison series, declared as not affected by the intervention: other "
        "outcome metrics of the person, or external series of the store.",
    )
    cadence: Annotated[str | None, _schema({"type": "string"})] = Field(
        default=None,
        description="The unit of time: auto (found from the dates), day, week, month, quarter, "
        "year, session, irregular, or a step such as 14-day or 6-month.",
    )

    @model_validator(mode="before")
    @classmethod
    def _known_names(cls, values: Any) -> Any:
        if isinstance(values, AnalysisOptions):
            return values
        known = ", ".join(cls.model_fields)
        if not isinstance(values, Mapping):
            raise ValueError(f"analysis must map options ({known}) to values but got {values!r}")
        unknown = sorted(str(name) for name in values if name not in cls.model_fields)
        if unknown:
            raise ValueError(f"there is no option {', '.join(unknown)}; options are {known}")
        return values

    @field_validator("likelihood", mode="before")
    @classmethod
    def _known_likelihood(cls, value: Any) -> Any:
        return _one_of("likelihood", value, LIKELIHOODS, "leave it out for the usual one")

    @field_validator("carryover", mode="before")
    @classmethod
    def _known_carryover(cls, value: Any) -> Any:
        return _one_of("carryover", value, CARRYOVERS, "leave it out for the usual one")

    @field_validator("season", mode="before")
    @classmethod
    def _known_season(cls, value: Any) -> Any:
        remedy = "leave it out for the usual one"
        if value == "month":
            remedy = "outcomes are daily here; `its-pipeline analyze` takes a monthly series"
        return _one_of("season", value, cls.seasons, remedy)

    @field_validator("cadence", mode="before")
    @classmethod
    def _known_cadence(cls, value: Any) -> Any:
        return value if value is None or value == AUTO else Cadence.of(value).name

    @field_validator("slope", mode="before")
    @classmethod
    def _legal_slope(cls, value: Any) -> Any:
        if value is None or isinstance(value, bool) or value == "auto":
            return value
        if isinstance(value, str) and value in _SWITCHES:
            return _SWITCHES[value]
        raise ValueError(
            f"slope must be auto, yes or no (true, false) but got {value!r}; leave it out for the "
            "usual one"
        )

    @field_validator("trend", mode="before")
    @classmethod
    def _legal_trend(cls, value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        raise ValueError(
            f"trend must be true or false but got {value!r}; leave it out for the usual one"
        )

    @field_validator("covariates", mode="before")
    @classmethod
    def _legal_covariates(cls, value: Any) -> Any:
        if value is None:
            return None
        known = cls.known_covariates
        if known is not None and value == "none":
            return ()
        names = "columns" if known is None else f"{', '.join(known)}, or none"
        rule = f"covariates must be a list of {names}, each once,"
        if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
            raise ValueError(f"{rule} but got {value!r}")
        twice = sorted({name for name in value if value.count(name) > 1})
        if twice:
            raise ValueError(f"{rule} but {', '.join(twice)} is there twice; leave one out")
        if known is None:
            return tuple(value)
        unknown = [name for name in value if name not in known]
        if unknown:
            remedy = "leave it out"
            if "share_night" in unknown:
                remedy = "leave it out: night is what the other times of day are compared with"
            raise ValueError(f"{rule} but got {unknown[0]!r}; {remedy}")
        # One order, so that the same choice is the same analysis.
        return tuple(name for name in known if name in value)

    @field_validator("comparisons", mode="before")
    @classmethod
    def _legal_comparisons(cls, value: Any) -> Any:
        if value is None:
            return None
        if value == "none":
            return ()
        rule = f"comparisons must be a list of at most {MOST_COMPARISONS} names, each once, or none"
        if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
            raise ValueError(f"{rule}, but got {value!r}")
        for name in value:
            check_comparison_name(name)
        if len(set(value)) < len(value) or len(value) > MOST_COMPARISONS:
            raise ValueError(f"{rule}, but got {', '.join(value)}")
        # One order, so that the same choice is the same analysis.
        return tuple(sorted(value))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.slope is True and self.trend is False:
            raise ValueError(
                "slope is yes but trend is no: a slope change needs a slope to change; say slope "
                "auto or no, or trend yes"
            )
        return self

    @classmethod
    def read(cls, values: object) -> Self:
        """Return the options that a mapping says.

        Parameters
        ----------
        values
            Names to values; an object of this class is returned as it is.

        Raises
        ------
        ValueError
            If a name is unknown or a value breaks its rule; all of it in one line.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            texts = [problem["msg"].removeprefix("Value error, ") for problem in error.errors()]
            raise ValueError("; ".join(texts)) from None

    def said(self) -> dict[str, Any]:
        """Return what is said, as JSON-able values by name; `read` is the inverse."""
        return self.model_dump(mode="json", exclude_none=True)

    def over(self, below: AnalysisOptions) -> Self:
        """Return what is said here, and what `below` says where nothing is said here.

        Raises
        ------
        ValueError
            If the two contradict each other: a change of slope here and no trend there.
        """
        return self.read({**below.said(), **self.said()})

    def beyond(self, below: AnalysisOptions) -> Self:
        """Return what is said here and is not what `below` says anyway."""
        usual = below.said()
        said = self.said()
        return self.read({name: said[name] for name in said if said[name] != usual.get(name)})

    def model_settings(self) -> dict[str, Any]:
        """Return what is said of the model itself, by the names of `its.AnalysisSpec`."""
        said = self.said()
        return {name: said[name] for name in said if name not in ("covariates", "comparisons")}

    def __repr__(self) -> str:
        # What is not said is not worth reading in a refusal.
        return repr(self.said())


class SeriesOptions(AnalysisOptions):
    """Options of the analysis of one plain series, whose columns and unit of time are its own."""

    seasons: ClassVar[tuple[str, ...]] = ("day_of_week", "month", "year", "none")
    known_covariates: ClassVar[tuple[str, ...] | None] = None


UNSAID: Final = AnalysisOptions()
"""Nothing is said."""

USUAL: Final = AnalysisOptions(
    likelihood="normal",
    season="day_of_week",
    slope="auto",
    trend=True,
    carryover="none",
    covariates=SHARE_COLUMNS,
    comparisons=(),
    cadence=AUTO,
)
"""What an installation does where nobody says otherwise."""
