"""What an intervention is, and the rules a single one must keep.

Only the declaration: where interventions are stored belongs to `interventions`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Literal, cast
from zoneinfo import available_timezones

from its_pipeline.events.analysis_options import UNSAID, AnalysisOptions
from its_pipeline.events.keys import ExperimentKey, validate_id
from its_pipeline.schedules.look_plans import DAILY, LOOK_PLANS
from its_pipeline.schedules.schedule import Schedule

Direction = Literal["increase", "decrease"]
Status = Literal["open", "withdrawn"]

DEFAULT_BASELINE_DAYS = 90
DEFAULT_HORIZON_DAYS = 90
MAXIMUM_DAYS = 3650

NOT_DECLARED = frozenset({"status", "version", "sequence", "logged_at"})
"""Fields that the log sets, not the person."""


@dataclass(frozen=True, kw_only=True)
class Intervention:
    """One intervention of one person, in one version.

    Attributes
    ----------
    user_id, intervention_id
        Legal identifiers; together they are the experiment's key.
    outcome_metric
        Name of a registered outcome metric.
    started_on
        Local calendar date on which it began, **INCLUSIVE**: that day is post. With a schedule its
        first day, see `Schedule.starts_on`.
    ended_on
        Last local date on which it acted, **INCLUSIVE**, or None while it goes on. With a schedule
        its last day, see `Schedule.ends_on`; filled in where it is None.
    direction
        Which change of the outcome is the benefit.
    baseline_days, horizon_days
        Calendar days wanted ahead of the start and from it on.
    minimum_effect
        Smallest effect that counts as a benefit, in outcome units, at least 0.
    washout_days
        Days from `started_on` that are left out of the fit.
    time_zone
        The person's IANA zone, in which the dates are meant.
    protocol
        Free texts for the reporting checklist, by item.
    analysis
        Options of its analysis where they differ from the metric's; a mapping is read.
    schedule
        On which days it acted, where that is not every day from `started_on` (to `ended_on`); a
        mapping is read. One that is on from its first day for good is what `started_on` alone
        means, and becomes None.
    carryover_days
        Days left out of the fit after every switch between on and off; 0 without a schedule.
    looks
        How it is looked at while it goes on: a name in `schedules.look_plans.LOOK_PLANS`.
    kind
        What groups the same intervention over people: a legal identifier; empty: its own
        `intervention_id`.
    status, version, sequence, logged_at
        Set by the log: `open` or `withdrawn`; 1, 2, ... per amendment; position in the log;
        instant of the first version.
    """

    user_id: str
    intervention_id: str
    outcome_metric: str
    started_on: date
    name: str = ""
    ended_on: date | None = None
    direction: Direction = "increase"
    baseline_days: int = DEFAULT_BASELINE_DAYS
    horizon_days: int = DEFAULT_HORIZON_DAYS
    minimum_effect: float = 0.0
    washout_days: int = 0
    hypothesis: str = ""
    time_zone: str = "UTC"
    protocol: Mapping[str, str] = field(default_factory=dict)
    analysis: AnalysisOptions = UNSAID
    schedule: Schedule | None = None
    carryover_days: int = 0
    looks: str = DAILY
    kind: str = ""
    status: Status = "open"
    version: int = 1
    sequence: int = 0
    logged_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ValueError("; ".join(problems))
        object.__setattr__(self, "minimum_effect", float(self.minimum_effect))
        object.__setattr__(self, "protocol", dict(self.protocol))
        object.__setattr__(self, "analysis", AnalysisOptions.read(self.analysis))
        schedule = _read_schedule(self.schedule)
        if schedule is not None:
            if schedule.is_single_change:
                schedule = None
            else:
                object.__setattr__(self, "ended_on", schedule.ends_on)
        object.__setattr__(self, "schedule", schedule)
        if not self.name:
            object.__setattr__(self, "name", self.intervention_id)

    @classmethod
    def declared(cls, **fields: Any) -> Intervention:
        """Build an intervention from what a person declares.

        `started_on` may be left out beside a `schedule`, which says it.

        Raises
        ------
        ValueError
            If a field is unknown, belongs to the log, or breaks a rule.
        """
        names = {f.name for f in dataclasses.fields(cls)} - NOT_DECLARED
        unknown = sorted(fields.keys() - names)
        if unknown:
            raise ValueError(
                f"an intervention has no field {', '.join(unknown)}; fields are "
                f"{', '.join(sorted(names))}"
            )
        if fields.get("started_on") is None:
            schedule = _read_schedule(fields.get("schedule"))
            fields["started_on"] = None if schedule is None else schedule.starts_on
        return cls(**fields)

    def changed(self, **changes: Any) -> Intervention:
        """Return the intervention with other values; a new schedule brings its own days along.

        Parameters
        ----------
        **changes
            Fields of `Intervention`.

        Raises
        ------
        ValueError
            If a value breaks a rule.
        """
        if "schedule" in changes:
            schedule = _read_schedule(changes["schedule"])
            if schedule is not None:
                changes.setdefault("started_on", schedule.starts_on)
            if schedule is not None or self.schedule is not None:
                # What was there is the last day of the earlier schedule.
                changes.setdefault("ended_on", None)
        return dataclasses.replace(self, **changes)

    @property
    def key(self) -> ExperimentKey:
        """The experiment this intervention makes."""
        return ExperimentKey(self.user_id, self.intervention_id)

    @property
    def pooled_as(self) -> str:
        """The kind by which it is pooled with other people's: `kind`, else its own identifier."""
        return self.kind or self.intervention_id

    def declaration(self) -> dict[str, Any]:
        """Return the fields a person declares, without those the log sets."""
        fields = {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if f.name not in NOT_DECLARED
        }
        if self.schedule is not None:
            fields["schedule"] = self.schedule.with_drawn_at(None)
        return fields

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as JSON-able values; dates and instants as ISO 8601 text."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for name in ("started_on", "ended_on", "logged_at"):
            values[name] = values[name].isoformat() if values[name] is not None else None
        values["protocol"] = dict(self.protocol)
        values["analysis"] = self.analysis.said()
        values["schedule"] = None if self.schedule is None else self.schedule.to_dict()
        return values

    def _problems(self) -> list[str]:
        problems: list[str] = []
        for kind in ("user_id", "intervention_id"):
            try:
                validate_id(kind, getattr(self, kind))
            except ValueError as error:
                problems.append(str(error))
        if self.kind != "":
            try:
                validate_id("kind", self.kind)
            except ValueError as error:
                problems.append(str(error))
        problems += self._date_problems() or self._schedule_problems()
        problems += self._number_problems()
        for choice, allowed in (
            ("direction", ("increase", "decrease")),
            ("status", ("open", "withdrawn")),
            ("looks", LOOK_PLANS),
        ):
            value = getattr(self, choice)
            if value not in allowed:
                problems.append(f"{choice} must be one of {', '.join(allowed)} but got {value!r}")
        if self.time_zone not in zone_names():
            problems.append(
                f"time_zone must be a name of the IANA time zone database such as "
                f"'Europe/Berlin' but got {self.time_zone!r}"
            )
        try:
            analysis = AnalysisOptions.read(self.analysis)
        except ValueError as error:
            return [*problems, f"analysis: {error}"]
        if self.outcome_metric in (analysis.comparisons or ()):
            problems.append(
                f"analysis: {self.outcome_metric} is the outcome, so it cannot be a comparison "
                "series; leave it out of comparisons"
            )
        return problems

    def _date_problems(self) -> list[str]:
        if not _is_date(self.started_on):
            return [
                "started_on must be a date, or be left out beside a schedule, which says it, but "
                f"got {self.started_on!r}"
            ]
        if self.ended_on is None:
            return []
        if not _is_date(self.ended_on):
            return [f"ended_on must be a date or None but got {self.ended_on!r}"]
        if self.ended_on < self.started_on:
            return [
                f"ended_on {self.ended_on} must not be earlier than started_on {self.started_on}"
            ]
        return []

    def _schedule_problems(self) -> list[str]:
        try:
            schedule = _read_schedule(self.schedule)
        except ValueError as error:
            return [str(error)]
        problems = []
        if schedule is not None and self.started_on != schedule.starts_on:
            problems.append(
                f"started_on {self.started_on} is not the schedule's first day, "
                f"{schedule.starts_on}; leave started_on out, or change the schedule"
            )
        if schedule is None or schedule.is_single_change:
            if self.carryover_days:
                problems.append(
                    f"carryover_days is {self.carryover_days} but there is no schedule, so there "
                    "is only one switch; use washout_days"
                )
        elif self.ended_on not in (None, schedule.ends_on):
            problems.append(
                f"ended_on {self.ended_on} is not the schedule's last day, "
                f"{schedule.ends_on or 'which is open'}; leave ended_on out, or change the schedule"
            )
        return problems

    def _number_problems(self) -> list[str]:
        problems = []
        lowest = {"baseline_days": 1, "horizon_days": 1, "washout_days": 0, "carryover_days": 0}
        for name, least in lowest.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool):
                problems.append(f"{name} must be a whole number but got {value!r}")
            elif not least <= value <= MAXIMUM_DAYS:
                problems.append(f"{name} must be in [{least}, {MAXIMUM_DAYS}] but got {value}")
        effect = cast("object", self.minimum_effect)
        if not isinstance(effect, int | float) or isinstance(effect, bool):
            problems.append(f"minimum_effect must be a number but got {effect!r}")
        elif not math.isfinite(effect) or effect < 0:
            problems.append(f"minimum_effect must be finite and at least 0 but got {effect}")
        if not isinstance(self.protocol, Mapping) or not all(
            isinstance(k, str) and isinstance(v, str) for k, v in self.protocol.items()
        ):
            problems.append(f"protocol must map texts to texts but got {self.protocol!r}")
        return problems


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return the names of the IANA time zone database."""
    return frozenset(available_timezones())


def _is_date(value: object) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


def _read_schedule(value: Schedule | Mapping[str, Any] | None) -> Schedule | None:
    """Return a schedule from a mapping, or as it is; errors say that it is the schedule's."""
    if value is None or isinstance(value, Schedule):
        return value
    try:
        return Schedule.from_dict(value)
    except ValueError as error:
        raise ValueError(f"schedule: {error}") from error


def differences(present: Intervention, wanted: Intervention) -> str:
    """Say in which fields two declarations differ; empty where they do not."""
    before, after = present.declaration(), wanted.declaration()
    return "; ".join(
        f"{name} is {_told(before[name])}, not {_told(after[name])}"
        for name in before
        if before[name] != after[name]
    )


def _told(value: object) -> str:
    """Return a field's value for people: a schedule as it is given, not as the object it is."""
    return repr(value.to_dict() if isinstance(value, Schedule) else value)
