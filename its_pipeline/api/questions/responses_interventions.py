"""What clients get about interventions and experiments: the bodies of these responses.

What belongs here: their fields, rules and examples. What does not: those of analyses
(`responses`), or filling them (`bodies`).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from its_pipeline.api.questions.bodies_looks import Looks, StandingAnswer
from its_pipeline.api.questions.fields import LocalDate
from its_pipeline.api.questions.responses import State
from its_pipeline.api.questions.responses_effects import EffectAnswer, with_example
from its_pipeline.schedules.mechanism import ALGORITHM

_INTERVENTION: Final[dict[str, Any]] = {
    "user_id": "anna",
    "intervention_id": "morning",
    "outcome_metric": "sessionPerformanceScore",
    "started_on": "2026-05-01",
    "name": "Study in the morning",
    "ended_on": None,
    "direction": "increase",
    "baseline_days": 90,
    "horizon_days": 90,
    "minimum_effect": 0.0,
    "washout_days": 0,
    "hypothesis": "I am more awake before noon.",
    "time_zone": "Europe/Berlin",
    "protocol": {},
    "analysis": {"slope": False},
    "schedule": None,
    "carryover_days": 0,
    "kind": "",
    "looks": "daily",
    "status": "open",
    "version": 1,
    "sequence": 17,
    "logged_at": "2026-05-01T06:30:00Z",
}
_SCHEDULE: Final[dict[str, Any]] = {
    "on_periods": [["2026-05-01", "2026-05-14"], ["2026-06-01", None]],
    "mechanism": None,
    "drawn_from_on": None,
    "drawn_to_on": None,
    "done_otherwise": ["2026-05-03"],
}
_VERSION: Final[dict[str, Any]] = {
    "version": 1,
    "recorded_at": "2026-05-01T06:30:00Z",
    "reason": "logged",
}


class MechanismAnswer(BaseModel):
    """The lot that days were drawn by, and since when the log holds them."""

    model_config = with_example(
        unit_days=1,
        balance="block",
        block_days=4,
        longest_run=None,
        shortest_run=1,
        phases=None,
        first="either",
        seed=5,
        algorithm=ALGORITHM,
        drawn_at="2026-04-28T18:02:11Z",
    )

    unit_days: int
    balance: Literal["none", "block", "total"]
    block_days: int | None
    longest_run: int | None
    shortest_run: int
    phases: int | None
    first: Literal["off", "on", "either"]
    seed: int
    algorithm: str
    drawn_at: datetime | None = Field(
        description="When the log first held these days by this lot; it counts as a lot only if "
        "that was ahead of its first day where the person lives."
    )


class ScheduleAnswer(BaseModel):
    """On which days an intervention acts."""

    model_config = with_example(**_SCHEDULE)

    on_periods: list[tuple[LocalDate, LocalDate | None]] = Field(
        description="First and last day on, both inclusive; null: it goes on."
    )
    mechanism: MechanismAnswer | None = None
    drawn_from_on: LocalDate | None = None
    drawn_to_on: LocalDate | None = None
    done_otherwise: list[LocalDate] = Field(
        default_factory=list,
        description="Days on which the person did the other thing than these say.",
    )


class InterventionAnswer(BaseModel):
    """A logged intervention in its newest version."""

    model_config = with_example(**_INTERVENTION)

    user_id: str
    intervention_id: str
    outcome_metric: str
    started_on: LocalDate
    name: str
    ended_on: LocalDate | None
    direction: Literal["increase", "decrease"]
    baseline_days: int
    horizon_days: int
    minimum_effect: float
    washout_days: int
    hypothesis: str
    time_zone: str
    protocol: dict[str, str]
    analysis: dict[str, str | bool | list[str]] = Field(
        description="Options of its analysis, where they differ from the metric's."
    )
    schedule: ScheduleAnswer | None = Field(
        description="null: every day from started_on to ended_on."
    )
    carryover_days: int
    kind: str = Field(description="Empty: its intervention_id.")
    looks: Looks = Field(description="How it is looked at while it goes on.")
    status: Literal["open", "withdrawn"]
    version: int
    sequence: int
    logged_at: datetime


class VersionEntry(BaseModel):
    """One version in an intervention's history."""

    model_config = with_example(**_VERSION)

    version: int
    recorded_at: datetime
    reason: str


class InterventionHistoryAnswer(InterventionAnswer):
    """A logged intervention with its history."""

    model_config = with_example(**_INTERVENTION, history=[_VERSION])

    history: list[VersionEntry] = Field(description="Oldest first.")


class InterventionsAnswer(BaseModel):
    """A page of logged interventions, by user, start and identifier."""

    model_config = with_example(interventions=[_INTERVENTION], next_offset=None)

    interventions: list[InterventionAnswer]
    next_offset: int | None = Field(description="Value of `offset` for the next page.")


_EXPERIMENT: Final[dict[str, Any]] = {
    "intervention_id": "morning",
    "name": "Study in the morning",
    "outcome_metric": "sessionPerformanceScore",
    "intervention_date": "2026-05-01",
    "state": "waiting",
    "reason": "30 observed days before the start and 3 after it; at least 8 of each are needed",
    "reason_code": "too_few_post_days",
    "waiting_since": "2026-05-01T06:30:00Z",
    "analysable_on": "2026-05-09",
    "up_to_date": True,
    "n_pre": 30,
    "n_post": 3,
    "baseline_mean": 61.2,
    "baseline_sd": 8.4,
    "baseline_autocorrelation": 0.31,
    "decided_at": None,
    "probability_of_benefit": None,
    "counterfactual_effect": None,
    "standing": None,
    "mlflow_run_id": None,
    "links": {},
}


class ExperimentAnswer(BaseModel):
    """One experiment and where it stands."""

    model_config = with_example(**_EXPERIMENT)

    intervention_id: str
    name: str
    outcome_metric: str
    intervention_date: LocalDate
    state: State = Field(
        description="`due`: it can be analysed and has not been; the others as in the log."
    )
    reason: str
    reason_code: str
    waiting_since: datetime | None = Field(description="When it was logged, while it waits.")
    analysable_on: date | None = Field(
        description="First date on which it can be analysed, if every day is observed until then."
    )
    up_to_date: bool = Field(description="Whether an evaluation now would change nothing.")
    n_pre: int
    n_post: int
    baseline_mean: float | None
    baseline_sd: float | None
    baseline_autocorrelation: float | None
    decided_at: datetime | None
    probability_of_benefit: float | None
    counterfactual_effect: EffectAnswer | None
    standing: StandingAnswer | None = Field(
        description="What the looks at it come to; null before the first."
    )
    mlflow_run_id: str | None
    links: dict[str, str]


class ExperimentsAnswer(BaseModel):
    """Every experiment of a person."""

    model_config = with_example(user_id="anna", experiments=[_EXPERIMENT])

    user_id: str
    experiments: list[ExperimentAnswer]
