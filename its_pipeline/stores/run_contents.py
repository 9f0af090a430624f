"""What is written into one MLflow run of an analysis: its numbers, and its files.

What belongs here: filling a run that is there. What does not: finding or making it, and who may
write (`runs`), or which tags, parameters and numbers it has (`run_fields`).
MLflow is imported when a run is first filled: it takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from its_pipeline.stores.artifacts import put_artifacts
from its_pipeline.stores.run_fields import analysis_params, verdict_numbers
from its_pipeline.stores.verdict import Verdict

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def complete_run(
    client: MlflowClient,
    run: Run,
    verdict: Verdict,
    told: Mapping[str, Any],
    files: Mapping[str, Path],
    within: Path | None,
) -> None:
    """Write an analysis into its run and end it.

    Parameters
    ----------
    client, run
        The run, tagged as this analysis'; what is in it already stays.
    verdict, told, files
        The analysis, as in `runs.RunStore.record_analysis`.
    within
        As in `put_artifacts`.
    """
    from mlflow.entities import Metric, Param

    run_id, at = str(run.info.run_id), int(run.info.start_time)
    # The instant is the run's own, so a number that is there already is the same one. Not so
    # the parameters, which cannot be changed: an amendment may have come in between.
    params = {} if run.data.params else analysis_params(verdict, told)
    numbers = verdict_numbers(verdict, told)
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, at, 0) for name, value in numbers.items()],
        params=[Param(name, value) for name, value in params.items()],
    )
    put_artifacts(client, run, files, within)
    client.set_terminated(run_id, "FINISHED")
