"""Telling Dagster from an op what runs of their own would: one event, or many at once.

What belongs here: how Dagster's own event log is written to. What does not: what it is told.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from its_pipeline.defs.experiment_metadata import CheckOutcome

Event = dg.AssetMaterialization | tuple[dg.AssetKey, str, "CheckOutcome", str, bool]
"""A materialisation; or of a check: asset, name, outcome, partition, and whether it blocks."""


@contextmanager
def told_together(instance: dg.DagsterInstance) -> Iterator[None]:
    """Have Dagster's SQLite databases take what this thread tells them in one transaction each.

    By itself Dagster 1.13 opens, commits and closes them two to five times an event, each time
    until the disk has it, and asks the database each time whether its tables are there: that is
    most of the time that a first load takes. All of it is stored when the body has ended, and
    nothing of it if the body raises. Others who write wait meanwhile, so the body should tell and
    do nothing else. Other databases are written to as ever.

    Parameters
    ----------
    instance
        Whose event log it is.
    """
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
        INDEX_SHARD_NAME,
        SqliteEventLogStorage,
    )
    from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    storage: Any = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        yield
        return
    ours = threading.get_ident()
    as_ever = storage.run_connection, storage.index_connection
    # Asked of the database once: no table or column goes while somebody writes to it.
    has_table = lru_cache(storage.has_table)
    has_columns = storage.has_asset_key_index_cols()
    held: dict[str, Connection] = {}
    with ExitStack() as stack:

        def opened(shard: str) -> Connection:
            if shard not in held:
                with as_ever[0](shard):
                    pass  # Dagster makes its tables when it connects.
                engine = create_engine(
                    storage.conn_string_for_shard(shard),
                    poolclass=NullPool,
                    connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
                )
                held[shard] = stack.enter_context(engine.begin())
            return held[shard]

        @contextmanager
        def run_connection(run_id: str | None = None) -> Iterator[Connection]:
            if threading.get_ident() == ours and run_id is not None:
                yield opened(run_id)
            else:
                with as_ever[0](run_id) as connection:
                    yield connection

        @contextmanager
        def index_connection() -> Iterator[Connection]:
            if threading.get_ident() == ours:
                yield opened(INDEX_SHARD_NAME)
            else:
                with as_ever[1]() as connection:
                    yield connection

        storage.run_connection, storage.index_connection = run_connection, index_connection
        storage.has_table = has_table
        storage._has_asset_key_index_cols_on_connection = lambda conn: has_columns
        try:
            yield
        finally:
            del storage.run_connection, storage.index_connection
            del storage.has_table, storage._has_asset_key_index_cols_on_connection


def log_event(context: dg.OpExecutionContext, event: Event) -> None:
    """Record a materialisation or a check's outcome from an op, as a run of its own would."""
    if isinstance(event, dg.AssetMaterialization):
        context.log_event(event)
        return
    asset_key, name, outcome, partition, blocking = event
    log_check(
        context,
        dg.AssetCheckEvaluation(
            asset_key=asset_key,
            check_name=name,
            passed=outcome.passed,
            severity=outcome.severity,
            description=outcome.description,
            metadata=outcome.metadata,
            blocking=blocking,
            partition=partition,
            target_materialization_data=_target(context.instance, asset_key, partition),
        ),
    )


def log_check(context: dg.OpExecutionContext, evaluation: dg.AssetCheckEvaluation) -> None:
    """Record a check's evaluation from an op.

    Dagster 1.13 does it, but its signature does not say so.
    """
    context.log_event(cast("Any", evaluation))


def _target(
    instance: dg.DagsterInstance, asset_key: dg.AssetKey, partition: str
) -> AssetCheckEvaluationTargetMaterializationData | None:
    """Return which materialisation a check looked at, as Dagster's own check step does."""
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset_key, asset_partitions=[partition]), limit=1
    ).records
    if not found:
        return None
    return AssetCheckEvaluationTargetMaterializationData(
        storage_id=found[0].storage_id,
        run_id=found[0].run_id,
        timestamp=found[0].timestamp,
    )
