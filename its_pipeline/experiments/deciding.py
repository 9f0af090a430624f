"""What an experiment's data come to: the verdict and the analysis, read and written nowhere.

What belongs here: whether a verdict still holds, and the next one, as functions of a prepared
experiment. What does not: finding and storing verdicts (`service`, `shard_runs`), looks
(`looking`), or the statistics (`its`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from its_pipeline.experiments.prepared import Prepared
from its_pipeline.stores.verdict import RunContext, Status, Verdict

if TYPE_CHECKING:
    import pandas as pd

    from its_pipeline.its import Analysis


def now() -> str:
    """Return the instant at which a verdict is decided, as verdicts hold it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def still_true(prepared: Prepared, known: Verdict) -> bool:
    """Tell whether a stored verdict is what an evaluation of this very data would give."""
    plan = prepared.plan
    if known.intervention_version != prepared.intervention.version:
        return False
    if plan.state == "ready":
        if known.status == "crashed" or known.fingerprint != prepared.fingerprint:
            return False
        return known.status != "analysed" or _is_told_of(prepared, known)
    return (
        known.status == plan.state
        and known.reason == plan.reason
        and (known.n_pre, known.n_post) == (plan.n_pre, plan.n_post)
    )


def _is_told_of(prepared: Prepared, known: Verdict) -> bool:
    """Whether an analysed verdict says what the looks come to, and still awaits days if it does."""
    told = known.standing
    return told is not None and (told["kind"] != "so_far" or not prepared.plan.window.is_final)


def is_drawn(fingerprint: str, share: float) -> bool:
    """Tell whether an analysis is among a share of all, by its fingerprint's first 32 bits."""
    return int(fingerprint[:8], 16) < share * 2**32


def not_ready(prepared: Prepared, context: RunContext, decided_at: str) -> Verdict:
    """Return the verdict on an experiment that cannot be analysed, as its plan says."""
    plan = prepared.plan
    if plan.state == "ready":
        raise ValueError(f"an experiment that is ready is analysed: {plan.key}")
    return _verdict(
        prepared,
        plan.state,
        context,
        decided_at,
        reason=plan.reason,
        reason_code=plan.reason_code,
        analysable_on=plan.analysable_on.isoformat() if plan.analysable_on else None,
    )


def crashed(prepared: Prepared, error: str, context: RunContext, decided_at: str) -> Verdict:
    """Return the verdict on an experiment whose analysis ended in this error."""
    return _verdict(
        prepared,
        "crashed",
        context,
        decided_at,
        reason=f"the analysis crashed with {error}",
        reason_code="crashed",
        fingerprint=prepared.fingerprint,
    )


def analysed(
    prepared: Prepared, context: RunContext, decided_at: str, *, audited: bool
) -> tuple[Verdict, Analysis | None]:
    """Analyse a ready experiment; return the verdict without looks, and the analysis.

    Parameters
    ----------
    prepared
        With a plan that is ready.
    context, decided_at
        Of the verdict.
    audited
        Whether NUTS audits the quadrature.

    Returns
    -------
    tuple
        The analysis is None where the data were refused.
    """
    from its_pipeline.its import InsufficientData, InvalidSeries, analyze

    if prepared.spec is None or prepared.outcome is None:
        raise ValueError(f"a ready experiment should have a series: {prepared.plan.key}")
    try:
        analysis = analyze(
            prepared.outcome,
            prepared.schedule,
            prepared.spec,
            prepared.covariates,
            others=prepared.others,
            denominator=prepared.denominator,
            audited=audited,
        )
    except (InsufficientData, InvalidSeries) as refusal:
        refused = _verdict(
            prepared,
            "refused",
            context,
            decided_at,
            reason=str(refusal),
            reason_code=getattr(refusal, "code", "insufficient_data"),
            fingerprint=prepared.fingerprint,
        )
        return refused, None
    if prepared.compared is not None:
        warnings = (*analysis.warnings, *prepared.compared.warnings())
        analysis = replace(analysis, warnings=warnings)
    converged = analysis.effects is not None
    verdict = _verdict(
        prepared,
        "analysed" if converged else "not_converged",
        context,
        decided_at,
        reason="" if converged else "; ".join(analysis.diagnostics.failures),
        reason_code="" if converged else "not_converged",
        fingerprint=prepared.fingerprint,
        effects=analysis.effects.to_dict() if analysis.effects is not None else None,
        probability_of_benefit=analysis.probability_of_benefit,
        diagnostics=analysis.diagnostics.to_dict(),
        warnings=tuple(warning.to_dict() for warning in analysis.warnings),
        is_on_and_off=converged and analysis.is_on_and_off,
        by_lot=analysis.randomisation is not None,
        likelihood=analysis.spec.likelihood,
        model_version=analysis.model_version,
    )
    return verdict, analysis


def tables_beside(prepared: Prepared) -> dict[str, pd.DataFrame]:
    """Return what is kept beside an analysis, by name; see `experiment_store.TABLES`."""
    found = {"series": prepared.daily}
    if prepared.compared is not None:
        found["comparisons"] = prepared.compared.values.reset_index()
    return found


def who(prepared: Prepared) -> dict[str, Any]:
    """Return what of a verdict follows the log alone, whatever was analysed when."""
    intervention = prepared.intervention
    return {
        "intervention_name": intervention.name,
        "intervention_version": intervention.version,
    }


def _verdict(
    prepared: Prepared, status: Status, context: RunContext, decided_at: str, **found: Any
) -> Verdict:
    intervention, plan = prepared.intervention, prepared.plan
    return Verdict(
        key=plan.key,
        user_id=intervention.user_id,
        intervention_id=intervention.intervention_id,
        **who(prepared),
        status=status,
        decided_at=decided_at,
        direction=intervention.direction,
        outcome_metric=intervention.outcome_metric,
        unit=prepared.unit,
        minimum_effect=intervention.minimum_effect,
        started_on=plan.window.started_on.isoformat(),
        pre_start_on=plan.window.pre_start_on.isoformat(),
        fit_start_on=plan.window.fit_start_on.isoformat(),
        post_end_on=plan.window.post_end_on.isoformat(),
        final_end_on=plan.window.final_end_on.isoformat(),
        cuts=tuple(
            {"side": cut.side, "on": cut.on.isoformat(), "code": cut.code, "reason": cut.reason}
            for cut in plan.window.cuts
        ),
        cadence=plan.cadence,
        n_pre=plan.n_pre,
        n_post=plan.n_post,
        n_events=int(prepared.daily["n_events"].sum()),
        dagster_run_id=context.dagster_run_id,
        **{"reason": "", "reason_code": "", "fingerprint": None, **found},
    )
