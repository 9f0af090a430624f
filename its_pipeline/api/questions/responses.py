"""What clients get: the bodies of responses.

What belongs here: fields, rules and examples of analyses and of the server's state. What does not:
those of effects (`responses_effects`), of interventions and experiments
(`responses_interventions`), filling them (`bodies`), refusals (`http.problems`), or what clients
send (`requests`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from its_pipeline.api.questions.bodies_looks import StandingAnswer
from its_pipeline.api.questions.fields import LocalDate
from its_pipeline.api.questions.responses_effects import (
    COMPARISONS_EXAMPLE,
    EFFECT_EXAMPLE,
    LIKENESS_EXAMPLE,
    PHASE_EXAMPLES,
    RANDOMISATION_EXAMPLE,
    ComparisonsAnswer,
    EffectAnswer,
    LikenessAnswer,
    OtherAnswer,
    PhaseAnswer,
    RandomisationAnswer,
    with_example,
)
from its_pipeline.api.workers.jobs import PlotName
from its_pipeline.stores.verdict import Status

State = Literal["analysed", "due", "waiting", "not_converged", "refused", "closed", "crashed"]

_DIAGNOSTICS = {
    "converged": True,
    "max_r_hat": 1.001,
    "min_ess_bulk": 986.6,
    "min_ess_tail": 808.8,
    "divergences": 0,
    "bfmi": 1.03,
    "max_tree_depth": 3,
    "chains": 4,
    "draws": 500,
    "escalated": False,
    "quadrature_error": 0.0042,
    "edge_mass": 0.00001,
    "audit_difference": 0.021,
    "failures": [],
    "r_hat": {"phi": 1.0009},
    "ess_bulk": {"phi": 986.6},
    "ess_tail": {"phi": 814.1},
}
_LINKS = {
    "self": "/analytics/its/runs/0123456789abcdef0123456789abcdef",
    "report": "/analytics/its/runs/0123456789abcdef0123456789abcdef/report",
    "history": "/analytics/its/history/anna",
}


class DiagnosticsAnswer(BaseModel):
    """What quadrature and sampler came to, and whether that passed the gate."""

    model_config = with_example(**_DIAGNOSTICS)

    converged: bool
    max_r_hat: float | None
    min_ess_bulk: float | None
    min_ess_tail: float | None
    divergences: int
    bfmi: float | None
    max_tree_depth: int
    chains: int
    draws: int = Field(
        description="Kept draws a chain, of the sampler or the auditor; 0 where neither ran."
    )
    escalated: bool = Field(description="Whether it was run again with stricter settings.")
    quadrature_error: float | None = Field(
        description="In standard deviations of the effects; null where they were sampled."
    )
    edge_mass: float | None = Field(
        description="Share of the quadrature's mass in its outermost nodes; null likewise."
    )
    audit_difference: float | None = Field(
        description="The most that sampler and quadrature differ, in standard deviations; null "
        "where only one of the two ran."
    )
    failures: list[str] = Field(description="Thresholds that failed, with value and threshold.")
    r_hat: dict[str, float | None] = Field(description="By parameter.")
    ess_bulk: dict[str, float | None] = Field(description="By parameter.")
    ess_tail: dict[str, float | None] = Field(description="By parameter.")


class WarningAnswer(BaseModel):
    """Something to know before believing an effect."""

    model_config = with_example(
        code="short_phase", text="Only 10 days before the start.", numbers={"n_pre": 10}
    )

    code: str
    text: str
    numbers: dict[str, float | None]


_COEFFICIENT = {"mean": 0.8, "sd": 1.1}
_WHAT_IF = {
    "name": "no_trend",
    "probability": 0.62,
    "mean": 4.9,
    "ci_lower": 2.6,
    "ci_upper": 7.2,
    "probability_positive": 0.999,
}


class CoefficientAnswer(BaseModel):
    """The posterior of one coefficient of the regression, in the outcome's own units."""

    model_config = with_example(**_COEFFICIENT)

    mean: float
    sd: float


class WhatIfAnswer(BaseModel):
    """The average effect under another belief about straight trends."""

    model_config = with_example(**_WHAT_IF)

    name: str = Field(
        description="The belief: `no_trend`, `trend`, `no_slope_change` or `slope_change`."
    )
    probability: float = Field(description="How probable the data make it.")
    mean: float = Field(description="The effect, given the belief.")
    ci_lower: float = Field(description="2.5 % quantile.")
    ci_upper: float = Field(description="97.5 % quantile.")
    probability_positive: float


_TOGETHER = {
    "started_on": "2026-05-20",
    "code": "overlap",
    "reason": "“Evening walks” is in the same model: both ran over some of the same days",
}


class TogetherAnswer(BaseModel):
    """Why another intervention is in the same model, and no end of the window."""

    model_config = with_example(**_TOGETHER)

    started_on: LocalDate = Field(description="The other's first day.")
    code: str = Field(description="The rule: `same_start`, `overlap` or `short_baseline`.")
    reason: str = Field(description="The rule in a sentence that names the other.")


_WINDOW: Final[dict[str, Any]] = {
    "pre_start_on": "2026-01-31",
    "started_on": "2026-05-01",
    "fit_start_on": "2026-05-01",
    "post_end_on": "2026-06-19",
    "together": [],
}


class WindowAnswer(BaseModel):
    """The days of the analysis; every bound is inclusive."""

    model_config = with_example(**{**_WINDOW, "together": [_TOGETHER]})

    pre_start_on: LocalDate | None
    started_on: LocalDate
    fit_start_on: LocalDate | None = Field(description="First day after the washout.")
    post_end_on: LocalDate | None
    together: list[TogetherAnswer] = Field(
        description="The person's other interventions in the same model."
    )


class KeptAnswer(BaseModel):
    """How many analyses are kept of a person's questions that are not logged interventions' own."""

    model_config = with_example(analyses=12, limit=100)

    analyses: int = Field(description="Kept now, this one included.")
    limit: int = Field(description="Beyond it the oldest is deleted for good, with its run.")


_ANALYSIS: Final[dict[str, Any]] = {
    "status": "analysed",
    "user_id": "anna",
    "intervention_id": "morning",
    "intervention_date": "2026-05-01",
    "outcome_metric": "sessionPerformanceScore",
    "direction": "increase",
    "minimum_effect": 0.0,
    "immediate_effect": EFFECT_EXAMPLE,
    "sustained_effect": {**EFFECT_EXAMPLE, "unit": "points per week"},
    "counterfactual_effect": EFFECT_EXAMPLE,
    "cumulative_effect": {**EFFECT_EXAMPLE, "unit": "points sum over days"},
    "relative_effect": {**EFFECT_EXAMPLE, "unit": "%"},
    "ratio_effect": None,
    "probability_of_benefit": 0.999,
    "coefficients": {"share_morning": _COEFFICIENT},
    "what_if": [_WHAT_IF],
    "phases": [],
    "likeness": None,
    "others": [],
    "comparisons": COMPARISONS_EXAMPLE,
    "as_done": None,
    "randomisation": None,
    "mcmc_diagnostics": _DIAGNOSTICS,
    "n_pre": 85,
    "n_post": 48,
    "window": _WINDOW,
    "warnings": [],
    "plots": {},
    "mlflow_run_id": "0123456789abcdef0123456789abcdef",
    "fingerprint": "fedcba9876543210fedcba9876543210",
    "model_version": "ar1-white-1",
    "decided_at": "2026-06-20T03:00:00Z",
    "computation_time_seconds": 0.41,
    "cached": False,
    "kept": None,
    "links": _LINKS,
}


_ON_AND_OFF: Final[dict[str, Any]] = {
    **_ANALYSIS,
    "sustained_effect": None,
    "phases": list(PHASE_EXAMPLES),
    "likeness": LIKENESS_EXAMPLE,
    "randomisation": RANDOMISATION_EXAMPLE,
}


class AnalysisAnswer(BaseModel):
    """One analysis: the effects if the sampler converged, and never any if it did not."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ANALYSIS, _ON_AND_OFF]})

    status: Status
    reason: str = Field(default="", description="Why there are no effects, where there are none.")
    user_id: str
    intervention_id: str = Field(
        description="The logged intervention, or `adhoc-...` for a date that is not logged."
    )
    intervention_date: LocalDate
    outcome_metric: str
    direction: Literal["increase", "decrease"]
    minimum_effect: float
    immediate_effect: EffectAnswer | None = Field(description="Level change on the first day.")
    sustained_effect: EffectAnswer | None = Field(
        description="Change of the trend; null where the model has none, never 0 instead."
    )
    counterfactual_effect: EffectAnswer | None = Field(
        description="Mean distance of the post-period from what it would have been."
    )
    cumulative_effect: EffectAnswer | None
    relative_effect: EffectAnswer | None
    ratio_effect: EffectAnswer | None = Field(
        default=None,
        description="Ratio of rates (counts) or of odds (yes/no); null for other outcomes. Its "
        "probabilities are those of lying above and below 1.",
    )
    standing: StandingAnswer | None = Field(
        default=None,
        description="What the looks at a logged experiment come to; null for any other question.",
    )
    probability_of_benefit: float | None = Field(
        description="P(counterfactual_effect beats minimum_effect in the direction)."
    )
    coefficients: dict[str, CoefficientAnswer] = Field(
        description="Of the regression, by name; empty where the stored analysis has none."
    )
    what_if: list[WhatIfAnswer] = Field(
        description="The effect under other beliefs about trends; empty likewise."
    )
    phases: list[PhaseAnswer] = Field(
        description="Each time that it was on or off, in order; empty where there is one change."
    )
    likeness: LikenessAnswer | None = Field(
        description="How alike the effects of the times on are; null without two of them."
    )
    others: list[OtherAnswer] = Field(
        description="The person's other interventions in the same model."
    )
    comparisons: ComparisonsAnswer | None = Field(
        default=None,
        description="What comparison series, declared as not affected by it, do to the effect; "
        "null where none is in the model.",
    )
    as_done: EffectAnswer | None = Field(
        description="The average effect of the days as the person really had them; null where "
        "those are the scheduled ones."
    )
    randomisation: RandomisationAnswer | None = Field(
        description="The test by the lot that the days were drawn by; null where none was, or not "
        "ahead of its first day."
    )
    mcmc_diagnostics: DiagnosticsAnswer | None
    n_pre: int = Field(description="Observed days before the intervention.")
    n_post: int = Field(description="Observed days after it and after the washout.")
    window: WindowAnswer
    warnings: list[WarningAnswer]
    plots: dict[PlotName, str] = Field(description="PNGs in base64, those asked for.")
    mlflow_run_id: str | None
    fingerprint: str
    model_version: str
    decided_at: datetime
    computation_time_seconds: float = Field(description="What computing it took, then.")
    cached: bool = Field(description="Whether it was known already.")
    kept: KeptAnswer | None = Field(
        description="How many such questions' analyses are kept; null for a logged intervention's "
        "own question, whose analysis stays."
    )
    links: dict[str, str]


_RUN: Final[dict[str, Any]] = {
    "mlflow_run_id": "0123456789abcdef0123456789abcdef",
    "user_id": "anna",
    "intervention_id": "morning",
    "status": "analysed",
    "recorded_at": "2026-06-20T03:00:00Z",
    "outcome_metric": "sessionPerformanceScore",
    "intervention_date": "2026-05-01",
    "n_pre": 85,
    "n_post": 48,
    "counterfactual_effect_estimate": 4.7,
    "counterfactual_effect_ci_lower": 2.1,
    "counterfactual_effect_ci_upper": 7.3,
    "probability_of_benefit": 0.999,
    "fingerprint": "fedcba9876543210fedcba9876543210",
    "links": _LINKS,
}


class RunEntry(BaseModel):
    """One past analysis in a history."""

    model_config = with_example(**_RUN)

    mlflow_run_id: str | None = Field(
        description="The run that records it; null of one that was computed in a shard."
    )
    user_id: str
    intervention_id: str
    status: Status
    recorded_at: datetime
    outcome_metric: str | None
    intervention_date: LocalDate | None
    n_pre: int | None
    n_post: int | None
    counterfactual_effect_estimate: float | None
    counterfactual_effect_ci_lower: float | None
    counterfactual_effect_ci_upper: float | None
    probability_of_benefit: float | None
    fingerprint: str
    links: dict[str, str]


class HistoryAnswer(BaseModel):
    """A page of past analyses, newest first."""

    model_config = with_example(user_id="anna", runs=[_RUN], next_page=None)

    user_id: str
    runs: list[RunEntry]
    next_page: str | None = Field(description="Value of `page` for the next page; null at the end.")


class HealthAnswer(BaseModel):
    """The server runs."""

    model_config = with_example(status="ok", version="0.1.0")

    status: Literal["ok"]
    version: str


class ReadyAnswer(BaseModel):
    """The server can analyse at once."""

    model_config = with_example(status="ready", workers=2, ready=2)

    status: Literal["ready"]
    workers: int
    ready: int
