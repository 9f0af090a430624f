"""What clients get of effects: one effect, phases, their likeness, other interventions, the lot.

What belongs here: fields, rules and examples. What does not: the analysis that they are part of
(`responses`), or filling them (`bodies`).
"""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from its_pipeline.api.questions.fields import LocalDate

EFFECT_EXAMPLE: Final[dict[str, Any]] = {
    "estimate": 4.7,
    "sd": 1.3,
    "ci_lower": 2.1,
    "ci_upper": 7.3,
    "probability_positive": 0.999,
    "probability_negative": 0.001,
    "unit": "points",
}


def with_example(**members: Any) -> ConfigDict:
    """Return the configuration of a model that has this example."""
    return ConfigDict(json_schema_extra={"examples": [members]})


class EffectAnswer(BaseModel):
    """The posterior of one effect."""

    model_config = with_example(**EFFECT_EXAMPLE)

    estimate: float = Field(description="Posterior mean.")
    sd: float = Field(description="Posterior standard deviation.")
    ci_lower: float = Field(description="2.5 % quantile.")
    ci_upper: float = Field(description="97.5 % quantile.")
    probability_positive: float = Field(ge=0, le=1)
    probability_negative: float = Field(ge=0, le=1)
    unit: str


_OFF: Final[dict[str, Any]] = {
    "from_on": "2026-03-01",
    "to_on": "2026-04-30",
    "on": False,
    "n": 61,
    "mean": 60.4,
    "effect": None,
}
_ON: Final[dict[str, Any]] = {
    "from_on": "2026-05-01",
    "to_on": "2026-05-14",
    "on": True,
    "n": 14,
    "mean": 65.2,
    "effect": EFFECT_EXAMPLE,
}
PHASE_EXAMPLES: Final = (
    _OFF,
    _ON,
    {**_OFF, "from_on": "2026-05-15", "to_on": "2026-05-31", "n": 17},
    {**_ON, "from_on": "2026-06-01", "to_on": "2026-06-19", "n": 19},
)
LIKENESS_EXAMPLE: Final[dict[str, Any]] = {
    "word": "same",
    "probability_alike": 0.82,
    "first_less_later": {
        **EFFECT_EXAMPLE,
        "estimate": 0.3,
        "ci_lower": -1.9,
        "ci_upper": 2.6,
        "probability_positive": 0.61,
        "probability_negative": 0.39,
    },
}
RANDOMISATION_EXAMPLE: Final[dict[str, Any]] = {
    "p_value": 0.0121,
    "n_assignments": 165,
    "exact": True,
    "statistic": 3.4,
    "alternative": "two-sided",
}
_WEATHER: Final[dict[str, Any]] = {
    "name": "weather",
    "change": {
        **EFFECT_EXAMPLE,
        "estimate": 0.4,
        "ci_lower": -1.8,
        "ci_upper": 2.7,
        "probability_positive": 0.63,
        "probability_negative": 0.37,
        "unit": "",
    },
}
COMPARISONS_EXAMPLE: Final[dict[str, Any]] = {
    "without": {**EFFECT_EXAMPLE, "estimate": 5.3, "ci_lower": 0.9, "ci_upper": 9.6},
    "series": [_WEATHER],
}
_OTHER: Final[dict[str, Any]] = {
    "name": "Evening walks",
    "effect": EFFECT_EXAMPLE,
    "together": {**EFFECT_EXAMPLE, "estimate": 9.4, "ci_lower": 6.3, "ci_upper": 12.5},
    "correlation": -0.41,
    "same_days": False,
}


class PhaseAnswer(BaseModel):
    """Neighbouring days that were all with the intervention, or all without it."""

    model_config = ConfigDict(json_schema_extra={"examples": list(PHASE_EXAMPLES[:2])})

    from_on: LocalDate = Field(description="First day, inclusive.")
    to_on: LocalDate = Field(description="Last day, inclusive.")
    on: bool = Field(description="Whether the intervention acted.")
    n: int = Field(description="Observed days, without those left out after a switch.")
    mean: float | None = Field(description="Their plain mean; null without any.")
    effect: EffectAnswer | None = Field(
        description="Its own effect against the days off, as the model tells it; null off. Where "
        "there are many phases, neighbours share one."
    )


class LikenessAnswer(BaseModel):
    """How alike the effects of the phases on are."""

    model_config = with_example(**LIKENESS_EXAMPLE)

    word: Literal["same", "first_only", "varies", "unclear"] = Field(
        description="`same`: about the same each time; `first_only`: the first time alone shows "
        "one; `varies`; `unclear`."
    )
    probability_alike: float | None = Field(
        description="How probable the data make it that they differ by little; null where the "
        "likelihood has to be sampled."
    )
    first_less_later: EffectAnswer = Field(
        description="The first phase's effect less the mean of the later ones'."
    )


class OtherAnswer(BaseModel):
    """Another intervention of the person in the same model."""

    model_config = with_example(**_OTHER)

    name: str
    effect: EffectAnswer = Field(
        description="Its average effect over its own days, the others as they were."
    )
    together: EffectAnswer = Field(description="What both did: its effect and the one asked for.")
    correlation: float = Field(
        description="Posterior correlation of the two effects; near -1 the days cannot tell them "
        "apart."
    )
    same_days: bool = Field(description="Whether it acted on the very same days.")


class ComparisonSeriesAnswer(BaseModel):
    """One comparison series, asked what the outcome was asked."""

    model_config = with_example(**_WEATHER)

    name: str
    change: EffectAnswer = Field(
        description="Its own average effect, in its own unit: near 0 if it was not affected."
    )


class ComparisonsAnswer(BaseModel):
    """What the comparison series in the model do to the effect."""

    model_config = with_example(**COMPARISONS_EXAMPLE)

    without: EffectAnswer = Field(
        description="The average effect without any of them, on the same days."
    )
    series: list[ComparisonSeriesAnswer]


class RandomisationAnswer(BaseModel):
    """The test of what the lot alone could have made, were there no effect on any day."""

    model_config = with_example(**RANDOMISATION_EXAMPLE)

    p_value: float = Field(
        description="Share of the schedules that the lot could have drawn with a statistic at "
        "least as extreme as the observed one's."
    )
    n_assignments: int = Field(description="Schedules that the statistic was computed of.")
    exact: bool = Field(description="Whether those are all that there are, or a sample of them.")
    statistic: float = Field(description="Of the schedule that was drawn.")
    alternative: Literal["two-sided", "greater", "less"]
