"""Where analyses are recorded for people to browse, and recording one exactly once.

What belongs here: the protocol of a run store as experiments use it. What does not: MLflow
(`stores.runs`), or deciding what is recorded (`service`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from its_pipeline.stores.experiment_store import ExperimentStore
from its_pipeline.stores.verdict import RunContext, Verdict


class RunRecorder(Protocol):
    """Where analyses are recorded for people to browse: MLflow (`stores.runs.RunStore`)."""

    def record_analysis(
        self,
        verdict: Verdict,
        told: Mapping[str, Any],
        files: Mapping[str, Path],
        context: RunContext,
        on_run: Callable[[str], None] | None = None,
    ) -> str:
        """Record what a stored analysis says and its files; return the run's identifier.

        An analysis that is recorded already (same fingerprint) is not recorded again, and one
        whose recording was interrupted is completed under the identifier it has. `on_run` is
        called with the identifier as soon as it is certain.
        """
        ...

    def add_artifacts(self, run_id: str, files: Mapping[str, Path]) -> None:
        """Add files to a recorded run, by artifact path."""
        ...

    def link_page(self, run_id: str, address: str) -> None:
        """Note in a recorded run where the page is that was not drawn yet."""
        ...


def record(
    store: ExperimentStore,
    verdict: Verdict,
    context: RunContext,
    recorder: RunRecorder,
    on_run: Callable[[str], None],
) -> str | None:
    """Make sure that a sampled analysis is recorded, once, and return its run."""
    if verdict.fingerprint is None or verdict.diagnostics is None:
        return None
    known = store.recorded_run(verdict.key, verdict.fingerprint)
    if known is not None:
        return known
    told = store.told(verdict.key, verdict.fingerprint)
    files = store.files(verdict.key, verdict.fingerprint)
    run_id = recorder.record_analysis(verdict, told, files, context, on_run)
    store.write_recorded_run(verdict.key, verdict.fingerprint, run_id)
    return run_id
