"""From verdicts, runs and interventions to the bodies of responses.

What belongs here: filling the fields of `responses`. What does not: reading stores or deciding
anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from its_pipeline.api.questions.bodies_looks import StandingAnswer
from its_pipeline.api.questions.preparing import ADHOC_PREFIX
from its_pipeline.api.questions.responses import (
    AnalysisAnswer,
    CoefficientAnswer,
    DiagnosticsAnswer,
    KeptAnswer,
    RunEntry,
    State,
    TogetherAnswer,
    WarningAnswer,
    WhatIfAnswer,
    WindowAnswer,
)
from its_pipeline.api.questions.responses_effects import (
    ComparisonsAnswer,
    ComparisonSeriesAnswer,
    EffectAnswer,
    LikenessAnswer,
    OtherAnswer,
    PhaseAnswer,
    RandomisationAnswer,
)
from its_pipeline.api.questions.responses_interventions import ExperimentAnswer, InterventionAnswer
from its_pipeline.api.workers.jobs import PLOT_NAMES, PlotName
from its_pipeline.events.intervention import Intervention
from its_pipeline.experiments.links import mlflow_run_url
from its_pipeline.experiments.prepared import Prepared
from its_pipeline.its.estimand_names import ESTIMANDS, HEADLINE
from its_pipeline.settings import Settings
from its_pipeline.stores.past_analyses import PastAnalysis
from its_pipeline.stores.verdict import Verdict

_RUNS = "/analytics/its/runs"


def effect_answer(effects: Mapping[str, Any] | None, name: str) -> EffectAnswer | None:
    """Return one effect, or None where there is none."""
    return _effect((effects or {}).get(name))


def _effect(found: Mapping[str, Any] | None) -> EffectAnswer | None:
    return _some_effect(found) if found else None


def _some_effect(found: Mapping[str, Any]) -> EffectAnswer:
    return EffectAnswer(
        estimate=found["mean"],
        sd=found["sd"],
        ci_lower=found["ci_lower"],
        ci_upper=found["ci_upper"],
        probability_positive=found["probability_positive"],
        probability_negative=found["probability_negative"],
        unit=found["unit"],
    )


def standing_answer(verdict: Verdict | None) -> StandingAnswer | None:
    """Return what the looks at an experiment come to; None where none was taken."""
    if verdict is None or verdict.standing is None:
        return None
    return StandingAnswer.model_validate(verdict.standing)


def diagnostics_answer(found: Mapping[str, Any] | None) -> DiagnosticsAnswer | None:
    """Return the diagnostics, or None where nothing was computed."""
    if found is None:
        return None
    parameters = found["parameters"]
    return DiagnosticsAnswer(
        **{name: found[name] for name in _DIAGNOSTIC_NUMBERS},
        # An analysis stored before there was a quadrature has none of these.
        quadrature_error=found.get("quadrature_error"),
        edge_mass=found.get("edge_mass"),
        audit_difference=found.get("audit_difference"),
        converged=bool(found["converged"]),
        failures=list(found["failures"]),
        r_hat={parameter["name"]: parameter["r_hat"] for parameter in parameters},
        ess_bulk={parameter["name"]: parameter["ess_bulk"] for parameter in parameters},
        ess_tail={parameter["name"]: parameter["ess_tail"] for parameter in parameters},
    )


_DIAGNOSTIC_NUMBERS = (
    "max_r_hat",
    "min_ess_bulk",
    "min_ess_tail",
    "divergences",
    "bfmi",
    "max_tree_depth",
    "chains",
    "draws",
    "escalated",
)


_CRASHED = "the last analysis crashed; the next look tries again"


def run_links(
    settings: Settings, user_id: str, run_id: str | None, *, converged: bool, key: str = ""
) -> dict[str, str]:
    """Return where to go from an analysis; addresses of ours are relative to the server."""
    links = {
        "history": f"/analytics/its/history/{user_id}",
        "experiments": f"/experiments/{user_id}",
    }
    if run_id is not None:
        links["self"] = f"{_RUNS}/{run_id}"
        drawable: tuple[PlotName, ...] = PLOT_NAMES if converged else ("diagnostics",)
        for name in drawable:
            links[f"plot_{name}"] = f"{_RUNS}/{run_id}/plots/{name}"
        if not key.partition("|")[2].startswith(ADHOC_PREFIX):
            links["report"] = f"{_RUNS}/{run_id}/report"
        mlflow_url = mlflow_run_url(settings, run_id)
        if mlflow_url is not None:
            links["mlflow"] = mlflow_url
    return links


def analysis_answer(
    settings: Settings,
    verdict: Verdict,
    run_id: str | None,
    *,
    cached: bool,
    told: Mapping[str, Any],
    kept: KeptAnswer | None = None,
    plots: Mapping[PlotName, str] | None = None,
) -> AnalysisAnswer:
    """Return one analysis in full; without any effect unless the verdict has them.

    Parameters
    ----------
    settings
        For links.
    verdict, run_id
        What was found out, and the run that records it.
    cached
        Whether it was known already.
    told
        What the stored analysis says of itself; empty where it is not kept any more.
    kept
        How many of its kind are kept of this person, where there is a limit.
    plots
        PNGs in base64.
    """
    # An analysis stored by an earlier version has neither coefficients nor other beliefs.
    published = told if verdict.status == "analysed" else {}
    return AnalysisAnswer(
        status=verdict.status,
        reason=verdict.reason,
        user_id=verdict.user_id,
        intervention_id=verdict.intervention_id,
        intervention_date=date.fromisoformat(verdict.started_on),
        outcome_metric=verdict.outcome_metric,
        direction="decrease" if verdict.direction == "decrease" else "increase",
        minimum_effect=verdict.minimum_effect,
        **{each.effect_name: effect_answer(verdict.effects, each.name) for each in ESTIMANDS},
        standing=standing_answer(verdict),
        probability_of_benefit=verdict.probability_of_benefit,
        coefficients={
            name: CoefficientAnswer(mean=mean, sd=sd)
            for name, (mean, sd) in published.get("coefficients", {}).items()
        },
        what_if=[WhatIfAnswer(**each) for each in published.get("what_if", ())],
        comparisons=_comparisons(published.get("comparisons")),
        **_by_schedule(verdict, published.get("by_schedule") or {}),
        mcmc_diagnostics=diagnostics_answer(verdict.diagnostics),
        n_pre=verdict.n_pre,
        n_post=verdict.n_post,
        window=WindowAnswer(
            pre_start_on=_day(verdict.pre_start_on),
            started_on=date.fromisoformat(verdict.started_on),
            fit_start_on=_day(verdict.fit_start_on),
            post_end_on=_day(verdict.post_end_on),
            together=[
                TogetherAnswer(
                    started_on=date.fromisoformat(cut["on"]),
                    code=cut["code"],
                    reason=cut["reason"],
                )
                for cut in verdict.cuts
                if cut["side"] == "with"
            ],
        ),
        warnings=[
            WarningAnswer(
                code=warning["code"], text=warning["text"], numbers=dict(warning["numbers"])
            )
            for warning in verdict.warnings
        ],
        plots=dict(plots or {}),
        mlflow_run_id=run_id,
        fingerprint=verdict.fingerprint or "",
        model_version=verdict.model_version,
        decided_at=datetime.fromisoformat(verdict.decided_at),
        computation_time_seconds=verdict.computed_seconds,
        cached=cached,
        kept=kept,
        links=run_links(
            settings,
            verdict.user_id,
            run_id,
            converged=verdict.status == "analysed",
            key=verdict.key,
        ),
    )


def _comparisons(found: Mapping[str, Any] | None) -> ComparisonsAnswer | None:
    if found is None:
        return None
    return ComparisonsAnswer(
        without=_some_effect(found["without"]),
        series=[
            ComparisonSeriesAnswer(name=each["name"], change=_some_effect(each["change"]))
            for each in found["series"]
        ],
    )


def _by_schedule(verdict: Verdict, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what follows from when it acted; nothing of an analysis without effects."""
    likeness, tested = found.get("likeness"), found.get("randomisation")
    return {
        "phases": [
            PhaseAnswer(**{**phase, "effect": _effect(phase["effect"])})
            for phase in (found["phases"] if verdict.is_on_and_off and found else ())
        ],
        "likeness": likeness
        and LikenessAnswer(
            **{**likeness, "first_less_later": _some_effect(likeness["first_less_later"])}
        ),
        "others": [
            OtherAnswer(
                **{
                    **other,
                    "effect": _some_effect(other["effect"]),
                    "together": _some_effect(other["together"]),
                }
            )
            for other in found.get("others", ())
        ],
        "as_done": _effect(found.get("as_done")),
        "randomisation": tested
        and RandomisationAnswer(
            **{name: tested[name] for name in RandomisationAnswer.model_fields}
        ),
    }


def run_entry(settings: Settings, run: PastAnalysis) -> RunEntry:
    """Return one line of a history."""
    numbers = run.numbers
    n_pre, n_post = numbers.get("n_pre"), numbers.get("n_post")
    return RunEntry(
        mlflow_run_id=run.mlflow_run_id,
        user_id=run.user_id,
        intervention_id=run.intervention_id,
        status=run.status,  # type: ignore[arg-type] - validated here
        recorded_at=run.recorded_at,
        outcome_metric=run.outcome_metric,
        intervention_date=_day(run.started_on),
        n_pre=None if n_pre is None else int(n_pre),
        n_post=None if n_post is None else int(n_post),
        counterfactual_effect_estimate=numbers.get(f"{HEADLINE.name}.mean"),
        counterfactual_effect_ci_lower=numbers.get(f"{HEADLINE.name}.ci_lower"),
        counterfactual_effect_ci_upper=numbers.get(f"{HEADLINE.name}.ci_upper"),
        probability_of_benefit=numbers.get("probability_of_benefit"),
        fingerprint=run.fingerprint,
        links=run_links(
            settings,
            run.user_id,
            run.mlflow_run_id,
            converged=run.status == "analysed",
            key=f"{run.user_id}|{run.intervention_id}",
        ),
    )


def intervention_answer(intervention: Intervention) -> InterventionAnswer:
    """Return a logged intervention."""
    return InterventionAnswer(**intervention.to_dict())


def experiment_answer(
    settings: Settings, prepared: Prepared, known: Verdict | None, run_id: str | None
) -> ExperimentAnswer:
    """Return where an experiment stands.

    Parameters
    ----------
    settings
        For links.
    prepared
        What is known now, before any effect.
    known, run_id
        The newest stored verdict and the run that records it.
    """
    plan, intervention = prepared.plan, prepared.intervention
    ready = plan.state == "ready"
    of_these_days = known is not None and (
        known.fingerprint == prepared.fingerprint if ready else known.status == plan.state
    )
    state: State = "due" if plan.state == "ready" else plan.state
    reason, code = plan.reason, plan.reason_code
    if ready and known is not None and of_these_days:
        state, code = known.status, known.reason_code
        # What was raised may tell of files; it is in the store for whoever runs the server.
        reason = known.reason if state != "crashed" else _CRASHED
    up_to_date = (
        known is not None
        and of_these_days
        and state != "crashed"
        and known.intervention_version == intervention.version
    )
    shown = known if ready and known is not None and known.status == "analysed" else None
    return ExperimentAnswer(
        intervention_id=intervention.intervention_id,
        name=intervention.name,
        outcome_metric=intervention.outcome_metric,
        intervention_date=intervention.started_on,
        state=state,
        reason=reason,
        reason_code=code,
        waiting_since=intervention.logged_at if state == "waiting" else None,
        analysable_on=plan.analysable_on,
        up_to_date=up_to_date,
        n_pre=plan.n_pre,
        n_post=plan.n_post,
        baseline_mean=plan.baseline_mean,
        baseline_sd=plan.baseline_sd,
        baseline_autocorrelation=plan.baseline_autocorrelation,
        decided_at=datetime.fromisoformat(known.decided_at) if known else None,
        probability_of_benefit=shown.probability_of_benefit if shown else None,
        counterfactual_effect=effect_answer(shown.effects, HEADLINE.name) if shown else None,
        standing=standing_answer(shown),
        mlflow_run_id=run_id,
        links=run_links(
            settings,
            intervention.user_id,
            run_id,
            converged=shown is not None,
            key=plan.key,
        ),
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
