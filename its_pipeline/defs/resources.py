"""What assets and jobs are given: the settings, the run store, an in-memory DuckDB.

What belongs here: life cycles of what a run uses. What does not: what is done with it.
MLflow is imported when a run records its first analysis; most runs record none.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from its_pipeline.defs.names import TAG_MLFLOW_RUN
from its_pipeline.settings import Settings, get_settings
from its_pipeline.stores.verdict import RunContext, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

    from its_pipeline.events.shards import Shard
    from its_pipeline.stores.runs import RunState, RunStore


#: How a parent ends whose Dagster run has.
_ENDINGS: Final[Mapping[dg.DagsterRunStatus, RunState]] = {
    dg.DagsterRunStatus.SUCCESS: "FINISHED",
    dg.DagsterRunStatus.FAILURE: "FAILED",
    dg.DagsterRunStatus.CANCELED: "KILLED",
}


class Installation:
    """Gives a run its settings.

    Parameters
    ----------
    settings
        Fixed settings, for tests and the demo; by default the environment is read at each call.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        return self._settings or get_settings()


class RunTracking:
    """The MLflow side of one Dagster run.

    One parent run a Dagster run, opened through dagster-mlflow when the first analysis is to be
    recorded; each analysis is a child of it. Both sides carry the other's identifier.

    Parameters
    ----------
    context
        The resource's context: the Dagster run, its log and its instance.
    settings
        Say where MLflow is.
    """

    def __init__(self, context: dg.InitResourceContext, settings: Settings) -> None:
        self._context = context
        self._settings = settings
        self._store: RunStore | None = None
        self._parent_run_id: str | None = None

    @property
    def store(self) -> RunStore:
        """The run store; opened at the first use."""
        if self._store is None:
            from its_pipeline.stores.runs import RunStore

            self._store = RunStore.from_settings(self._settings)
        return self._store

    def parent_run_id(self) -> str | None:
        """Return the MLflow run of this Dagster run; open it at the first call."""
        if self._parent_run_id is None and self._context.run is not None:
            self._parent_run_id = self._open()
            if self._context.instance is not None:
                self._context.instance.add_run_tags(
                    self._context.run.run_id, {TAG_MLFLOW_RUN: self._parent_run_id}
                )
        return self._parent_run_id

    def record_analysis(
        self,
        verdict: Verdict,
        told: Mapping[str, Any],
        files: Mapping[str, Path],
        context: RunContext,
        on_run: Callable[[str], None] | None = None,
    ) -> str:
        """Record an analysis as a child of this Dagster run's MLflow run."""
        parent = self.parent_run_id()
        return self.store.record_analysis(
            verdict, told, files, replace(context, parent_mlflow_run_id=parent), on_run
        )

    def add_artifacts(self, run_id: str, files: Mapping[str, Path]) -> None:
        """Add files to a recorded analysis."""
        self.store.add_artifacts(run_id, files)

    def link_page(self, run_id: str, address: str) -> None:
        """Note in a recorded analysis where its page is."""
        self.store.link_page(run_id, address)

    def record_shard(
        self, shard: Shard, table: pa.Table, numbers: Mapping[str, float], context: RunContext
    ) -> str:
        """Record how a shard stands as a child of this Dagster run's MLflow run, unless it is."""
        from its_pipeline.stores.shard_records import record_shard, recorded_same

        known = recorded_same(self._settings, shard.name, table)
        if known is not None:
            return known
        context = replace(context, parent_mlflow_run_id=self.parent_run_id())
        return record_shard(self.store, self._settings, shard.name, table, numbers, context)

    def _open(self) -> str:
        self.store.open()
        if self._context.instance is not None:
            end_left_parents(self._context.instance, self.store)
        with warnings.catch_warnings():
            # dagster-mlflow is marked beta; its version is pinned with Dagster's.
            warnings.simplefilter("ignore")
            import mlflow
            from dagster_mlflow.resources import MlFlow

            configured = _Configured(
                self._context,
                {
                    "experiment_name": self._settings.mlflow_experiment,
                    "mlflow_tracking_uri": self.store.client_uri,
                    "extra_tags": {"dagster.job": self._context.run.job_name}
                    if self._context.run
                    else {},
                },
            )
            # A run that another Dagster run of this process left active is not this one's parent.
            mlflow.end_run()
            MlFlow(configured)
        active = mlflow.active_run()
        if active is None:
            raise RuntimeError(
                f"dagster-mlflow opened no run at {self._settings.resolved_mlflow_tracking_uri}"
            )
        return str(active.info.run_id)

    def close(self) -> None:
        """End the parent run as its Dagster run ends: failed if any step failed."""
        if self._parent_run_id is None:
            return
        import mlflow

        state: RunState = "FAILED" if self._failed() else "FINISHED"
        mlflow.end_run(state)
        self._parent_run_id = None

    def _failed(self) -> bool:
        if self._context.instance is None or self._context.run is None:
            return False
        failures = self._context.instance.all_logs(
            self._context.run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE
        )
        return bool(list(failures))


def end_left_parents(instance: dg.DagsterInstance, store: RunStore) -> list[str]:
    """End the MLflow parent runs that killed Dagster runs left open.

    Dagster's status of the run decides, so one that still runs, or waits for its retry, keeps its
    parent; so does a run that this instance does not know, which may be another installation's.

    Returns
    -------
    list
        The Dagster runs whose parents were ended.
    """
    from its_pipeline.stores.parent_runs import close_dagster_run, open_dagster_runs

    ended = []
    for run_id in open_dagster_runs(store):
        run = instance.get_run_by_id(run_id)
        if run is not None and run.is_finished:
            close_dagster_run(store, run_id, _ENDINGS[run.status])
            ended.append(run_id)
    return ended


class _Configured:
    """A resource context as dagster-mlflow reads it, with its configuration."""

    def __init__(self, context: dg.InitResourceContext, resource_config: dict[str, Any]) -> None:
        self.log = context.log
        self.run_id = context.run_id
        self.dagster_run = context.run
        self.resource_config = resource_config


@dg.resource(
    required_resource_keys={"installation"},
    description="MLflow: one parent run a Dagster run, one child an analysis. Opened when used.",
)
def run_tracking(context: dg.InitResourceContext) -> Iterator[RunTracking]:
    """Give a run its MLflow side, and close it however the run ends."""
    tracking = RunTracking(context, context.resources.installation.settings)
    try:
        yield tracking
    finally:
        tracking.close()
