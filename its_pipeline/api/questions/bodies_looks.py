"""Plans and looks over HTTP: what clients send and get.

What belongs here: the bodies of planning and of the log of looks. What does not: filling them
(`looking`), or the addresses (`routes.plans`).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from its_pipeline.api.questions.fields import Amount, Identifier, LocalDate, MetricName
from its_pipeline.api.questions.responses_effects import with_example
from its_pipeline.events.metrics import SESSION_PERFORMANCE

Looks = Literal["daily", "pocock", "hwang_shih_decani", "haybittle_peto", "at_end", "always_valid"]
"""A name in `schedules.look_plans.LOOK_PLANS`; a test holds the two together."""

_PLAN: Final[dict[str, Any]] = {
    "effect": 5.0,
    "baseline_sd": 8.4,
    "power": 0.8,
    "looks": "daily",
    "n_baseline": 90,
    "n_people": 1,
    "is_own": True,
    "days_needed": 46,
    "curve": [{"days": 28, "half": 0.24, "effect": 0.66, "double": 0.97}],
    "detectable": [{"days": 28, "effect": 5.9}, {"days": 60, "effect": 4.6}],
    "by_design": [{"design": "AB", "days_needed": 46}, {"design": "ABAB", "days_needed": 30}],
    "cadence": "day",
}
_LOOK: Final[dict[str, Any]] = {
    "number": 12,
    "looked_on": "2026-05-19",
    "planned_until_on": "2026-07-29",
    "plan": "daily",
    "direction": "increase",
    "information": 0.41,
    "planned_information": 1.0,
    "z": 3.4,
    "boundary": 3.1,
    "alpha_spent": 0.0021,
    "effect_mean": 6.2,
    "effect_sd": 1.8,
    "said": "helped",
    "fingerprint": "0c3f…",
}
_STANDING: Final[dict[str, Any]] = {
    "kind": "helped",
    "n_looks": 12,
    "information_share": 0.41,
    "last": _LOOK,
    "crossed": _LOOK,
    "corrected": {"mean": 5.6, "ci_lower": 1.9, "ci_upper": 9.0},
    "is_doubted": False,
}


class PlanRequest(BaseModel):
    """How long must somebody try something."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"user_id": "anna", "effect": 5.0},
                {"user_id": "anna", "outcome_metric": "sessionPerformanceScore", "power": 0.9},
            ]
        },
    )

    user_id: Identifier
    outcome_metric: MetricName = SESSION_PERFORMANCE
    effect: Annotated[Amount, Field(ge=1e-12)] | None = Field(
        default=None,
        description="True average effect in outcome units; one standard deviation by default.",
    )
    direction: Literal["increase", "decrease"] = "increase"
    power: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.8, description="Probability of a verdict that is wanted."
    )
    looks: Looks = Field(default="daily", description="How it will be looked at.")


class CurvePoint(BaseModel):
    """How probable a verdict of "helped" is after some days with it."""

    model_config = with_example(**_PLAN["curve"][0])

    days: int
    half: float = Field(description="Where the effect is half of the one asked for.")
    effect: float
    double: float


class DetectablePoint(BaseModel):
    """The smallest effect that some days show; null where they show none."""

    model_config = with_example(**_PLAN["detectable"][0])

    days: int
    effect: float | None


class DesignPoint(BaseModel):
    """Days a design needs after the baseline, days off among them; null beyond a year."""

    model_config = with_example(**_PLAN["by_design"][0])

    design: str
    days_needed: int | None


class PlanAnswer(BaseModel):
    """How long somebody must try something before its effect can be told from their noise."""

    model_config = with_example(**_PLAN)

    effect: float
    baseline_sd: float
    power: float
    looks: Looks
    n_baseline: int = Field(description="Observed days it was planned from.")
    n_people: int
    is_own: bool = Field(
        description="Whether they are the person's own; else those of other people with the metric."
    )
    days_needed: int | None = Field(description="With the intervention; null beyond a year.")
    curve: list[CurvePoint]
    detectable: list[DetectablePoint]
    by_design: list[DesignPoint]
    cadence: str = Field(
        default="day", description="The unit of time in which days are counted, e.g. week."
    )


class LookAnswer(BaseModel):
    """One look that was taken at an experiment; it is never changed afterwards."""

    model_config = with_example(**_LOOK)

    number: int
    looked_on: LocalDate = Field(description="Last observed day it looked at, inclusive.")
    planned_until_on: LocalDate
    plan: Looks
    direction: Literal["increase", "decrease"]
    information: float = Field(
        description="Precision over what was expected at the last day of the first look's plan."
    )
    planned_information: float = Field(
        description="The same of the plan in force: 1 unless it was made longer."
    )
    z: float = Field(description="Normal score of the probability of a benefit.")
    boundary: float | None = Field(
        description='What z needs for "helped", and -z for "made it worse"; null: nothing can be '
        "said."
    )
    alpha_spent: float
    effect_mean: float
    effect_sd: float
    said: Literal["", "helped", "made_worse"]
    fingerprint: str


class CorrectedAnswer(BaseModel):
    """The average effect, corrected for having been told at the look that crossed."""

    model_config = with_example(**_STANDING["corrected"])

    mean: float = Field(description="Median-unbiased.")
    ci_lower: float
    ci_upper: float


class StandingAnswer(BaseModel):
    """What the looks at an experiment come to."""

    model_config = with_example(**_STANDING)

    kind: Literal["helped", "made_worse", "too_small", "undecided", "so_far"]
    n_looks: int
    information_share: float
    last: LookAnswer
    crossed: LookAnswer | None
    corrected: CorrectedAnswer | None
    is_doubted: bool = Field(description="Whether later days leave the verdict less sure.")


class LooksAnswer(BaseModel):
    """All looks taken at an experiment as it is logged now."""

    model_config = with_example(
        user_id="anna", intervention_id="morning", plan="daily", standing=_STANDING, looks=[_LOOK]
    )

    user_id: str
    intervention_id: str
    plan: Looks
    standing: StandingAnswer | None = Field(description="null before the first look.")
    looks: list[LookAnswer] = Field(description="In order.")
