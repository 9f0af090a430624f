"""One person's runs in the run store: all of them, however they ended, deleted for good.

What belongs here: finding and deleting them, and the bytes that this leaves in the database. What
does not: deleting one run (`runs`), or a person's other data (`leaving`).
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from its_pipeline.events.keys import validate_id
from its_pipeline.files.sqlite import rewrite_sqlite
from its_pipeline.stores.run_database import is_database, sqlite_path
from its_pipeline.stores.run_fields import TAG_USER, tag_equals
from its_pipeline.stores.runs import RunStore

_AT_ONCE: Final = 1000
#: MLflow's tables with rows of runs of ours.
_TABLES: Final = ("runs", "tags", "params", "metrics", "latest_metrics")


def forget_person(store: RunStore, user_id: str) -> int:
    """Delete a person's runs with all their files; return how many.

    Of a tracking server's database nothing is known here: there, ``mlflow gc`` deletes what is
    marked as deleted.

    Parameters
    ----------
    store
        The run store; one whose SQLite file is not there is not made.
    user_id
        The person.
    """
    file = sqlite_path(store.tracking_uri)
    if file is not None and not file.is_file():
        return 0
    from mlflow.entities import ViewType

    client, experiment_id = store.open()
    clause = tag_equals(TAG_USER, validate_id("user_id", user_id))
    forgotten = 0
    is_kept = not is_database(store.tracking_uri)
    view = ViewType.ACTIVE_ONLY if is_kept else ViewType.ALL
    while found := client.search_runs([experiment_id], clause, view, max_results=_AT_ONCE):
        for run in found:
            store.forget(str(run.info.run_id))
        forgotten += len(found)
    if file is not None:
        rewrite_sqlite(file)
    elif store.tracking_uri.startswith("postgresql"):
        engine = sa.create_engine(store.tracking_uri, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for table in _TABLES:
                connection.execute(sa.text(f"VACUUM FULL {table}"))
        engine.dispose()
    return forgotten
