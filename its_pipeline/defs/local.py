"""Running the jobs in this process, on the installation's own instance.

What belongs here: what the commands that run jobs share: real jobs, a real instance, without the
daemon. What does not: what the jobs do, or printing.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from its_pipeline.defs.alerts import failure_alert, ingest_alert
from its_pipeline.defs.build import build_defs
from its_pipeline.defs.databases import mend_databases
from its_pipeline.defs.home import end_abandoned_runs, open_instance, this_process
from its_pipeline.defs.names import (
    JOB_AUDIT,
    JOB_EVIDENCE,
    JOB_INGEST,
    JOB_POOLED,
    JOB_REFRESH,
    REPOSITORY_LABEL,
    TAG_MLFLOW_RUN,
    TAG_PROCESS,
    TAG_PURPOSE,
    TAG_REPOSITORY,
)
from its_pipeline.defs.notify import tell
from its_pipeline.defs.pooled_asset import is_pooling_wanted
from its_pipeline.defs.resources import end_left_parents
from its_pipeline.settings import Settings


@dataclass(frozen=True)
class RunOutcome:
    """What a run came to.

    Attributes
    ----------
    run_id, success
        Of Dagster.
    numbers
        The whole-number metadata of its outputs (counts), by name.
    message
        Why it failed; empty otherwise.
    """

    run_id: str
    success: bool
    numbers: Mapping[str, int]
    message: str


class LocalRunner:
    """Runs the project's jobs in this process.

    Parameters
    ----------
    settings
        The installation.
    instance
        Its Dagster instance.
    purpose
        Tag of every run.
    """

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, purpose: str) -> None:
        self.settings = settings
        self.instance = instance
        self._purpose = purpose

    def ingest(self, days: Sequence[str] | None = None) -> RunOutcome:
        """Run ``ingest_events``."""
        config = {} if days is None else {"days": list(days)}
        return self._run(JOB_INGEST, {"ops": {"ingest": {"config": config}}})

    def refresh(
        self,
        keys: Sequence[str] | None = None,
        select: str = "stale",
        shard: int = 0,
        shards: int = 1,
    ) -> RunOutcome:
        """Run ``refresh_experiments``; shards count from 0."""
        config: dict[str, Any] = {"select": select, "shard": shard, "shards": shards}
        if keys is not None:
            config["keys"] = list(keys)
        return self._run(JOB_REFRESH, {"ops": {"refresh": {"config": config}}})

    def pooled(self) -> RunOutcome | None:
        """Run ``refresh_pooled_effects``; None where nobody tried the same and nothing is kept."""
        if not is_pooling_wanted(self.settings, self.instance):
            return None
        return self._run(JOB_POOLED, {})

    def evidence(self) -> RunOutcome:
        """Run ``collect_evidence``."""
        return self._run(JOB_EVIDENCE, {})

    def audit(self, *, adopt: bool = False) -> RunOutcome:
        """Run ``audit_intervals``; `adopt` puts the measured factors in force, due or not."""
        return self._run(JOB_AUDIT, {"ops": {"placebo_audit": {"config": {"adopt": adopt}}}})

    def _run(self, job_name: str, run_config: dict[str, Any]) -> RunOutcome:
        # Fresh definitions: the days that there are may have changed with the last run.
        job = build_defs(self.settings).resolve_job_def(job_name)
        result = job.execute_in_process(
            run_config=run_config | {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            instance=self.instance,
            raise_on_error=False,
            tags={
                TAG_PURPOSE: self._purpose,
                TAG_PROCESS: this_process(),
                # As the daemon would tag it: the UI lists the run under its job.
                TAG_REPOSITORY: REPOSITORY_LABEL,
            },
        )
        outcome = RunOutcome(
            result.run_id, result.success, _numbers(result.all_events), _message(result.all_events)
        )
        # The log is what whoever started the command reads anyway.
        if self.settings.notifier != "log":
            self._tell(result.dagster_run, outcome)
        return outcome

    def _tell(self, run: dg.DagsterRun, outcome: RunOutcome) -> None:
        """Tell whom the settings name, as the daemon's sensors would of a run of its own."""
        alert = None
        if not outcome.success:
            alert = failure_alert(self.settings, run, outcome.message)
        elif run.job_name == JOB_INGEST:
            alert = ingest_alert(self.settings, self.instance, run.run_id, datetime.now(UTC))
        if alert is not None:
            tell(self.settings, alert)


@contextmanager
def local_runner(settings: Settings, purpose: str) -> Iterator[LocalRunner]:
    """Open a runner; what a killed process left behind is ended first, or gone on with."""
    from its_pipeline.leaving.forget import finish_forgetting

    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    mend_databases(settings)
    with warnings.catch_warnings(), open_instance(settings) as instance:
        warnings.filterwarnings("ignore", category=dg.BetaWarning)
        _end_what_kills_left(settings, instance)
        finish_forgetting(settings)
        yield LocalRunner(settings, instance, purpose)


def _end_what_kills_left(settings: Settings, instance: dg.DagsterInstance) -> None:
    ended = [instance.get_run_by_id(run_id) for run_id in end_abandoned_runs(instance)]
    if any(run is not None and TAG_MLFLOW_RUN in run.tags for run in ended):
        from its_pipeline.stores.runs import RunStore

        end_left_parents(instance, RunStore.from_settings(settings))


def _numbers(events: Sequence[dg.DagsterEvent]) -> dict[str, int]:
    found: dict[str, int] = {}
    for event in events:
        if event.event_type == dg.DagsterEventType.STEP_OUTPUT:
            metadata = event.step_output_data.metadata
        elif event.event_type == dg.DagsterEventType.STEP_FAILURE:
            failure = event.step_failure_data.user_failure_data
            metadata = failure.metadata if failure else {}
        else:
            continue
        found |= {
            name: value.value
            for name, value in metadata.items()
            if isinstance(value, dg.IntMetadataValue) and value.value is not None
        }
    return found


def _message(events: Sequence[dg.DagsterEvent]) -> str:
    for event in events:
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            data = event.step_failure_data
            if data.user_failure_data is not None and data.user_failure_data.description:
                return data.user_failure_data.description
            error = data.error
            # What is wrapped inside our own error is told by it in better words.
            while error is not None and error.cause is not None and _is_dagster(error):
                error = error.cause
            return "" if error is None else _first_words(error.message)
    return ""


def _is_dagster(error: Any) -> bool:
    return (error.cls_name or "").startswith("Dagster")


def _first_words(message: str) -> str:
    """Return an error's message without its module; the run's own log keeps all the traces."""
    kind, colon, text = message.strip().partition(": ")
    return kind.rpartition(".")[2] + colon + text
