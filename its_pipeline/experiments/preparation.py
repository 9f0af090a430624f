"""Preparing experiments from one snapshot of the log, the metrics and the daily outcomes.

What belongs here: reading what an analysis needs, once. What does not: making an experiment of it
(`preparer`), sampling, storing, publishing (`service`), or anything of Dagster, MLflow or HTTP.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.intervention import Intervention
from its_pipeline.events.keys import parse_experiment_key
from its_pipeline.events.metrics import OutcomeMetric, registered_metrics
from its_pipeline.events.tries import Try
from its_pipeline.experiments.comparisons import ComparisonSources
from its_pipeline.experiments.options import Options
from its_pipeline.experiments.prepared import Prepared
from its_pipeline.experiments.preparer import Preparer, no_days
from its_pipeline.experiments.rejections import Rejections
from its_pipeline.settings import Settings

if TYPE_CHECKING:
    import pandas as pd


class Snapshot(Preparer):
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
        self.today_on = settings.today_on
        self._logged = None if logged is None else tuple(logged)
        self._series: dict[tuple[str, str], pd.DataFrame] = {}
        self._preloaded: set[str] = set()
        self._people: dict[str, list[str]] = {}

    @classmethod
    def of_person(cls, settings: Settings, user_id: str) -> Snapshot:
        """Return what is known now of one person, without reading everybody's interventions."""
        from its_pipeline.events.interventions import InterventionLog

        log = InterventionLog(settings.resolved_intervention_log_url)
        try:
            return cls(settings, logged=log.list(user_id, include_withdrawn=True))
        finally:
            log.close()

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
    def tries(self) -> Sequence[Try]:
        """Everybody's interventions that were not withdrawn, as far as pools need them."""
        from its_pipeline.events.interventions import InterventionLog

        if self._logged is not None or "interventions" in vars(self):
            return [
                Try.of(each)
                for interventions in self.interventions.values()
                for each in interventions
                if each.status != "withdrawn"
            ]
        log = InterventionLog(
            self.settings.resolved_intervention_log_url,
            forgotten=Forgotten(self.settings.store_root),
        )
        try:
            return log.tries()
        finally:
            log.close()

    @cached_property
    def rejections(self) -> Rejections:
        """How many events of whom the contract rejected; read when it is first asked for."""
        return Rejections(self.settings.lake_dir)

    @cached_property
    def comparison_sources(self) -> ComparisonSources:
        """What the names of comparison series mean."""
        return ComparisonSources.of_store(self.settings, self.metrics, self.series)

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
            return no_days()
        if user_id not in self._preloaded and (user_id, outcome) not in self._series:
            self._series[user_id, outcome] = read_series(
                self.settings.daily_outcomes_path, user_id, outcome
            )
        found = self._series.get((user_id, outcome))
        return no_days() if found is None else found

    def prepare(self, key: str) -> Prepared:
        """Prepare a logged experiment; see `prepare_intervention`."""
        return self.prepare_intervention(self.intervention(key))
