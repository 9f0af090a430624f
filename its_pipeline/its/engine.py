"""`analyze`: one series in, one `Analysis` out, or one for each of several interventions.

The order of things and nothing else: validate, build the design, compute the posterior, judge, and
only then compute what the verdict allows. Each step lives in its own module.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, overload

import numpy as np
import pandas as pd

from its_pipeline.its import models
from its_pipeline.its.analysis import Analysis
from its_pipeline.its.by_lot import tested_by_lot
from its_pipeline.its.cadence import in_steps
from its_pipeline.its.decisions.randomisation import Randomisation
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.errors import InsufficientData, InvalidSeries
from its_pipeline.its.estimands import (
    bare_daily,
    daily_table,
    effect_of,
    probability_of_benefit,
    summarise,
)
from its_pipeline.its.exact import ExactPosterior, integrate_posterior
from its_pipeline.its.fitting import design_of, prepared_fit
from its_pipeline.its.headline import headline
from its_pipeline.its.inference.audit import audit
from its_pipeline.its.inference.diagnostics import assess_quadrature
from its_pipeline.its.inference.nuts import together
from its_pipeline.its.joint import JointAnalysis
from its_pipeline.its.likelihoods.base import GaussianLikelihood
from its_pipeline.its.likelihoods.linked import LinkedLikelihood
from its_pipeline.its.linked import linked_posterior
from its_pipeline.its.phases import likeness_of, others_of, phases_of
from its_pipeline.its.posterior import Fit, Posterior
from its_pipeline.its.results import AnalysisWarning, ChangeDate, Effect
from its_pipeline.its.sampled import sample_posterior
from its_pipeline.its.schedule_results import ScheduleResults
from its_pipeline.its.sensitivity.analyses import SensitivityAnalyses, sensitivity_questions
from its_pipeline.its.sensitivity.change_date import change_dates
from its_pipeline.its.series import PreparedSeries
from its_pipeline.its.spec import MODEL_VERSION, AnalysisSpec
from its_pipeline.its.targets import effect_contrasts
from its_pipeline.its.warnings import warnings_of_effects, warnings_of_input
from its_pipeline.its.warnings_of_comparisons import warnings_of_comparisons
from its_pipeline.its.warnings_of_counts import warnings_of_counts
from its_pipeline.its.warnings_of_schedules import warnings_of_schedule
from its_pipeline.schedules.schedule import Schedule

Day = date | str | np.datetime64 | int
"""Date-like; a pandas Timestamp is a date. A whole number is a session's."""

_WARM_UP_DAYS = 40


@overload
def analyze(
    outcome: pd.Series,
    intervention_on: Mapping[str, Schedule | Day],
    spec: AnalysisSpec | None = None,
    covariates: pd.DataFrame | None = None,
    *,
    denominator: pd.Series | None = None,
    cores: int | None = None,
    audited: bool = True,
) -> JointAnalysis: ...


@overload
def analyze(
    outcome: pd.Series,
    intervention_on: Schedule | Day,
    spec: AnalysisSpec | None = None,
    covariates: pd.DataFrame | None = None,
    *,
    others: Mapping[str, Schedule | Day] | None = None,
    denominator: pd.Series | None = None,
    cores: int | None = None,
    audited: bool = True,
) -> Analysis: ...


def analyze(
    outcome: pd.Series,
    intervention_on: Schedule | Day | Mapping[str, Schedule | Day],
    spec: AnalysisSpec | None = None,
    covariates: pd.DataFrame | None = None,
    *,
    others: Mapping[str, Schedule | Day] | None = None,
    denominator: pd.Series | None = None,
    cores: int | None = None,
    audited: bool = True,
) -> Analysis | JointAnalysis:
    """Answer for one series whether what was tried changed it, and whether that helped.

    Parameters
    ----------
    outcome
        Local days (DatetimeIndex without time zone, unique, increasing) to values. An absent day
        or NaN is a missing day; missing days are never filled. Weeks, months and so on are found
        from the dates (see `AnalysisSpec.cadence`); whole numbers are sessions.
    intervention_on
        Date-like, the first day on, **INCLUSIVE** (`>=`), for good; or a `Schedule`; or a mapping
        of names to these: several interventions in one model.
    spec
        Settings; `AnalysisSpec()` by default.
    covariates
        Values on the same index. Columns whose names start with ``share_`` are time-of-day shares,
        checked for a shift at the intervention. Every other one is a comparison series, in the
        model as not affected by the intervention: what the answer is without them, and whether
        each of them changed, is told beside it.
    others
        Other interventions of the person in the same model, by name, about which nothing is asked:
        the counterfactual is a life without the one intervention and with them as they were.
    denominator
        On the same index: person-time of counts (a population, hours of observation), or number of
        trials of shares; for likelihoods with a link.
    cores
        Chains that run at once. The numbers do not depend on it.
    audited
        Whether NUTS audits the quadrature. The numbers do not depend on it; a quadrature that
        misses its own gate is audited all the same.

    Returns
    -------
    Analysis or JointAnalysis
        With `effects`, or, when the gate was not passed, without any. For a mapping, `of(name)`
        gives each intervention's.

    Raises
    ------
    InvalidSeries
        If the series or a covariate breaks a rule.
    InsufficientData
        If fewer than 8 observed days are off, or on.
    """
    spec = AnalysisSpec() if spec is None else spec
    if isinstance(intervention_on, Mapping):
        return _joint(
            outcome, intervention_on, spec, covariates, denominator, cores, audited=audited
        )
    timing = _Timing()
    with timing.part("prepare"):
        laid = in_steps(outcome, intervention_on, spec, covariates, others)
        if denominator is not None:
            of_outcome = denominator.reindex(outcome.index).to_numpy()
            denominator = pd.Series(of_outcome, laid.outcome.index)
        outcome, intervention_on, spec = laid.outcome, laid.schedule, laid.spec
        covariates, others = laid.covariates, laid.others
        likelihood = models.likelihood(spec.likelihood)
        fit, known = prepared_fit(
            outcome, intervention_on, spec, covariates, likelihood, others, denominator
        )
        warnings = warnings_of_input(fit.series, fit.design, spec)
    posterior: Posterior
    if isinstance(likelihood, GaussianLikelihood):
        fit = replace(fit, problem=likelihood.regression(fit.problem))
        posterior = _exact(fit, spec, timing, cores, audited=audited)
    elif isinstance(likelihood, LinkedLikelihood):
        with timing.part("fit"):
            posterior = linked_posterior(fit, likelihood, spec, cores, audited=audited)
    else:
        with timing.part("fit"):
            posterior = sample_posterior(fit, spec, cores)
    as_done = _AsDone(outcome, spec, covariates, others)
    return _assembled(posterior, spec, known, warnings, timing, cores, as_done)


def _joint(
    outcome: pd.Series,
    schedules: Mapping[str, Schedule | Day],
    spec: AnalysisSpec,
    covariates: pd.DataFrame | None,
    denominator: pd.Series | None,
    cores: int | None,
    *,
    audited: bool,
) -> JointAnalysis:
    if not schedules:
        raise InvalidSeries("schedules", "a mapping of schedules needs at least one but is empty")
    found = {}
    for name, schedule in schedules.items():
        others = {other: what for other, what in schedules.items() if other != name}
        try:
            found[name] = analyze(
                outcome,
                schedule,
                spec,
                covariates,
                others=others,
                denominator=denominator,
                cores=cores,
                audited=audited,
            )
        except (InvalidSeries, InsufficientData) as error:
            error.add_note(f"this was asked about {name!r}")
            raise
    return JointAnalysis(found)


def warm_up() -> Analysis:
    """Load or compile everything an analysis needs, so that the next one is fast; return one."""
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=_WARM_UP_DAYS, freq="D")
    outcome = pd.Series(rng.normal(size=_WARM_UP_DAYS), index=days)
    return analyze(outcome, days[_WARM_UP_DAYS // 2])


class _Timing:
    """Seconds by part of one analysis."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.parts: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.parts[name] = self.parts.get(name, 0.0) + time.perf_counter() - started

    def total(self) -> dict[str, float]:
        return {**self.parts, "total": time.perf_counter() - self.started}


@dataclass(frozen=True)
class _AsDone:
    """What is needed to ask again with the days on as the person really had them."""

    outcome: pd.Series
    spec: AnalysisSpec
    covariates: pd.DataFrame | None
    others: Mapping[str, Any] | None

    def effect(self, series: PreparedSeries) -> Effect | None:
        """Return the average effect of what was done; None where that is what was scheduled."""
        schedule = series.schedule
        if not schedule.done_otherwise:
            return None
        done = schedule.as_done(series.days[-1].date())
        if done is None:
            return None
        try:
            told = headline(self.outcome, done, self.spec, self.covariates, self.others)
        except (InsufficientData, InvalidSeries):
            # Too few days were really on, or off: there is an answer as scheduled alone.
            return None
        return effect_of(told, self.spec.unit)


def _exact(
    fit: Fit, spec: AnalysisSpec, timing: _Timing, cores: int | None, *, audited: bool
) -> ExactPosterior:
    with timing.part("fit"):
        mixture, forecast = integrate_posterior(fit)
        verdict = assess_quadrature(mixture)
    posterior = ExactPosterior(
        fit, mixture, forecast, verdict, seed=spec.seed, factor=spec.interval_factor
    )
    if not audited and verdict.converged:
        return posterior
    with timing.part("audit"):
        labels = ["counterfactual_effect", "immediate_effect"]
        if fit.design.has_slope:
            labels.append("sustained_effect")
        collapsed = fit.noise_model.collapsed(fit.problem, mixture)
        found = audit(
            fit.problem,
            fit.noise_model,
            collapsed,
            mixture,
            forecast.effects if forecast else effect_contrasts(fit.series, fit.design),
            tuple(labels),
            spec.seed,
            cores,
        )
    trace = {**found.trace, "sigma": fit.series.scale * found.trace["sigma"]}
    return replace(posterior, diagnostics=found.diagnostics, trace=trace)


def _dates_of_change(posterior: Posterior, spec: AnalysisSpec) -> tuple[ChangeDate, ...]:
    """Return when it changed, where the posterior can tell."""
    if not isinstance(posterior, ExactPosterior) or posterior.forecast:
        return ()
    if not posterior.fit.series.is_one_change:
        return ()
    study = models.study_design(spec.design)
    return change_dates(posterior.fit, study, spec)


def _by_lot(
    fit: Fit, spec: AnalysisSpec, covariates: Covariates
) -> tuple[Randomisation | None, str]:
    """Return the randomisation test, or why there is none although a lot was declared."""
    if fit.series.schedule.mechanism is None:
        return None, ""
    if not (spec.calendar.is_daily or spec.calendar.is_sessions):
        return None, f"a lot is tested where its units are days or sessions, not {spec.step}s"
    without = design_of(fit.series, spec, covariates, None)
    return tested_by_lot(fit.series, without, fit.noise_model, spec.seed)


def _assembled(
    posterior: Posterior,
    spec: AnalysisSpec,
    covariates: Covariates,
    warnings: tuple[AnalysisWarning, ...],
    timing: _Timing,
    cores: int | None,
    as_done: _AsDone,
) -> Analysis:
    series, design = posterior.fit.series, posterior.fit.design
    about: dict[str, Any] = {
        "spec": spec,
        "intervention_on": series.intervention_on,
        "fit_start_on": series.fit_start_on,
        "n_pre": series.n_pre,
        "n_post": series.n_post,
        "diagnostics": posterior.diagnostics,
        "has_slope": design.has_slope,
        "model_version": MODEL_VERSION,
        "trace": dict(posterior.trace),
    }
    if posterior.diagnostics.converged is not True:
        return Analysis(
            **about,
            effects=None,
            probability_of_benefit=None,
            warnings=warnings,
            daily=bare_daily(series),
            by_schedule=ScheduleResults(series.schedule, phases_of(series, None, spec)),
            timing=timing.total(),
        )
    with timing.part("effects"):
        marginals = posterior.effects()
        effects = summarise(marginals, series, spec)
        what_if = posterior.what_if()
        answers: dict[str, Any] = {
            "effects": effects,
            "probability_of_benefit": probability_of_benefit(marginals.counterfactual, spec),
            "what_if": what_if,
        }
        phases, also = phases_of(series, posterior, spec), others_of(series, posterior, spec)
    with timing.part("sensitivity"):
        # Independent of each other, and most of their time is spent in compiled code.
        questions = sensitivity_questions(posterior.fit, spec, covariates)
        tasks = [
            *questions,
            posterior.bands,
            lambda: _dates_of_change(posterior, spec),
            lambda: as_done.effect(series),
            lambda: _by_lot(posterior.fit, spec, covariates),
        ]
        found: list[Any] = together(tasks, cores)
        others, (bands, dates, done, lot) = SensitivityAnalyses.of(found[:-4]), found[-4:]
        answers |= {"daily": daily_table(series, bands), "change_dates": dates}
        answers["by_schedule"] = ScheduleResults(
            series.schedule, phases, likeness_of(posterior, spec), also, done, lot[0]
        )
        answers |= {"kept": posterior.kept(), "coefficients": posterior.coefficients()}
        answers["comparisons"] = others.comparisons
        warnings += warnings_of_effects(spec, posterior, effects, what_if, dates, others)
        warnings += warnings_of_comparisons(others.comparisons)
        warnings += warnings_of_counts(posterior, spec)
        warnings += warnings_of_schedule(series, spec.calendar, phases, also, lot[1])
    return Analysis(**about, **answers, warnings=warnings, timing=timing.total())
