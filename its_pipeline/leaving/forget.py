"""Deleting a person everywhere, in an order that can be broken off anywhere and gone on with.

What belongs here: the mark ahead of it, the steps, and when it is over. What does not: any of the
steps. From the mark on nothing of the person is shown or taken; each step finds what is left of its
own, so doing all of them again does no harm.
"""

from __future__ import annotations

from typing import Final

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.import_deletion import delete_from_imports
from its_pipeline.events.log_deletion import delete_from_log
from its_pipeline.events.simulation import delete_from_simulation
from its_pipeline.events.sources.opening import simulation_dir
from its_pipeline.files.atomic import exclusive
from its_pipeline.ingest.deletion import (
    delete_from_closed_days,
    delete_from_daily,
    delete_from_lake,
)
from its_pipeline.leaving.dagster_records import delete_from_dagster, runs_at_work
from its_pipeline.leaving.departure import Departure
from its_pipeline.leaving.results import (
    delete_from_kinds,
    delete_from_tables,
    delete_results,
)
from its_pipeline.leaving.set_aside import (
    delete_from_inbox,
    delete_set_aside,
    delete_unfinished,
)
from its_pipeline.settings import Settings
from its_pipeline.stores.person_runs import forget_person
from its_pipeline.stores.person_traits import delete_traits
from its_pipeline.stores.run_database import is_database
from its_pipeline.stores.runs import RunStore
from its_pipeline.stores.shard_records import delete_from_shards

_LOCK: Final = ".forgetting.lock"


def forget(settings: Settings, user_id: str) -> Departure:
    """Delete everything of a person, for good; it can be asked for again at any time.

    Parameters
    ----------
    settings
        The installation.
    user_id
        The person.

    Returns
    -------
    Departure
        Not finished where runs of Dagster that began earlier may still write something of theirs:
        the next run of the pipeline finishes it then.

    Raises
    ------
    ValueError
        The identifier is not a legal one.
    """
    Forgotten(settings.store_root).begin(user_id)
    return _go_on(settings, user_id)


def finish_forgetting(settings: Settings) -> list[Departure]:
    """Go on with every deletion that was broken off or had to wait; return what each came to."""
    under_way = Forgotten(settings.store_root).under_way()
    return [_go_on(settings, user_id) for user_id in under_way]


def _go_on(settings: Settings, user_id: str) -> Departure:
    forgotten = Forgotten(settings.store_root)
    with exclusive(settings.store_root / _LOCK):
        began_at = forgotten.under_way().get(user_id)
        if began_at is None:
            # Somebody else has finished it meanwhile.
            return Departure(user_id, True)
        # Asked ahead of the steps: what ends while they go on has written before they were done.
        at_work = runs_at_work(settings, began_at)
        deleted: dict[str, int] = {"experiments": delete_results(settings, user_id)}
        # Ahead of the kinds, which are regressed on them.
        deleted["traits"] = delete_traits(settings, user_id)
        # While the log has what they tried, the kinds that count them are known.
        deleted["kinds"] = delete_from_kinds(settings, user_id)
        deleted["versions of interventions"] = delete_from_log(
            settings.resolved_intervention_log_url, user_id
        )
        deleted["daily outcomes"] = delete_from_daily(settings, user_id)
        delete_from_tables(settings, user_id)
        # While its import is there, a dropped file is known to have been taken.
        deleted["files of the inbox"], untaken = delete_from_inbox(settings, user_id)
        deleted["imported events"] = delete_from_imports(settings, user_id)
        deleted["simulated events"] = delete_from_simulation(simulation_dir(settings), user_id)
        deleted["days of events"] = delete_from_lake(settings, user_id)
        deleted["rows of closed days"] = delete_from_closed_days(settings, user_id)
        deleted["MLflow runs"] = forget_person(RunStore.from_settings(settings), user_id)
        deleted["rows of shards' tables"] = delete_from_shards(settings, user_id)
        deleted["files set aside"] = delete_set_aside(settings, user_id)
        deleted["Dagster records"] = delete_from_dagster(settings, user_id)
        delete_unfinished(settings)
        # What was in somebody's hands when it began, and was put down after its step.
        delete_results(settings, user_id)
        left = [f"{path} names them and was never imported" for path in untaken]
        if not is_database(settings.resolved_mlflow_tracking_uri):
            left.append("MLflow's server keeps deleted runs until `mlflow gc` is run there")
        if at_work:
            left.append(
                f"{len(at_work)} runs of Dagster began earlier and are under way (first: "
                f"{at_work[0]}): the next run of the pipeline deletes what they still write"
            )
        else:
            forgotten.finish(user_id)
    return Departure(user_id, not at_work, deleted, tuple(left))
