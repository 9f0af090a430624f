"""Preparing one experiment from whatever holds what is known: the store, or a shard's input.

What belongs here: an experiment's window, plan, series, covariates, spec and fingerprint, made from
its intervention. What does not: where interventions, days and metrics are read from (`preparation`,
`shard_work`), sampling, storing, publishing (`service`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING

from its_pipeline.events.analysis_options import SHARE_COLUMNS, AnalysisOptions
from its_pipeline.events.intervention import Intervention
from its_pipeline.events.metrics import (
    NO_TIME_OF_DAY,
    OutcomeMetric,
    UnknownMetricError,
    get_metric,
)
from its_pipeline.experiments.acting import others_acting
from its_pipeline.experiments.cadence import laid_out
from its_pipeline.experiments.comparisons import ComparisonSources, compared
from its_pipeline.experiments.options import (
    CONTRADICTORY_OPTIONS,
    Options,
    OptionsError,
    chosen_options,
)
from its_pipeline.experiments.plan import plan_experiment, refused
from its_pipeline.experiments.prepared import Prepared, ready
from its_pipeline.experiments.rejections import Rejections, flooded
from its_pipeline.experiments.window import experiment_window, last_complete_day
from its_pipeline.schedules.cadence import AUTO

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class _Found:
    """An experiment's metric and options, or why there are none."""

    metric: OutcomeMetric | None
    analysis: AnalysisOptions | None
    code: str = ""
    error: Exception = field(default_factory=ValueError)

    @property
    def cadence(self) -> str:
        said = None if self.analysis is None else self.analysis.cadence
        return said or AUTO


class Preparer(ABC):
    """Something that knows all that experiments are prepared from.

    Attributes
    ----------
    options
        What analyses are asked for with, beyond what interventions and metrics say.
    today_on
        Today's date where it is pretended.
    now
        The instant that stands for the clock; None: the clock.
    """

    options: Options
    today_on: date | None = None
    now: datetime | None = None

    @cached_property
    @abstractmethod
    def metrics(self) -> Mapping[str, OutcomeMetric]:
        """The registered outcome metrics by name."""

    @cached_property
    @abstractmethod
    def interventions(self) -> Mapping[str, tuple[Intervention, ...]]:
        """People's interventions, withdrawn ones included, in the newest version."""

    @cached_property
    @abstractmethod
    def rejections(self) -> Rejections:
        """How many events of whom the contract rejected."""

    @cached_property
    @abstractmethod
    def comparison_sources(self) -> ComparisonSources:
        """What the names of comparison series mean."""

    @cached_property
    @abstractmethod
    def interval_factors(self) -> Mapping[str, float]:
        """By how much the intervals of a metric are widened; see `experiments.audit`."""

    @abstractmethod
    def series(self, user_id: str, outcome: str) -> pd.DataFrame:
        """Return all observed days of one person's outcome, in order.

        Returns
        -------
        pandas.DataFrame
            Columns ``day``, ``value``, ``n_events``, ``share_*``; empty where there are none.
        """

    def prepare_intervention(
        self, intervention: Intervention, options: Options | None = None
    ) -> Prepared:
        """Prepare an experiment from its intervention, logged or not.

        Parameters
        ----------
        intervention
            The intervention.
        options
            Defaults to the preparer's own.
        """
        import numpy as np

        options = options or self.options
        found = self._options(intervention, options)
        complete_until_on = last_complete_day(intervention.time_zone, self.today_on, self.now)
        laid = laid_out(
            intervention,
            self.interventions.get(intervention.user_id, ()),
            self.series(intervention.user_id, intervention.outcome_metric),
            found.cadence,
            complete_until_on,
        )
        acting, daily, calendar = laid.intervention, laid.daily, laid.calendar
        window = experiment_window(acting, laid.others, laid.complete_until_on, calendar)
        days = daily["day"].to_numpy().astype("datetime64[D]")
        values = daily["value"].to_numpy(dtype=np.float64)
        plan = plan_experiment(acting, window, days, values, laid.complete_until_on, calendar)
        inside = (days >= np.datetime64(window.pre_start_on)) & (
            days <= np.datetime64(window.post_end_on)
        )
        in_window = daily[inside]
        prepared = Prepared(intervention, found.metric, plan, in_window, laid=acting)
        metric, analysis = found.metric, found.analysis
        if metric is None or analysis is None:
            return replace(prepared, plan=refused(plan, found.code, found.error))
        if laid.problem:
            error = ValueError(laid.problem)
            return replace(prepared, plan=refused(plan, CONTRADICTORY_OPTIONS, error))
        if analysis.comparisons and plan.state != "closed":
            try:
                self.comparison_sources.check(analysis.comparisons, metric.name)
            except OptionsError as error:
                return replace(prepared, plan=refused(plan, error.code, error))
        if analysis.covariates and not metric.has_time_of_day:
            plan = replace(plan, left_out=NO_TIME_OF_DAY)
        if plan.state != "ready":
            if plan.reason_code != "withdrawn" and (why := flooded(plan, metric, self.rejections)):
                plan = refused(plan, "events_rejected", ValueError(why))
            return replace(prepared, plan=plan)
        factor = self.interval_factors.get(metric.name, 1.0)
        others = others_acting(laid.others, window, in_window["day"].to_numpy())
        beside = None
        if names := analysis.comparisons:
            find = partial(self.comparison_sources.find, intervention.user_id)
            beside = compared(names, find, acting, window, in_window)
            plan = replace(plan, n_pre=beside.n_off, n_post=beside.n_on)
        prepared = replace(prepared, plan=plan, others=others, compared=beside)
        return ready(prepared, metric, options, analysis, factor)

    def _options(self, intervention: Intervention, options: Options) -> _Found:
        """Return an experiment's metric and options, or why there are none."""
        try:
            metric = get_metric(self.metrics, intervention.outcome_metric)
        except UnknownMetricError as error:
            return _Found(None, None, "unknown_metric", error)
        try:
            return _Found(metric, chosen_options(options.analysis, intervention, metric))
        except OptionsError as error:
            return _Found(metric, None, error.code, error)


def no_days() -> pd.DataFrame:
    """Return the days of an outcome of which there are none."""
    import pandas as pd

    columns = ("n_events", "share_night", *SHARE_COLUMNS)
    return pd.DataFrame(
        {
            "day": pd.Series([], dtype="datetime64[ns]"),
            "value": pd.Series([], dtype="float64"),
            **{name: pd.Series([], dtype="float64") for name in columns},
        }
    )
