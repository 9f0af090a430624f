"""From the valid events of all days to the daily outcomes, and to the analysts' warehouse.

What belongs here: from which files they are built, and putting what was built in its place. What
does not: the aggregation itself (`events.daily`), or the days (`ingest.steps`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb
import pyarrow.parquet as pq

from its_pipeline.events.closed_days import closed_days
from its_pipeline.events.daily import OutcomeCount, build_daily_outcomes
from its_pipeline.events.metrics import registered_metrics
from its_pipeline.files import atomic
from its_pipeline.files.atomic import UNFINISHED_PREFIX
from its_pipeline.files.damage import read_or_set_aside, set_aside
from its_pipeline.ingest.steps import open_lake, validate_day_partition
from its_pipeline.stores.lake import VALID_EVENTS, Lake
from its_pipeline.stores.warehouse import Warehouse, rebuild_warehouse

if TYPE_CHECKING:
    from its_pipeline.settings import Settings


@dataclass(frozen=True)
class DailyResult:
    """The daily outcomes as they lie now.

    Attributes
    ----------
    path
        The sorted Parquet file.
    rows, users
        How many rows, and people with at least one.
    outcomes
        The same by outcome.
    warehouse
        The rebuilt warehouse.
    """

    path: Path
    rows: int
    users: int
    outcomes: tuple[OutcomeCount, ...]
    warehouse: Warehouse


def build_daily(settings: Settings) -> DailyResult:
    """Aggregate all valid events to daily outcomes and rebuild the warehouse from them.

    Days that cannot be read to their end are set aside and validated again.
    """
    path = settings.daily_outcomes_path
    with workshop(settings, "daily") as folder:
        built = folder / path.name
        try:
            outcomes = aggregate(settings, folder, built)
        except duckdb.Error:
            damaged = open_lake(settings).set_aside_damaged(VALID_EVENTS)
            if not damaged:
                raise
            for day in damaged:
                validate_day_partition(settings, day)
            outcomes = aggregate(settings, folder, built)
        _put(built, path, settings.store_root)
    return DailyResult(
        path,
        sum(count.rows for count in outcomes),
        max((count.users for count in outcomes), default=0),
        outcomes,
        refresh_warehouse(settings),
    )


def ensure_daily(settings: Settings) -> bool:
    """Make the daily outcomes again where they are missing or damaged; tell whether they were.

    Experiments whose days are not there would be decided without them. Where there are neither
    valid events nor closed days, as in a store that was filled another way, there is nothing to
    make them from.
    """
    path = settings.daily_outcomes_path
    if read_or_set_aside(path, pq.read_metadata, settings.store_root) is not None:
        return False
    if not open_lake(settings).days(VALID_EVENTS) and closed_days(settings) is None:
        return False
    build_daily(settings)
    return True


def aggregate(settings: Settings, folder: Path, built: Path) -> tuple[OutcomeCount, ...]:
    """Build the daily outcomes of all days, closed ones too, as a file of a held workshop.

    Raises
    ------
    ClosedDaysError
        What is kept of closed days is damaged.
    """
    closed = closed_days(settings)
    with _one_state(open_lake(settings), folder) as files:
        return build_daily_outcomes(files, registered_metrics(settings), built, closed=closed)


def _put(built: Path, path: Path, store_root: Path) -> None:
    """Put a file that was built in its place, also where something else has its name."""
    if path.is_dir():
        set_aside(path, store_root, "it is a folder")
    built.replace(path)


@contextmanager
def _one_state(lake: Lake, folder: Path) -> Iterator[list[Path]]:
    """Give the valid events as they are now, by hard links: a day replaced meanwhile stays out.

    The aggregation reads the files several times; all times must see the same rows.
    """
    with TemporaryDirectory(prefix=f"{UNFINISHED_PREFIX}valid-", dir=folder) as name:
        files = []
        for day in lake.days(VALID_EVENTS):
            if not lake.is_readable(VALID_EVENTS, day):
                continue  # Damaged: set aside, and validated again with the next ingestion.
            link = Path(name) / f"{day}.parquet"
            link.hardlink_to(lake.path(VALID_EVENTS, day))
            files.append(link)
        yield files


def refresh_warehouse(settings: Settings) -> Warehouse:
    """Rebuild the analysts' warehouse from the daily outcomes and the evidence."""
    tables = {"daily_outcomes": settings.daily_outcomes_path, "evidence": settings.evidence_path}
    for table in tables.values():
        read_or_set_aside(table, pq.read_metadata, settings.store_root)
    path = settings.warehouse_path
    with workshop(settings, "warehouse") as folder:
        rebuilt = rebuild_warehouse(folder / path.name, tables)
        _put(rebuilt.path, path, settings.store_root)
    return replace(rebuilt, path=path)


@contextmanager
def workshop(settings: Settings, name: str) -> Iterator[Path]:
    """Hold a folder of the store to build in; what interrupted builders left in it is removed."""
    with atomic.workshop(settings.store_root / f".{name}") as folder:
        yield folder
