"""Preparing experiments from one snapshot of the log, the metrics and the daily outcomes.

What belongs here: reading what an analysis needs, once, and preparing one experiment from it: its
window, plan, series, covariates, spec and fingerprint. What does not: which days comparison series
leave (`comparisons`), sampling, storing, publishing (`service`), or anything of Dagster, MLflow or
HTTP.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from its_pipeline.events.analysis_options import SHARE_COLUMNS, AnalysisOptions
from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.intervention import Intervention
from its_pipeline.events.keys import parse_experiment_key
from its_pipeline.events.metrics import (
    NO_TIME_OF_DAY,
    OutcomeMetric,
    UnknownMetricError,
    get_metric,
    registered_metrics,
)
from its_pipeline.experiments.acting import others_acting, schedule_of
from its_pipeline.experiments.comparisons import Compared, ComparisonSources, compared
from its_pipeline.experiments.options import Options, OptionsError, chosen_options
from its_pipeline.experiments.plan import Plan, plan_experiment
from its_pipeline.experiments.rejections import Rejections, flooded
from its_pipeline.experiments.window import experiment_window, last_complete_day
from its_pipeline.schedules.schedule import Schedule
from its_pipeline.settings import Settings

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

    @property
    def schedule(self) -> Schedule:
        """When the intervention acted, as `analyze` is told."""
        return schedule_of(self.intervention)

    @property
    def unit(self) -> str:
        """Unit of the daily outcome."""
        return self.metric.unit if self.metric is not None else ""


class Snapshot:
    """One consistent picture of what is known; make a new one to see newer data.

    Parameters
    ----------
    settings
        The installation's settings.
    options
        Defaults to the settings' own.
    logged
        Interventions that the caller has read from the log already, withdrawn ones included, e.g.
        all of the one person it asks for; the whole log is read where it is None.
    """

    def __init__(
        self,
        settings: Settings,
        options: Options | None = None,
        logged: Iterable[Intervention] | None = None,
    ) -> None:
        self.settings = settings
        self.options = options or Options.from_settings(settings)
        self._logged = None if logged is None else tuple(logged)
        self._series: dict[tuple[str, str], pd.DataFrame] = {}
        self._preloaded: set[str] = set()
        self._people: dict[str, list[str]] = {}

    @cached_property
    def metrics(self) -> dict[str, OutcomeMetric]:
        """The registered outcome metrics by name."""
        return registered_metrics(self.settings)

    @cached_property
    def interventions(self) -> Mapping[str, tuple[Intervention, ...]]:
        """Every user's interventions, withdrawn ones included, in the newest version."""
        by_user: defaultdict[str, list[Intervention]] = defaultdict(list)
        for intervention in self._read_log() if self._logged is None else self._logged:
            by_user[intervention.user_id].append(intervention)
        forgotten = Forgotten(self.settings.store_root)
        return {user: tuple(found) for user, found in by_user.items() if user not in forgotten}

    @cached_property
    def rejections(self) -> Rejections:
        """How many events of whom the contract rejected; read when it is first asked for."""
        return Rejections(self.settings.lake_dir)

    @cached_property
    def comparison_sources(self) -> ComparisonSources:
        """What the names of comparison series mean."""
        return ComparisonSources(self.settings, self.metrics, self.series)

    @cached_property
    def interval_factors(self) -> Mapping[str, float]:
        """By how much the intervals of a metric are widened; see `experiments.audit`."""
        from its_pipeline.stores.placebo_audit import interval_factors

        return interval_factors(self.settings)

    def _read_log(self) -> list[Intervention]:
        from its_pipeline.events.interventions import InterventionLog

        log = InterventionLog(self.settings.resolved_intervention_log_url)
        try:
            return log.list(include_withdrawn=True)
        finally:
            log.close()

    def intervention(self, key: str) -> Intervention:
        """Return the logged intervention of an experiment.

        Raises
        ------
        UnknownInterventionError
            The log has none of that user and identifier.
        ValueError
            The key is malformed.
        """
        from its_pipeline.events.interventions import UnknownInterventionError

        parsed = parse_experiment_key(key)
        for intervention in self.interventions.get(parsed.user_id, ()):
            if intervention.intervention_id == parsed.intervention_id:
                return intervention
        raise UnknownInterventionError(
            f"no intervention {parsed.intervention_id!r} of user {parsed.user_id!r} is in the log; "
            "`its-pipeline intervention list` shows what is"
        )

    def experiment_keys(self, *, include_withdrawn: bool = True) -> list[str]:
        """Return the keys of the experiments in the log, sorted."""
        return sorted(
            str(intervention.key)
            for interventions in self.interventions.values()
            for intervention in interventions
            if include_withdrawn or intervention.status != "withdrawn"
        )

    def preload(self, keys: Iterable[str]) -> None:
        """Read the series of many experiments' users in one go."""
        users = sorted({parse_experiment_key(key).user_id for key in keys} - self._preloaded)
        if not users or not self.settings.daily_outcomes_path.is_file():
            return
        import pyarrow.parquet as pq

        table = pq.read_table(
            self.settings.daily_outcomes_path, filters=[("user_id", "in", users)]
        ).to_pandas()
        for (user, outcome), rows in table.groupby(["user_id", "outcome"], sort=False):
            self._series[str(user), str(outcome)] = rows.reset_index(drop=True)
        self._preloaded.update(users)

    def people(self, outcome: str) -> list[str]:
        """Return who has days of an outcome, sorted."""
        if outcome not in self._people:
            self._people[outcome] = []
            if self.settings.daily_outcomes_path.is_file():
                import pyarrow.parquet as pq

                table = pq.read_table(
                    self.settings.daily_outcomes_path,
                    columns=["user_id"],
                    filters=[("outcome", "=", outcome)],
                )
                self._people[outcome] = sorted(table["user_id"].unique().to_pylist())
        return self._people[outcome]

    def series(self, user_id: str, outcome: str) -> pd.DataFrame:
        """Return all observed days of one person's outcome, in order.

        Returns
        -------
        pandas.DataFrame
            Columns ``day``, ``value``, ``n_events``, ``share_*``; empty where there are none.
        """
        from its_pipeline.events.daily import read_series

        if not self.settings.daily_outcomes_path.is_file():
            return _no_days()
        if user_id not in self._preloaded and (user_id, outcome) not in self._series:
            self._series[user_id, outcome] = read_series(
                self.settings.daily_outcomes_path, user_id, outcome
            )
        found = self._series.get((user_id, outcome))
        return _no_days() if found is None else found

    def prepare(self, key: str) -> Prepared:
        """Prepare a logged experiment; see `prepare_intervention`."""
        return self.prepare_intervention(self.intervention(key))

    def prepare_intervention(
        self, intervention: Intervention, options: Options | None = None
    ) -> Prepared:
        """Prepare an experiment from its intervention, logged or not.

        Parameters
        ----------
        intervention
            The intervention.
        options
            Defaults to the snapshot's.
        """
        import numpy as np

        complete_until_on = last_complete_day(intervention.time_zone, self.settings.today_on)
        window = experiment_window(
            intervention, self.interventions.get(intervention.user_id, ()), complete_until_on
        )
        daily = self.series(intervention.user_id, intervention.outcome_metric)
        days = daily["day"].to_numpy().astype("datetime64[D]")
        values = daily["value"].to_numpy(dtype=np.float64)
        plan = plan_experiment(intervention, window, days, values, complete_until_on)
        inside = (days >= np.datetime64(window.pre_start_on)) & (
            days <= np.datetime64(window.post_end_on)
        )
        in_window = daily[inside]
        try:
            metric = get_metric(self.metrics, intervention.outcome_metric)
        except UnknownMetricError as error:
            return Prepared(intervention, None, _refused(plan, "unknown_metric", error), in_window)
        options = options or self.options
        try:
            analysis = chosen_options(options.analysis, intervention, metric)
            if analysis.comparisons and plan.state != "closed":
                self.comparison_sources.check(analysis.comparisons, metric.name)
        except OptionsError as error:
            return Prepared(intervention, metric, _refused(plan, error.code, error), in_window)
        if analysis.covariates and not metric.has_time_of_day:
            plan = replace(plan, left_out=NO_TIME_OF_DAY)
        if plan.state != "ready":
            if plan.reason_code != "withdrawn" and (why := flooded(plan, metric, self.rejections)):
                plan = _refused(plan, "events_rejected", ValueError(why))
            return Prepared(intervention, metric, plan, in_window)
        factor = self.interval_factors.get(metric.name, 1.0)
        logged = self.interventions.get(intervention.user_id, ())
        others = others_acting(logged, window, in_window["day"].to_numpy())
        beside = None
        if names := analysis.comparisons:
            find = partial(self.comparison_sources.find, intervention.user_id)
            beside = compared(names, find, intervention, window, in_window)
            plan = replace(plan, n_pre=beside.n_off, n_post=beside.n_on)
        return _ready(
            intervention, metric, plan, in_window, options, analysis, factor, others, beside
        )


def _ready(
    intervention: Intervention,
    metric: OutcomeMetric,
    plan: Plan,
    daily: pd.DataFrame,
    options: Options,
    analysis: AnalysisOptions,
    interval_factor: float,
    others: Mapping[str, Schedule],
    beside: Compared | None,
) -> Prepared:
    import pandas as pd

    from its_pipeline.its import AnalysisSpec
    from its_pipeline.its.fingerprinting import fingerprint

    spec = AnalysisSpec(
        direction=intervention.direction,
        minimum_effect=intervention.minimum_effect,
        washout_days=intervention.washout_days,
        draws=options.draws,
        tune=options.tune,
        chains=options.chains,
        seed=options.seed,
        unit=metric.unit,
        **analysis.model_settings(),
        interval_factor=interval_factor,
        carryover_days=intervention.carryover_days,
    )
    index = pd.DatetimeIndex(daily["day"].to_numpy(), name="day")
    outcome = pd.Series(daily["value"].to_numpy(dtype=float), index=index, name=metric.name)
    covariates = None
    if analysis.covariates and metric.has_time_of_day:
        covariates = daily[list(analysis.covariates)].set_index(index)
    denominator = None
    if spec.likelihood == "binomial" and metric.is_share and (daily["n_events"] > 1).any():
        denominator = pd.Series(daily["n_events"].to_numpy(dtype=float), index=index)
    identity = _identity(intervention)
    if beside is not None:
        outcome, covariates = outcome[beside.kept], beside.with_shares(covariates)
        identity |= beside.identity()
    return Prepared(
        intervention,
        metric,
        plan,
        daily,
        spec,
        outcome,
        covariates,
        fingerprint(
            outcome,
            schedule_of(intervention),
            spec,
            covariates,
            identity,
            others,
            denominator,
        ),
        others,
        denominator,
        beside,
    )


def _identity(intervention: Intervention) -> dict[str, Any]:
    # Who and what, and nothing of how it came to be logged: a better wording of the hypothesis is
    # not another analysis, and an ad-hoc question about the same days is the same one.
    return {
        "user_id": intervention.user_id,
        "outcome_metric": intervention.outcome_metric,
    }


def _refused(plan: Plan, code: str, error: Exception) -> Plan:
    return replace(plan, state="refused", reason_code=code, reason=str(error), analysable_on=None)


def _no_days() -> pd.DataFrame:
    import pandas as pd

    columns = ("n_events", "share_night", *SHARE_COLUMNS)
    return pd.DataFrame(
        {
            "day": pd.Series([], dtype="datetime64[ns]"),
            "value": pd.Series([], dtype="float64"),
            **{name: pd.Series([], dtype="float64") for name in columns},
        }
    )
