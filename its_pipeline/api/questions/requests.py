"""What clients send: the bodies of requests.

What belongs here: their fields, rules and examples. What does not: responses (`responses`), or what
is done with a request (`preparing`, the routes).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from its_pipeline.api.questions.bodies_looks import Looks
from its_pipeline.api.questions.fields import (
    Amount,
    Flag,
    Identifier,
    Kind,
    LocalDate,
    MetricName,
    Text,
    Whole,
)
from its_pipeline.api.questions.schedules import ScheduleBody
from its_pipeline.events.analysis_options import LIKELIHOODS, UNSAID, AnalysisOptions
from its_pipeline.events.intervention import (
    DEFAULT_BASELINE_DAYS,
    DEFAULT_HORIZON_DAYS,
    MAXIMUM_DAYS,
)
from its_pipeline.events.metrics import SESSION_PERFORMANCE
from its_pipeline.schedules.schedule import Schedule

Name = Annotated[Text, StringConstraints(max_length=200)]
Hypothesis = Annotated[Text, StringConstraints(max_length=4000)]
Reason = Annotated[Text, StringConstraints(min_length=1, max_length=1000, pattern=r"\S")]
ProtocolItem = Annotated[Text, StringConstraints(max_length=4000)]
ProtocolName = Annotated[Text, StringConstraints(min_length=1, max_length=64)]
Protocol = Annotated[dict[ProtocolName, ProtocolItem], Field(max_length=50)]
Days = Annotated[Whole, Field(ge=1, le=MAXIMUM_DAYS)]
Washout = Annotated[Whole, Field(ge=0, le=MAXIMUM_DAYS)]
Zone = Annotated[Text, StringConstraints(max_length=64)]
Direction = Literal["increase", "decrease"]


def _known_likelihood(name: str) -> str:
    AnalysisOptions.read({"likelihood": name})
    return name


LikelihoodName = Annotated[
    Text,
    AfterValidator(_known_likelihood),
    WithJsonSchema({"type": "string", "enum": list(LIKELIHOODS)}),
]

#: Fields of a request that say an option of the analysis, from before there was `analysis`.
_BESIDE: Final = {
    "likelihood": "likelihood",
    "season": "include_day_of_week",
    "covariates": "include_time_of_day",
}


class AnalyzeRequest(BaseModel):
    """A question about one person: did this intervention move this outcome."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"user_id": "anna", "intervention_date": "2026-05-01"},
                {
                    "user_id": "anna",
                    "intervention_id": "morning",
                    "mcmc_samples": 4000,
                    "analysis": {"slope": "no"},
                },
                {
                    "user_id": "anna",
                    "schedule": {
                        "on_periods": [["2026-05-01", "2026-05-14"], ["2026-06-01", None]]
                    },
                    "carryover_days": 1,
                },
            ]
        },
    )

    user_id: Identifier
    intervention_date: LocalDate | None = Field(
        default=None,
        description="First local day with the intervention, inclusive. This or intervention_id.",
    )
    schedule: ScheduleBody | None = Field(
        default=None,
        description="On which days it acted, where that is not every day from intervention_date "
        "on, which may be left out then. A lot counts as one only if it was logged ahead of its "
        "first day.",
    )
    intervention_id: Identifier | None = Field(
        default=None, description="A logged intervention of the user. This or intervention_date."
    )
    outcome_metric: MetricName = Field(
        default=SESSION_PERFORMANCE,
        description="A registered outcome metric; a logged intervention's own by default.",
    )
    analysis: AnalysisOptions | None = Field(
        default=None,
        description="Options of the analysis; what is absent, the intervention or the metric says.",
    )
    include_day_of_week: Flag = Field(
        default=True, description="false is `season: none` in `analysis`; true says nothing."
    )
    include_time_of_day: Flag = Field(
        default=True, description="false is `covariates: none` in `analysis`; true says nothing."
    )
    likelihood: LikelihoodName | None = Field(
        default=None, description="The same as `likelihood` in `analysis`."
    )
    mcmc_samples: Annotated[Whole, Field(ge=500, le=10_000)] | None = Field(
        default=None, description="Draws a chain; by default the installation's, 2000."
    )
    mcmc_chains: Annotated[Whole, Field(ge=2, le=8)] | None = Field(
        default=None, description="Chains; by default the installation's, 4."
    )
    start_date: LocalDate | None = Field(
        default=None, description="First day of the baseline, inclusive; 90 days by default."
    )
    end_date: LocalDate | None = Field(
        default=None, description="Last day of the post-period, inclusive; 90 days by default."
    )
    direction: Direction | None = Field(
        default=None, description="Which change is the benefit; the logged one, or increase."
    )
    minimum_effect: Amount | None = Field(
        default=None, description="Smallest effect that counts, in outcome units; the logged, or 0."
    )
    washout_days: Washout | None = Field(
        default=None, description="Days from the start left out of the fit; the logged, or 0."
    )
    carryover_days: Washout | None = Field(
        default=None,
        description="With a schedule: days left out after every switch; the logged, or 0.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> AnalyzeRequest:
        if self.schedule is not None and self.intervention_id is not None:
            raise ValueError(
                f"intervention_id {self.intervention_id} has the schedule that was logged; amend "
                "that, or leave intervention_id out and give schedule alone"
            )
        started_on = self.started_on()
        if (started_on is None) == (self.intervention_id is None):
            raise ValueError(
                "give intervention_date or intervention_id, one of the two; a schedule may stand "
                "in the place of intervention_date"
            )
        if started_on is not None:
            self.check_dates(started_on)
        self.options()
        return self

    def started_on(self) -> date | None:
        """Return the first day that is asked for; None where a logged intervention has it.

        Raises
        ------
        ValueError
            If intervention_date is another day than the schedule's first.
        """
        schedule = self.asked_schedule()
        if schedule is None:
            return self.intervention_date
        if self.intervention_date not in (None, schedule.starts_on):
            raise ValueError(
                f"intervention_date {self.intervention_date} is not the schedule's first day, "
                f"{schedule.starts_on}; leave intervention_date out, or change the schedule"
            )
        return schedule.starts_on

    def asked_schedule(self) -> Schedule | None:
        """Return the schedule that is asked for, or None."""
        return None if self.schedule is None else self.schedule.schedule()

    def options(self) -> AnalysisOptions:
        """Return the options that the request says, in `analysis` or beside it.

        Raises
        ------
        ValueError
            If it says two things of one option.
        """
        in_analysis = (self.analysis or UNSAID).said()
        beside: dict[str, Any] = {}
        if self.likelihood is not None:
            beside["likelihood"] = self.likelihood
        if not self.include_day_of_week:
            beside["season"] = "none"
        if not self.include_time_of_day:
            beside["covariates"] = []
        for name, value in beside.items():
            if in_analysis.get(name, value) != value:
                raise ValueError(
                    f"analysis says {name} {in_analysis[name]!r}, but {_BESIDE[name]} beside it "
                    f"means {value!r}; leave {_BESIDE[name]} out"
                )
        return AnalysisOptions.read({**in_analysis, **beside})

    def check_dates(self, started_on: date) -> None:
        """Raise ValueError where start_date and end_date do not enclose the intervention."""
        if self.start_date is not None and not self.start_date < started_on:
            raise ValueError(
                f"start_date {self.start_date} must be before the intervention's {started_on}"
            )
        if self.end_date is not None and not self.end_date >= started_on:
            raise ValueError(
                f"end_date {self.end_date} must not be before the intervention's {started_on}"
            )
        for name, day in (("start_date", self.start_date), ("end_date", self.end_date)):
            if day is not None and abs((day - started_on).days) >= MAXIMUM_DAYS:
                raise ValueError(f"{name} {day} must be within {MAXIMUM_DAYS} days of {started_on}")


class InterventionRequest(BaseModel):
    """An intervention to be logged: what somebody tries, from when on, and what they expect."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "user_id": "anna",
                    "intervention_id": "morning",
                    "outcome_metric": SESSION_PERFORMANCE,
                    "started_on": "2026-05-01",
                    "name": "Study in the morning",
                    "hypothesis": "I am more awake before noon.",
                    "time_zone": "Europe/Berlin",
                },
                {
                    "user_id": "anna",
                    "intervention_id": "magnesium",
                    "schedule": {
                        "on_periods": [["2026-05-01", "2026-05-01"], ["2026-05-04", "2026-05-04"]],
                        "mechanism": {"balance": "block", "block_days": 2, "seed": 5},
                        "drawn_from_on": "2026-05-01",
                        "drawn_to_on": "2026-05-04",
                    },
                    "carryover_days": 1,
                    "kind": "magnesium",
                },
            ]
        },
    )

    user_id: Identifier
    intervention_id: Identifier
    outcome_metric: MetricName = SESSION_PERFORMANCE
    started_on: LocalDate | None = Field(
        default=None,
        description="First local day, inclusive: it is a post day. Needed unless there is a "
        "schedule, whose first day it is.",
    )
    name: Name = Field(default="", description="For people; the intervention_id by default.")
    ended_on: LocalDate | None = Field(
        default=None,
        description="Last local day, inclusive; with a schedule its last day, given or not.",
    )
    direction: Direction = "increase"
    baseline_days: Days = DEFAULT_BASELINE_DAYS
    horizon_days: Days = DEFAULT_HORIZON_DAYS
    minimum_effect: Amount = 0.0
    washout_days: Washout = 0
    hypothesis: Hypothesis = ""
    time_zone: Zone = Field(default="UTC", description="IANA name of the person's zone.")
    protocol: Protocol = Field(
        default_factory=dict, description="Free texts for the reporting checklist, by item."
    )
    analysis: AnalysisOptions = Field(
        default=UNSAID, description="Options of its analysis, where they differ from the metric's."
    )
    schedule: ScheduleBody | None = Field(
        default=None,
        description="On which days it acts, where that is not every day from started_on on.",
    )
    carryover_days: Washout = Field(
        default=0, description="With a schedule: days left out of the fit after every switch."
    )
    kind: Kind = Field(
        default="",
        description="Groups the same intervention over people; its intervention_id by default.",
    )
    looks: Looks = Field(default="daily", description="How it is looked at while it goes on.")

    @model_validator(mode="after")
    def _has_a_first_day(self) -> InterventionRequest:
        if self.started_on is None and self.schedule is None:
            raise ValueError("give started_on, its first day, or a schedule, which says it")
        return self


class AmendmentRequest(BaseModel):
    """What is to change in a logged intervention, or its withdrawal; absent fields stay."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"version": 1, "ended_on": "2026-06-30", "reason": "The summer break began."},
                {
                    "version": 1,
                    "schedule": {"on_periods": [["2026-05-01", "2026-05-14"]]},
                    "reason": "I left it after two weeks.",
                },
                {"version": 2, "status": "withdrawn", "reason": "Logged for the wrong person."},
            ]
        },
    )

    version: Annotated[Whole, Field(ge=1)] = Field(
        description="The version that was read; another one in the log is a 409."
    )
    reason: Reason = Field(description="Why; kept in the history.")
    status: Literal["withdrawn"] | None = Field(
        default=None, description="Withdraws the intervention; its history stays."
    )
    outcome_metric: MetricName | None = None
    started_on: LocalDate | None = None
    name: Name | None = None
    ended_on: LocalDate | None = Field(default=None, description="null: it goes on.")
    direction: Direction | None = None
    baseline_days: Days | None = None
    horizon_days: Days | None = None
    minimum_effect: Amount | None = None
    washout_days: Washout | None = None
    hypothesis: Hypothesis | None = None
    time_zone: Zone | None = None
    protocol: Protocol | None = None
    analysis: AnalysisOptions | None = Field(
        default=None, description="In the place of all that were logged; {}: as the metric says."
    )
    schedule: ScheduleBody | None = Field(
        default=None,
        description="In the place of the one that was logged, with its days; null: it acts from "
        "its first day on for good.",
    )
    carryover_days: Washout | None = None
    kind: Kind | None = None
    looks: Looks | None = None

    @model_validator(mode="after")
    def _consistent(self) -> AmendmentRequest:
        changes = self.changes()
        if (self.status == "withdrawn") == bool(changes):
            raise ValueError(
                'give fields to amend, or status "withdrawn", one of the two; '
                f"got {sorted(changes) or 'neither'}"
            )
        nulls = {name for name, value in changes.items() if value is None}
        wrong = sorted(nulls - {"ended_on", "schedule"})
        if wrong:
            raise ValueError(f"only ended_on and schedule may be null, not {', '.join(wrong)}")
        return self

    def changes(self) -> dict[str, Any]:
        """Return the fields to amend."""
        said = self.model_fields_set - {"version", "reason", "status"}
        changes = {name: getattr(self, name) for name in sorted(said)}
        if self.schedule is not None:
            changes["schedule"] = self.schedule.schedule()
        return changes
