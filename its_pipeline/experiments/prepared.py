"""An experiment with all that its evaluation needs, and what `analyze` is called with.

What belongs here: spec, series, covariates and the identity of an analysis. What does not: whether
an experiment is ready (`plan`), or reading anything (`preparation`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from its_pipeline.events.analysis_options import AnalysisOptions
from its_pipeline.events.intervention import Intervention
from its_pipeline.events.metrics import OutcomeMetric
from its_pipeline.experiments.acting import schedule_of
from its_pipeline.experiments.comparisons import Compared
from its_pipeline.experiments.options import Options
from its_pipeline.experiments.plan import Plan, refused
from its_pipeline.schedules.cadence import DAYS, find_cadence
from its_pipeline.schedules.schedule import Schedule

if TYPE_CHECKING:
    import pandas as pd

    from its_pipeline.its import AnalysisSpec


@dataclass(frozen=True)
class Prepared:
    """An experiment with all that its evaluation needs.

    Attributes
    ----------
    intervention, metric, plan
        What was asked, and what is known before any effect is; ``metric`` is None where the
        intervention names one that is not registered any more.
    daily
        The observed days of the window: columns of the daily-outcome contract.
    spec, outcome, covariates, fingerprint
        What `analyze` is called with, and its identity; None unless the plan is ``ready``.
    others
        Schedules of other interventions in the same model, by name.
    denominator
        How many events each day's share is of; None where the outcome is no share of several.
    compared
        Comparison series on the days of ``daily``; None where none was declared.
    laid
        The intervention in dates that name steps of its metric's unit of time, see `cadence`; None
        where those are its own.
    """

    intervention: Intervention
    metric: OutcomeMetric | None
    plan: Plan
    daily: pd.DataFrame
    spec: AnalysisSpec | None = None
    outcome: pd.Series | None = None
    covariates: pd.DataFrame | None = None
    fingerprint: str | None = None
    others: Mapping[str, Schedule] = field(default_factory=dict)
    denominator: pd.Series | None = None
    compared: Compared | None = None
    laid: Intervention | None = None

    @property
    def schedule(self) -> Schedule:
        """When the intervention acted, as `analyze` is told."""
        return schedule_of(self.laid or self.intervention)

    @property
    def unit(self) -> str:
        """Unit of the daily outcome."""
        return self.metric.unit if self.metric is not None else ""


def ready(
    prepared: Prepared,
    metric: OutcomeMetric,
    options: Options,
    analysis: AnalysisOptions,
    interval_factor: float,
) -> Prepared:
    """Return a prepared experiment with what `analyze` is called with; or why it cannot be.

    Parameters
    ----------
    prepared
        With a plan that is ready.
    metric, options, analysis
        Of the experiment.
    interval_factor
        What its intervals are widened by.
    """
    import pandas as pd

    from its_pipeline.its import AnalysisSpec, InvalidSeries
    from its_pipeline.its.cadence import in_steps
    from its_pipeline.its.fingerprinting import fingerprint

    intervention, plan, daily = prepared.intervention, prepared.plan, prepared.daily
    index = pd.DatetimeIndex(daily["day"].to_numpy(), name="day")
    outcome = pd.Series(daily["value"].to_numpy(dtype=float), index=index, name=metric.name)
    settings = analysis.model_settings()
    if plan.cadence != DAYS.name or find_cadence(index.to_numpy()) != DAYS:
        # That of the whole series: the window alone could look like another.
        settings["cadence"] = plan.cadence
    spec = AnalysisSpec(
        direction=intervention.direction,
        minimum_effect=intervention.minimum_effect,
        washout_days=intervention.washout_days,
        draws=options.draws,
        tune=options.tune,
        chains=options.chains,
        seed=options.seed,
        unit=metric.unit,
        **settings,
        interval_factor=interval_factor,
        carryover_days=intervention.carryover_days,
    )
    covariates = None
    if analysis.covariates and metric.has_time_of_day:
        covariates = daily[list(analysis.covariates)].set_index(index)
    denominator = None
    if spec.is_share and metric.is_share and (daily["n_events"] > 1).any():
        denominator = pd.Series(daily["n_events"].to_numpy(dtype=float), index=index)
    identity = _identity(intervention)
    if beside := prepared.compared:
        outcome, covariates = outcome[beside.kept], beside.with_shares(covariates)
        identity |= beside.identity()
    try:
        laid = in_steps(outcome, prepared.schedule, spec, covariates, prepared.others)
    except InvalidSeries as error:
        return replace(prepared, plan=refused(plan, error.code, error))
    return replace(
        prepared,
        spec=laid.spec,
        outcome=laid.outcome,
        covariates=laid.covariates,
        fingerprint=fingerprint(
            laid.outcome,
            prepared.schedule,
            laid.spec,
            laid.covariates,
            identity,
            prepared.others,
            denominator,
        ),
        denominator=denominator,
    )


def _identity(intervention: Intervention) -> dict[str, Any]:
    # Who and what, and nothing of how it came to be logged: a better wording of the hypothesis is
    # not another analysis, and an ad-hoc question about the same days is the same one.
    return {
        "user_id": intervention.user_id,
        "outcome_metric": intervention.outcome_metric,
    }
