"""The events' way into the store, a function a step: export, validate, aggregate.

Plain functions of settings and a day; the Dagster assets, the command line and the demo call them.
What a step does to the rows belongs to `events.sources`, `events.validation` and
`events.daily`.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb
import pyarrow.parquet as pq

from its_pipeline.events.contract import CONTRACT_VERSION, json_metrics
from its_pipeline.events.daily import OutcomeCount, build_daily_outcomes
from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.metrics import OutcomeMetric, registered_metrics
from its_pipeline.events.schema import FIRST_DAY
from its_pipeline.events.sources.base import SourceError, same_version
from its_pipeline.events.sources.opening import open_source
from its_pipeline.events.summary import DaySummary
from its_pipeline.events.validation import SUMMARY_KEY, validate_day
from its_pipeline.files.atomic import UNFINISHED_PREFIX, exclusive, remove_unfinished
from its_pipeline.files.damage import is_of_the_machine, read_or_set_aside, set_aside
from its_pipeline.files.parquet import unfinished_file
from its_pipeline.ingest.passing import Passing
from its_pipeline.stores.lake import BEHAVIORAL_EVENTS, REJECTED_EVENTS, VALID_EVENTS, Lake
from its_pipeline.stores.warehouse import Warehouse, rebuild_warehouse

if TYPE_CHECKING:
    from its_pipeline.events.sources.base import EventSource
    from its_pipeline.settings import Settings

_VERSION = "its.version"
_CONTRACT = "its.contract"


@dataclass(frozen=True)
class ExportResult:
    """One exported UTC day.

    Attributes
    ----------
    day, path, rows, bytes
        The partition.
    version
        The source's version of the day; empty for a day without events.
    first_occurred_at, last_occurred_at
        Interval of the readable times; None without any.
    changed
        Whether the partition's rows differ from those it had.
    left_out
        Rows of the source that are of forgotten people, and not among `rows`.
    """

    day: date
    path: Path
    rows: int
    bytes: int
    version: str
    first_occurred_at: datetime | None
    last_occurred_at: datetime | None
    changed: bool
    left_out: int = 0


@dataclass(frozen=True)
class ValidationResult:
    """One validated UTC day: `summary.read = valid + rejected + duplicates`."""

    day: date
    valid_path: Path
    rejected_path: Path
    summary: DaySummary

    @property
    def reject_rate(self) -> float:
        """Rejected rows over read rows, 0 for an empty day; duplicates are not counted."""
        return self.summary.reject_rate


@dataclass(frozen=True)
class IngestedDay:
    """One UTC day that was exported and validated, or the traceback of why it could not be."""

    day: date
    exported: ExportResult | None = None
    validated: ValidationResult | None = None
    failure: str = ""


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


def open_lake(settings: Settings) -> Lake:
    """Return the installation's lake."""
    return Lake(settings.lake_dir)


def changed_days(settings: Settings, source: EventSource | None = None) -> list[date]:
    """Return the UTC days whose events differ from what the lake holds, in order.

    Late events, corrected rows and days that the source no longer has are among them. A day stays
    in the list until it has been exported, so an interrupted run loses nothing.
    """
    source = source or open_source(settings)
    lake = open_lake(settings)
    versions = {day: v for day, v in source.day_versions().items() if day >= FIRST_DAY}
    exported = {
        day: lake.metadata(BEHAVIORAL_EVENTS, day).get(_VERSION, "")
        for day in lake.days(BEHAVIORAL_EVENTS)
    }
    days = versions.keys() | exported.keys()
    return sorted(d for d in days if not same_version(versions.get(d, ""), exported.get(d, "")))


def export_day(settings: Settings, day: date, source: EventSource | None = None) -> ExportResult:
    """Write one UTC day of the source into the lake as delivered; the partition is replaced whole.

    Parameters
    ----------
    settings
        The installation.
    day
        UTC day.
    source
        Where to read; the configured source by default.

    Raises
    ------
    SourceError
        If the source cannot be read; the earlier partition stays.
    """
    source = source or open_source(settings)
    lake = open_lake(settings)
    with lake.exclusive(BEHAVIORAL_EVENTS, day):
        before = _digest(lake.path(BEHAVIORAL_EVENTS, day))
        with source.read_day(day) as read:
            passing = Passing(Forgotten(settings.store_root))
            written = lake.write(
                BEHAVIORAL_EVENTS,
                day,
                read.schema,
                (passing.watch(batch) for batch in read.batches),
                {_VERSION: read.version},
            )
        changed = _digest(written.path) != before
    return ExportResult(
        day,
        written.path,
        written.rows,
        written.bytes,
        read.version,
        passing.first,
        passing.last,
        changed,
        passing.left_out,
    )


def ingest_day(settings: Settings, day: date) -> IngestedDay:
    """Export and validate one UTC day; what one day does to its reader stays that day's.

    Returns
    -------
    IngestedDay
        What was exported and validated; with the traceback in `failure`, where it could not be.
        The earlier partitions stay then.

    Raises
    ------
    SourceError
        The source as a whole cannot be read.
    OSError
        One of `files.damage.MACHINE_ERRORS`.
    """
    try:
        return IngestedDay(day, export_day(settings, day), validate_day_partition(settings, day))
    except SourceError:
        raise
    except Exception as error:
        # Kept with its traceback, counted, and said at the end of the run: the others go on.
        if is_of_the_machine(error):
            raise
        return IngestedDay(day, failure="".join(traceback.format_exception(error)))


def validate_day_partition(settings: Settings, day: date) -> ValidationResult:
    """Split an exported day into valid and rejected events.

    Raises
    ------
    FileNotFoundError
        If the day was not exported; the message says what to run.
    """
    lake = open_lake(settings)
    raw = lake.path(BEHAVIORAL_EVENTS, day)
    if not raw.is_file():
        raise FileNotFoundError(
            f"no exported events for {day}: {raw} is missing; materialise behavioral_events first"
        )
    metrics = json_metrics(registered_metrics(settings))
    valid_path = lake.path(VALID_EVENTS, day)
    rejected_path = lake.path(REJECTED_EVENTS, day)
    with lake.exclusive(REJECTED_EVENTS, day), lake.exclusive(VALID_EVENTS, day):
        footer = {
            _VERSION: lake.metadata(BEHAVIORAL_EVENTS, day).get(_VERSION, ""),
            _CONTRACT: contract_fingerprint(metrics),
        }
        with unfinished_file(valid_path) as valid, unfinished_file(rejected_path) as rejected:
            batches = lake.batches(BEHAVIORAL_EVENTS, day)
            summary = validate_day(batches, day, metrics, valid, rejected, footer)
    return ValidationResult(day, valid_path, rejected_path, summary)


def read_validation(settings: Settings, day: date) -> ValidationResult:
    """Return what `validate_day_partition` found when it last ran for a day.

    Raises
    ------
    FileNotFoundError
        If the day was not validated.
    """
    lake = open_lake(settings)
    found = lake.metadata(VALID_EVENTS, day)
    if SUMMARY_KEY not in found:
        raise FileNotFoundError(f"{lake.path(VALID_EVENTS, day)}: the day was not validated")
    summary = DaySummary.from_json(found[SUMMARY_KEY])
    return ValidationResult(
        day, lake.path(VALID_EVENTS, day), lake.path(REJECTED_EVENTS, day), summary
    )


def unvalidated_days(settings: Settings) -> list[date]:
    """Return the exported days that were never validated, or with other rows or other rules."""
    lake = open_lake(settings)
    contract = contract_fingerprint(json_metrics(registered_metrics(settings)))
    days = []
    for day in lake.days(BEHAVIORAL_EVENTS):
        version = lake.metadata(BEHAVIORAL_EVENTS, day).get(_VERSION, "")
        found = lake.metadata(VALID_EVENTS, day)
        is_current = (found.get(_VERSION), found.get(_CONTRACT)) == (version, contract)
        if not is_current or not lake.is_readable(REJECTED_EVENTS, day):
            days.append(day)
    return days


def contract_fingerprint(metrics: tuple[OutcomeMetric, ...]) -> str:
    """Return a text that changes when the contract or a metric it checks changes."""
    ranges = [(m.name, m.json_path, m.event_types, m.minimum, m.maximum) for m in metrics]
    return hashlib.sha256(repr((CONTRACT_VERSION, ranges)).encode()).hexdigest()[:16]


def build_daily(settings: Settings) -> DailyResult:
    """Aggregate all valid events to daily outcomes and rebuild the warehouse from them.

    Days that cannot be read to their end are set aside and validated again.
    """
    path = settings.daily_outcomes_path
    with _workshop(settings, "daily") as folder:
        built = folder / path.name
        try:
            outcomes = _aggregate(settings, folder, built)
        except duckdb.Error:
            damaged = open_lake(settings).set_aside_damaged(VALID_EVENTS)
            if not damaged:
                raise
            for day in damaged:
                validate_day_partition(settings, day)
            outcomes = _aggregate(settings, folder, built)
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

    Experiments whose days are not there would be decided without them. Where there are no valid
    events, as in a store that was filled another way, there is nothing to make them from.
    """
    path = settings.daily_outcomes_path
    if read_or_set_aside(path, pq.read_metadata, settings.store_root) is not None:
        return False
    if not open_lake(settings).days(VALID_EVENTS):
        return False
    build_daily(settings)
    return True


def _aggregate(settings: Settings, folder: Path, built: Path) -> tuple[OutcomeCount, ...]:
    with _one_state(open_lake(settings), folder) as files:
        return build_daily_outcomes(files, registered_metrics(settings), built)


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
    with _workshop(settings, "warehouse") as folder:
        rebuilt = rebuild_warehouse(folder / path.name, tables)
        _put(rebuilt.path, path, settings.store_root)
    return replace(rebuilt, path=path)


@contextmanager
def _workshop(settings: Settings, name: str) -> Iterator[Path]:
    """Hold a folder of the store to build in; what interrupted builders left in it is removed."""
    folder = settings.store_root / f".{name}"
    with exclusive(folder / "lock"):
        remove_unfinished(folder)
        yield folder


def _digest(path: Path) -> str:
    """Return a digest of a file's bytes, empty where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
