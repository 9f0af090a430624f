"""Analyses and report inputs made without sampling: least squares stands in for the posterior.

Real classes of the package, invented numbers. For tests of figures and pages only; what the model
estimates is tested where the model is.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from its_pipeline.events.intervention import Intervention
from its_pipeline.events.metrics import SESSION_PERFORMANCE, OutcomeMetric
from its_pipeline.experiments.window import Cut, Window
from its_pipeline.its import (
    AnalysisSpec,
    AnalysisWarning,
    Diagnostics,
    Effect,
    Effects,
    ParameterDiagnostics,
)
from its_pipeline.its.analysis import Analysis
from its_pipeline.its.results import PosteriorDraws
from its_pipeline.report.inputs import DataFacts, Provenance, ReportInput, StateInput
from its_pipeline.stores.verdict import Status

STARTED_ON = date(2026, 8, 15)


def effect_from(draws: np.ndarray, unit: str) -> Effect:
    flat = draws.ravel()
    lower, upper = np.percentile(flat, [2.5, 97.5])
    return Effect(
        float(flat.mean()),
        float(flat.std()),
        float(lower),
        float(upper),
        float((flat > 0).mean()),
        float((flat < 0).mean()),
        unit,
    )


def make_diagnostics(
    converged: bool, names: tuple[str, ...] = ("rho", "sigma", "immediate_effect")
) -> Diagnostics:
    bad = (
        ()
        if converged
        else (
            "R-hat 1.31 is not below 1.01 (rho)",
            "bulk ESS 41 is below 400 (rho)",
            "12 divergences, none are allowed",
        )
    )
    parameters = tuple(
        ParameterDiagnostics(
            name,
            1.001 if converged or name != "rho" else 1.31,
            3200.0 if converged else 41.0,
            2900.0,
        )
        for name in names
    )
    return Diagnostics(
        converged,
        1.001 if converged else 1.31,
        3200.0 if converged else 41.0,
        2900.0,
        0 if converged else 12,
        0.97,
        parameters,
        5,
        4,
        500,
        not converged,
        bad,
    )


def make_series(
    n_pre: int,
    n_post: int,
    level: float,
    slope: float,
    missing: float,
    seed: int,
    washout: int = 0,
    noise: float = 6.0,
    started_on: date = STARTED_ON,
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = n_pre + washout + n_post
    days = pd.date_range(started_on - timedelta(days=n_pre), periods=n, freq="D")
    t = np.arange(n) - n_pre
    errors = np.zeros(n)
    for i in range(n):
        errors[i] = (0.4 * errors[i - 1] if i else 0.0) + rng.normal(0, noise * 0.9)
    weekend = np.where(days.dayofweek >= 5, -3.0, 1.0)
    observed = 62 + 0.02 * t + weekend + errors + np.where(t >= 0, level + slope * t, 0.0)
    observed[rng.random(n) < missing] = np.nan
    phase = np.where(t < 0, "pre", np.where(t < washout, "washout", "post"))
    return pd.DataFrame({"day": days, "phase": phase, "observed": observed})


def make_analysis(
    level: float = 6.0,
    slope: float = 0.0,
    *,
    n_pre: int = 60,
    n_post: int = 45,
    missing: float = 0.1,
    converged: bool = True,
    has_slope: bool = True,
    seed: int = 1,
    n_draws: int = 500,
    warnings: tuple[AnalysisWarning, ...] = (),
    **spec: Any,
) -> Analysis:
    settings = AnalysisSpec(unit=spec.pop("unit", "points"), draws=n_draws, **spec)
    washout = settings.washout_days
    daily = make_series(n_pre, n_post, level, slope, missing, seed, washout)
    rng = np.random.default_rng(seed + 1000)
    observed = daily["observed"].to_numpy()
    t = np.arange(len(daily)) - n_pre
    week = pd.get_dummies(daily["day"].dt.dayofweek, drop_first=True).to_numpy(float)
    columns = {
        "intercept": np.ones(len(daily)),
        "trend": t.astype(float),
        "level_change": (t >= 0).astype(float),
    }
    if has_slope:
        columns["slope_change"] = np.clip(t, 0, None).astype(float)
    names = [*columns, *[f"day_{d}" for d in range(1, 7)]]
    design = np.column_stack([*columns.values(), week])
    used = np.isfinite(observed) & (daily["phase"] != "washout").to_numpy()
    x, y = design[used], observed[used]
    precision = x.T @ x + 1e-6 * np.eye(x.shape[1])
    centre = np.linalg.solve(precision, x.T @ y)
    sigma = float(np.std(y - x @ centre))
    chol = np.linalg.cholesky(np.linalg.inv(precision)) * sigma * 1.4
    flat = centre[:, None] + chol @ rng.standard_normal((len(names), 4 * n_draws))
    noise = {
        "sigma": np.abs(rng.normal(sigma, sigma / 15, (4, n_draws))),
        "phi": np.clip(rng.normal(0.4, 0.1, (4, n_draws)), 0, 0.95),
        "share_new": np.full((4, n_draws), 0.2),
    }
    n_post_days = int((used & (t >= 0)).sum())
    shared: dict[str, Any] = {
        "spec": settings,
        "intervention_on": STARTED_ON,
        "fit_start_on": STARTED_ON + timedelta(days=washout),
        "n_pre": int((used & (t < 0)).sum()),
        "n_post": n_post_days,
        "warnings": warnings,
        "has_slope": has_slope,
        "model_version": "test-1",
        "timing": {"total": 0.4},
        "trace": noise,
    }
    diagnostics = make_diagnostics(converged)
    if not converged:
        return Analysis(
            effects=None,
            probability_of_benefit=None,
            diagnostics=diagnostics,
            daily=daily,
            **shared,
        )
    change = design.copy()
    change[:, [n not in ("level_change", "slope_change") for n in names]] = 0.0
    delta = change @ flat
    post = t >= washout
    counted = used & post
    average = delta[counted].mean(axis=0)
    total = delta[counted].sum(axis=0)
    baseline = (design - change) @ flat
    relative = 100 * total / baseline[counted].sum(axis=0)
    estimands = {
        "immediate_effect": flat[2],
        "counterfactual_effect": average,
        "cumulative_effect": total,
        "relative_effect": relative,
    }
    if has_slope:
        estimands["sustained_effect"] = 7 * flat[3]
    unit = settings.unit
    effects = Effects(
        immediate=effect_from(flat[2], unit),
        sustained=effect_from(7 * flat[3], f"{unit} per week") if has_slope else None,
        counterfactual=effect_from(average, unit),
        cumulative=effect_from(total, f"{unit}-days"),
        relative=effect_from(relative, "%"),
    )
    q = np.percentile(baseline, [2.5, 97.5, 25, 75], axis=1)
    running = np.cumsum(np.where(counted[:, None], delta, 0.0), axis=0)
    effect_q, sum_q = (
        np.percentile(delta, [2.5, 97.5], axis=1),
        np.percentile(running, [2.5, 97.5], axis=1),
    )
    blank = np.where(post, 1.0, np.nan)
    daily = daily.assign(
        fitted=(design @ flat).mean(axis=1),
        counterfactual=baseline.mean(axis=1),
        counterfactual_lower=q[0],
        counterfactual_upper=q[1],
        counterfactual_lower_50=q[2],
        counterfactual_upper_50=q[3],
        effect=delta.mean(axis=1) * blank,
        effect_lower=effect_q[0] * blank,
        effect_upper=effect_q[1] * blank,
        cumulative_effect=running.mean(axis=1) * blank,
        cumulative_lower=sum_q[0] * blank,
        cumulative_upper=sum_q[1] * blank,
    )
    threshold = settings.minimum_effect
    benefit = (average > threshold) if settings.direction == "increase" else (average < -threshold)
    return Analysis(
        effects=effects,
        probability_of_benefit=float(benefit.mean()),
        diagnostics=diagnostics,
        daily=daily,
        kept=PosteriorDraws(
            {n: flat[i].reshape(4, n_draws) for i, n in enumerate(names)},
            {n: v.reshape(4, n_draws) for n, v in estimands.items()},
            noise,
            design,
        ),
        **shared,
    )


def make_intervention(**fields: Any) -> Intervention:
    values: dict[str, Any] = {
        "user_id": "ada",
        "intervention_id": "morning",
        "outcome_metric": SESSION_PERFORMANCE,
        "started_on": STARTED_ON,
        "name": "Study in the morning",
        "hypothesis": "I concentrate better before noon",
        "time_zone": "Europe/Berlin",
        "logged_at": datetime(2026, 8, 10, 9, 30, tzinfo=UTC),
        "sequence": 7,
    }
    return Intervention(**{**values, **fields})


def make_metric(**fields: Any) -> OutcomeMetric:
    values: dict[str, Any] = {
        "name": SESSION_PERFORMANCE,
        "event_types": ("SESSION_ENDED",),
        "column": "session_performance_score",
        "minimum": 0.0,
        "maximum": 100.0,
        "unit": "points",
        "label": "session performance",
    }
    return OutcomeMetric(**{**values, **fields})


def make_window(n_pre: int = 60, n_post: int = 45, washout: int = 0, final_in: int = 0) -> Window:
    end = STARTED_ON + timedelta(days=washout + n_post - 1)
    return Window(
        pre_start_on=STARTED_ON - timedelta(days=n_pre),
        started_on=STARTED_ON,
        fit_start_on=STARTED_ON + timedelta(days=washout),
        post_end_on=end,
        final_end_on=end + timedelta(days=final_in),
        cuts=(
            Cut(
                "pre",
                STARTED_ON - timedelta(days=n_pre),
                "baseline_days",
                f"the baseline is the {n_pre} days up to the start",
            ),
            Cut("post", end, "horizon_days", f"the horizon is {n_post} days"),
        ),
        together=(),
    )


PROVENANCE = Provenance(
    fingerprint="3f9a1c77d2e84b06a5519e0c4d7b8a21",
    model_version="ar1-collapsed-1",
    versions={"its_pipeline": "0.1.0", "pymc": "5.28.5", "nutpie": "0.16.8"},
    code_version="4df0664",
    seed=0,
    mlflow_run_id="c0ffee12",
    mlflow_url="http://127.0.0.1:5000/#/experiments/1/runs/c0ffee12",
    dagster_run_id="9d1f3a52-77aa",
    dagster_url="http://127.0.0.1:3000/runs/9d1f3a52-77aa",
    event_partitions=("2026-06-16", "2026-09-28"),
    command="its-pipeline fit 'ada|morning' --fingerprint 3f9a1c77d2e84b06a5519e0c4d7b8a21",
    decided_at=datetime(2026, 9, 29, 3, 4, tzinfo=UTC),
    computed_seconds=0.62,
)


def make_report(analysis: Analysis | None = None, **fields: Any) -> ReportInput:
    analysis = analysis or make_analysis()
    values: dict[str, Any] = {
        "intervention": make_intervention(
            direction=analysis.spec.direction,
            minimum_effect=analysis.spec.minimum_effect,
            washout_days=analysis.spec.washout_days,
        ),
        "metric": make_metric(),
        "analysis": analysis,
        "window": make_window(washout=analysis.spec.washout_days),
        "data": DataFacts(1412, 9, {"score_in_range": 6, "unique_event_id": 3}),
        "provenance": PROVENANCE,
        "index_href": "../../index.html",
    }
    return ReportInput(**{**values, **fields})


def make_state(state: Status = "waiting", **fields: Any) -> StateInput:
    values: dict[str, Any] = {
        "intervention": make_intervention(),
        "metric": make_metric(),
        "state": state,
        "reason": "60 observed days before the start and 3 after it; at least 8 of each are needed",
        "window": make_window(n_post=3, final_in=87),
        "provenance": PROVENANCE,
        "index_href": "../../index.html",
        "data": DataFacts(800, 0),
    }
    if state == "waiting":
        values |= {"n_pre": 60, "n_post": 3, "analysable_on": date(2026, 8, 23)}
    if state == "not_converged":
        values |= {
            "analysis": make_analysis(converged=False),
            "window": make_window(),
            "n_pre": 60,
            "n_post": 45,
            "reason": "R-hat 1.3100 is not below 1.01; bulk ESS 41 is not at least 400",
        }
    return StateInput(**{**values, **fields})
