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
_SLOPE: Final[dict[str, Any]] = {
    "trait": "exercises",
    "mean": 2.2,
    "sd": 0.9,
    "ci_lower": 0.4,
    "ci_upper": 4.0,
    "probability_positive": 0.99,
    "trait_sd": 0.5,
    "groups": [0.0, 1.0],
    "n_in_higher_group": 6,
}
_TRAITS: Final[dict[str, Any]] = {
    "names": ["exercises"],
    "needed": 5,
    "refused": "",
    "n_people": 11,
    "n_without": 1,
    "slopes": [_SLOPE],
    "spread": _SPREAD,
    "spread_without": {**_SPREAD, "mean": 1.9},
}
_BETWEEN: Final[dict[str, Any]] = {
    "design": "multiple baseline",
    "refused": "",
    "n_cases": 12,
    "n_occasions": 1043,
    "mean_change": 4.0,
    "sd": 9.1,
    "own_sd": 6.2,
    "d": 0.44,
    "g": 0.43,
    "g_se": 0.11,
    "df": 31.2,
    "autocorrelation": 0.31,
    "intraclass_correlation": 0.52,
    "g_by_reml": 0.46,
    "g_by_reml_se": 0.12,
    "df_by_reml": 40.3,
}
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
    "traits": _TRAITS,
    "between_case": _BETWEEN,
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


class PooledSlopeAnswer(BaseModel):
    """How the expected effect changes per unit of one trait, in the kind's unit."""

    model_config = with_example(**_SLOPE)

    trait: str
    mean: float
    sd: float
    ci_lower: float = Field(description="2.5 % quantile.")
    ci_upper: float = Field(description="97.5 % quantile.")
    probability_positive: float = Field(ge=0, le=1)
    trait_sd: float = Field(description="Of the trait between people.")
    groups: list[float] | None = Field(description="The two values, where there are no more.")
    n_in_higher_group: int | None = Field(
        description="People with the higher of the two; null where there are more."
    )


class PooledTraitsAnswer(BaseModel):
    """Whom it helps more: effects regressed on the traits that the metric declares."""

    model_config = with_example(**_TRAITS)

    names: list[str]
    needed: int = Field(description="Of groups of fewer people nothing is told.")
    refused: str = Field(description="Why nothing is told; empty where something is.")
    n_people: int | None = Field(
        description="In the regression; for service tokens alone, as is the next."
    )
    n_without: int | None = Field(
        description="How many have an estimate but not all of the traits, and no part in it."
    )
    slopes: list[PooledSlopeAnswer]
    spread: PooledSpreadAnswer | None = Field(
        description="How much effects of people with the same traits differ."
    )
    spread_without: PooledSpreadAnswer | None = Field(
        description="How much those of the same people differ where no trait is looked at."
    )


class PooledBetweenCaseAnswer(BaseModel):
    """The kind as single-case studies report it: a change over cases and occasions, in their sd."""

    model_config = with_example(**_BETWEEN)

    design: Literal["multiple baseline", "reversal"]
    refused: str = Field(description="Why there is none; empty where there is one.")
    n_cases: int | None
    n_occasions: int | None = Field(description="Observed occasions of all cases together.")
    mean_change: float | None = Field(
        description="Within cases, each case alike; in the outcome's unit."
    )
    sd: float | None = Field(description="Of an outcome over cases and occasions.")
    own_sd: float | None = Field(
        description="Of a case's own occasions without the intervention, the median over cases."
    )
    d: float | None = Field(description="Change over sd.")
    g: float | None = Field(description="d corrected for few degrees of freedom.")
    g_se: float | None = Field(description="Standard error of g.")
    df: float | None = Field(description="Degrees of freedom of sd.")
    autocorrelation: float | None
    intraclass_correlation: float | None = Field(
        description="Share of the variance that lies between cases."
    )
    g_by_reml: float | None = Field(
        description="By restricted maximum likelihood, where all else here is by moments."
    )
    g_by_reml_se: float | None
    df_by_reml: float | None


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
    traits: PooledTraitsAnswer | None = Field(
        default=None, description="Null where the metric's `pooled_by` names no traits."
    )
    between_case: PooledBetweenCaseAnswer | None = None
    members: list[PooledMemberAnswer] = Field(
        default=[],
        description="A service token sees all of them, a person's own token that person alone; "
        "left out in the list of kinds.",
    )


class KindsAnswer(BaseModel):
    """Kinds, sorted by name and metric."""

    model_config = with_example(kinds=[_KIND])

    kinds: list[KindAnswer]
