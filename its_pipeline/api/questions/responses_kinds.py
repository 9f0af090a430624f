"""What clients get about kinds, people who tried the same: the bodies of these responses.

What belongs here: their fields and examples. What does not: filling them, or whose rows are in them
(`questions.kinds`).
"""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from its_pipeline.api.questions.fields import LocalDate
from its_pipeline.api.questions.responses_effects import with_example

_EFFECT: Final[dict[str, Any]] = {
    "mean": 4.1,
    "sd": 0.7,
    "ci_lower": 2.7,
    "ci_upper": 5.5,
    "probability_positive": 0.9999,
}
_SPREAD: Final[dict[str, Any]] = {"mean": 1.6, "sd": 0.7, "ci_lower": 0.3, "ci_upper": 3.1}
_IMPUTED: Final[dict[str, Any]] = {
    "n_people": 3,
    "mean": {**_EFFECT, "mean": 3.4},
    "next_person": {**_EFFECT, "mean": 3.4, "sd": 2.0},
    "spread": _SPREAD,
    "probability_helps_people": 0.9991,
    "probability_next_benefits": 0.93,
}
_HEAVY: Final[dict[str, Any]] = {"mean": _EFFECT, "next_person": _EFFECT, "scale": _SPREAD}
_MEMBER: Final[dict[str, Any]] = {
    "user_id": "anna",
    "intervention_id": "morning",
    "started_on": "2026-05-01",
    "design": "change",
    "n_days": 90,
    "fingerprint": "0c3f…",
    "own_mean": 6.2,
    "own_sd": 1.8,
    "mean": 5.0,
    "sd": 1.2,
    "ci_lower": 2.8,
    "ci_upper": 7.5,
    "probability_of_benefit": 0.9999,
    "moved_in_sds": -0.2,
    "weight": 1.0,
}
_KIND: Final[dict[str, Any]] = {
    "kind": "morning",
    "metric": "sessionPerformanceScore",
    "state": "pooled",
    "made_at": "2026-06-20T03:12:40+00:00",
    "n_people": 15,
    "n_with_estimate": 12,
    "n_needed": 5,
    "without_estimate": {"stopped early": 2, "waiting": 1},
    "unit": "points",
    "pooled_in": "unit",
    "direction": "increase",
    "minimum_effect": 0.0,
    "mean": _EFFECT,
    "next_person": {**_EFFECT, "sd": 1.9, "ci_lower": 0.4, "ci_upper": 7.9},
    "spread": _SPREAD,
    "probability_helps_people": 0.9999,
    "probability_next_benefits": 0.98,
    "imputed": _IMPUTED,
    "heavy_tailed": _HEAVY,
    "members": [_MEMBER],
}


class PooledEffectAnswer(BaseModel):
    """The posterior of an effect, in the kind's unit."""

    model_config = with_example(**_EFFECT)

    mean: float
    sd: float
    ci_lower: float = Field(description="2.5 % quantile.")
    ci_upper: float = Field(description="97.5 % quantile.")
    probability_positive: float = Field(ge=0, le=1)


class PooledSpreadAnswer(BaseModel):
    """The posterior of the sd of effects between people, in the kind's unit."""

    model_config = with_example(**_SPREAD)

    mean: float
    sd: float
    ci_lower: float = Field(description="2.5 % quantile.")
    ci_upper: float = Field(description="97.5 % quantile.")


class ImputedAnswer(BaseModel):
    """The answer if those without an estimate had no effect."""

    model_config = with_example(**_IMPUTED)

    n_people: int = Field(description="How many are imputed.")
    mean: PooledEffectAnswer
    next_person: PooledEffectAnswer
    spread: PooledSpreadAnswer
    probability_helps_people: float = Field(ge=0, le=1)
    probability_next_benefits: float = Field(ge=0, le=1)


class HeavyTailedAnswer(BaseModel):
    """The answer where one odd member counts for less: Student-t with 4 degrees of freedom."""

    model_config = with_example(**_HEAVY)

    mean: PooledEffectAnswer
    next_person: PooledEffectAnswer
    scale: PooledSpreadAnswer


class PooledMemberAnswer(BaseModel):
    """One person of a kind: by their own days, and given all the others."""

    model_config = with_example(**_MEMBER)

    user_id: str
    intervention_id: str
    started_on: LocalDate
    design: Literal["change", "on_and_off", "by_lot"]
    n_days: int = Field(description="Observed days of the analysis.")
    fingerprint: str = Field(description="Of the analysis that the estimate is of.")
    own_mean: float = Field(description="What their own days alone say.")
    own_sd: float
    mean: float = Field(description="Their effect given all the others.")
    sd: float
    ci_lower: float
    ci_upper: float
    probability_of_benefit: float = Field(ge=0, le=1)
    moved_in_sds: float = Field(description="How far the average moves without them, in its sds.")
    weight: float | None = Field(
        description="About 1; far below for one that lies apart. None among very many people."
    )


class KindAnswer(BaseModel):
    """What people who tried the same change on the same outcome came to."""

    model_config = with_example(**_KIND)

    kind: str
    metric: str
    state: Literal["pooled", "too_few_people"] = Field(
        description="`too_few_people`: fewer than `n_needed` have an estimate, nothing is told."
    )
    made_at: str = Field(description="UTC.")
    n_needed: int = Field(description="How many people need an estimate.")
    n_people: int | None = Field(
        description="How many tried it; of too few, for service tokens alone."
    )
    n_with_estimate: int | None = Field(description="How many have an estimate; likewise.")
    without_estimate: dict[str, int] | None = Field(
        description="How many have none, by reason; for service tokens alone."
    )
    unit: str | None = None
    pooled_in: Literal["unit", "baseline_sd"] | None = None
    direction: Literal["increase", "decrease"] | None = None
    minimum_effect: float | None = Field(
        default=None, description="Smallest effect that counts as a benefit: the members' median."
    )
    mean: PooledEffectAnswer | None = Field(default=None, description="The average effect.")
    next_person: PooledEffectAnswer | None = Field(
        default=None, description="The effect that one more person may expect."
    )
    spread: PooledSpreadAnswer | None = Field(
        default=None, description="How much effects differ between people."
    )
    probability_helps_people: float | None = None
    probability_next_benefits: float | None = None
    imputed: ImputedAnswer | None = Field(
        default=None, description="Null where everybody has an estimate."
    )
    heavy_tailed: HeavyTailedAnswer | None = None
    members: list[PooledMemberAnswer] = Field(
        default=[],
        description="A service token sees all of them, a person's own token that person alone; "
        "left out in the list of kinds.",
    )


class KindsAnswer(BaseModel):
    """Kinds, sorted by name and metric."""

    model_config = with_example(kinds=[_KIND])

    kinds: list[KindAnswer]
