"""MLflow's parent runs, one a Dagster run: which are still open, and ending them.

What belongs here: finding parents by the Dagster run they belong to. What does not: opening one
(`defs.resources`), the analyses under it (`runs`), or whether a Dagster run has ended (`defs`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from its_pipeline.stores.run_fields import TAG_PARENT_DAGSTER_RUN, tag_equals

if TYPE_CHECKING:
    from mlflow.entities import Run

    from its_pipeline.stores.runs import RunState, RunStore

#: More parents than are open at a time: one a running Dagster run, and what kills have left.
_MOST_OPEN: Final = 1000
_DAGSTER_RUN_ID = re.compile(r"[0-9a-fA-F-]{8,64}")


def open_dagster_runs(store: RunStore) -> list[str]:
    """Return the Dagster runs whose parent runs are still open, newest first."""
    parents = _open_parents(store, f"tags.`{TAG_PARENT_DAGSTER_RUN}` != ''")
    return list(dict.fromkeys(run.data.tags[TAG_PARENT_DAGSTER_RUN] for run in parents))


def close_dagster_run(store: RunStore, dagster_run_id: str, state: RunState) -> int:
    """End the parent runs of a Dagster run that are still open; return how many.

    For Dagster runs that ended without a chance to say so (a killed process).

    Raises
    ------
    ValueError
        The identifier is not one of a Dagster run.
    """
    if not _DAGSTER_RUN_ID.fullmatch(dagster_run_id):
        raise ValueError(f"dagster_run_id {dagster_run_id!r} is not a run id")
    client, _ = store.open()
    parents = _open_parents(store, tag_equals(TAG_PARENT_DAGSTER_RUN, dagster_run_id))
    for run in parents:
        client.set_terminated(run.info.run_id, state)
    return len(parents)


def _open_parents(store: RunStore, clause: str) -> list[Run]:
    client, experiment_id = store.open()
    return client.search_runs(
        [experiment_id],
        filter_string=f"{clause} and attributes.status = 'RUNNING'",
        max_results=_MOST_OPEN,
        order_by=["attributes.start_time DESC"],
    )
