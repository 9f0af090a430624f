"""Shards in the run store: one MLflow run a shard and night, with a table of its experiments.

What belongs here: what such a run holds, and taking a person out of the tables of all. What does
not: runs of single analyses (`runs`), or when a shard is recorded.

The table is an artifact, ``experiments.parquet``: a row an experiment. Which run is a shard's
newest, `shard_newest` remembers.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from its_pipeline.events.schema import pc
from its_pipeline.files.atomic import UNFINISHED_PREFIX
from its_pipeline.files.damage import DAMAGE, is_of_the_machine
from its_pipeline.files.parquet import write_parquet
from its_pipeline.stores.artifacts import drop_artifacts, local_artifacts, local_folder
from its_pipeline.stores.run_database import sqlite_path
from its_pipeline.stores.run_fields import TAG_DAGSTER_RUN, TAG_PARENT, TAG_STATUS, tag_equals
from its_pipeline.stores.shard_newest import (
    RECORDS_FOLDER,
    NewestRun,
    read_newest,
    recording,
    write_newest,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from its_pipeline.settings import Settings
    from its_pipeline.stores.runs import RunStore
    from its_pipeline.stores.verdict import RunContext

TAG_SHARD: Final = "its.shard"
TABLE_FILE: Final = "experiments.parquet"
TABLE_SCHEMA: Final = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("effect", pa.float64()),
        pa.field("effect_ci_lower", pa.float64()),
        pa.field("effect_ci_upper", pa.float64()),
        pa.field("unit", pa.string()),
        pa.field("probability_of_benefit", pa.float64()),
        pa.field("fingerprint", pa.string()),
        pa.field("decided_at", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("page", pa.string()),
    ]
)
_log = logging.getLogger(__name__)
_AT_ONCE: Final = 1000
#: More than a million shards there never were.
_MOST_DOUBLINGS: Final = 21


def record_shard(
    store: RunStore,
    settings: Settings,
    shard: str,
    table: pa.Table,
    numbers: Mapping[str, float],
    context: RunContext,
) -> str:
    """Record a shard as one finished MLflow run, and remember it as the shard's newest.

    Parameters
    ----------
    store, settings
        The run store and the installation.
    shard
        Name of the shard.
    table
        Its experiments, with the columns of `TABLE_SCHEMA`.
    numbers
        Counts and seconds by name.
    context
        The Dagster run, and the MLflow run of that Dagster run.

    Returns
    -------
    str
        MLflow's run id.
    """
    with recording(settings, shard):
        # Nobody else writes one now: what is unfinished, a killed process left.
        _forget_unfinished(store, shard)
        known = read_newest(settings, shard)
        if known is not None and not _has_table(settings, known):
            store.forget(known.mlflow_run_id)
        run_id = _recorded(store, settings, shard, table, numbers, context)
        newest = NewestRun(run_id, _digest(table), table.num_rows, _file_of(settings, run_id))
        write_newest(settings, shard, newest)
    return run_id


def is_recorded(settings: Settings, shard: str) -> bool:
    """Tell whether a shard's newest run is known, and has its table.

    A table that lies with a tracking server is taken to be there; one in the store of another size
    or time than when it was written is read.
    """
    known = read_newest(settings, shard)
    return known is not None and _has_table(settings, known)


def _has_table(settings: Settings, known: NewestRun) -> bool:
    import pyarrow.parquet as pq

    folder = local_artifacts(settings, known.mlflow_run_id)
    if folder is None or not known.file or known.file == _file_of(settings, known.mlflow_run_id):
        return True
    try:
        pq.read_table(folder / TABLE_FILE)
    except DAMAGE as error:
        if is_of_the_machine(error):
            raise
        _log.warning("%s is lost or damaged: %s", folder / TABLE_FILE, error)
        return False
    return True


def _file_of(settings: Settings, run_id: str) -> str:
    """Return size and time of a run's table in the store; empty where it is not there."""
    folder = local_artifacts(settings, run_id)
    path = None if folder is None else folder / TABLE_FILE
    if path is None or not path.is_file():
        return ""
    return f"{path.stat().st_size} {path.stat().st_mtime_ns}"


def _recorded(
    store: RunStore,
    settings: Settings,
    shard: str,
    table: pa.Table,
    numbers: Mapping[str, float],
    context: RunContext,
) -> str:
    from mlflow.entities import Metric

    client, experiment_id = store.open()
    tags = {
        TAG_SHARD: shard,
        # The address of all analyses in MLflow lists what has a status.
        TAG_STATUS: "shard",
        TAG_DAGSTER_RUN: context.dagster_run_id,
        TAG_PARENT: context.parent_mlflow_run_id,
    }
    at = int(time.time() * 1000)
    with store.writing():
        run = client.create_run(
            experiment_id,
            start_time=at,
            tags={name: value for name, value in tags.items() if value},
            run_name=shard,
        )
        run_id = str(run.info.run_id)
        metrics = [Metric(name, float(value), at, 0) for name, value in numbers.items()]
        client.log_batch(run_id, metrics=metrics)
    _put_table(store, settings, run_id, table, shard.replace(" ", "-"))
    with store.writing():
        client.set_terminated(run_id, "FINISHED")
    return run_id


def _digest(table: pa.Table) -> str:
    digest = hashlib.sha256()
    for batch in table.to_batches():
        digest.update(batch.serialize())
    return digest.hexdigest()


def _forget_unfinished(store: RunStore, shard: str) -> None:
    """Delete the runs of a shard that a killed process left half-written."""
    client, experiment_id = store.open()
    clause = f"{tag_equals(TAG_SHARD, shard)} and attributes.status = 'RUNNING'"
    for run in client.search_runs([experiment_id], clause):
        store.forget(str(run.info.run_id))


def recorded_same(settings: Settings, shard: str, table: pa.Table) -> str | None:
    """Return the shard's newest run if it has this very table, else None."""
    known = read_newest(settings, shard)
    if known is None or known.digest != _digest(table) or not _has_table(settings, known):
        return None
    return known.mlflow_run_id


def delete_from_shards(settings: Settings, user_id: str) -> int:
    """Take a person out of the tables of all shards' runs; return how many tables had them.

    Parameters
    ----------
    settings
        The installation; a run store that is not there is not made.
    user_id
        The person.
    """
    from its_pipeline.stores.runs import RunStore

    store = RunStore.from_settings(settings)
    file = sqlite_path(store.tracking_uri)
    if file is not None and not file.is_file():
        return 0
    client, experiment_id = store.open()
    changed = 0
    for run in _runs_with(client, experiment_id, user_id):
        try:
            table = _table_of(client, run)
        except DAMAGE as error:
            if is_of_the_machine(error):
                raise
            # Nobody can be taken out of it. A newest one is made again by the next night.
            _log.warning(
                "the table of %s is deleted, for it is damaged: %s", run.info.run_id, error
            )
            is_own = local_artifacts(settings, str(run.info.run_id)) is not None
            drop_artifacts(run, [TABLE_FILE], settings.mlflow_artifact_dir if is_own else None)
            changed += 1
            continue
        if table is None:
            continue
        kept = table.filter(pc.not_equal(table.column("user_id"), user_id))
        if kept.num_rows < table.num_rows:
            run_id = str(run.info.run_id)
            _put_table(store, settings, run_id, kept, run_id)
            changed += 1
    return changed


def _runs_with(client: MlflowClient, experiment_id: str, user_id: str) -> Iterator[Run]:
    """Yield the runs of the shards that a person was in, whatever number of shards there was."""
    from mlflow.entities import ViewType

    from its_pipeline.events.shards import Shard

    for power in range(_MOST_DOUBLINGS):
        clause = tag_equals(TAG_SHARD, Shard.of_person(user_id, 2**power).name)
        token: str | None = None
        while True:
            found = client.search_runs(
                [experiment_id], clause, ViewType.ALL, max_results=_AT_ONCE, page_token=token
            )
            yield from found
            token = found.token
            if not token:
                break


def _put_table(
    store: RunStore, settings: Settings, run_id: str, table: pa.Table, name: str
) -> None:
    """Put the table among a run's artifacts, in the place of the one that is there."""
    # On the store's own disk: there it is linked, not copied. The folder has one name for each
    # table: the next one who writes it takes away what a killed process left.
    folder = settings.store_root / RECORDS_FOLDER / "tables" / f"{UNFINISHED_PREFIX}{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        path = folder / TABLE_FILE
        write_parquet(path, TABLE_SCHEMA, [table])
        store.add_artifacts(run_id, {TABLE_FILE: path})
    finally:
        shutil.rmtree(folder)


def _table_of(client: MlflowClient, run: Run) -> pa.Table | None:
    """Return the table of a run; None where it never got one."""
    import pyarrow.parquet as pq

    own = local_folder(str(run.info.artifact_uri))
    if own is not None:
        path = own / TABLE_FILE
        return pq.read_table(path) if path.is_file() else None
    run_id = str(run.info.run_id)
    if TABLE_FILE not in {info.path for info in client.list_artifacts(run_id)}:
        return None
    with tempfile.TemporaryDirectory() as folder:
        return pq.read_table(client.download_artifacts(run_id, TABLE_FILE, dst_path=folder))
