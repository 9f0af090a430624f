"""The events' way into the lake, a function a step: export and validate UTC days.

Plain functions of settings and days; the Dagster assets, the command line and the demo call them.
What a step does to the rows belongs to `events.sources` and `events.validation`; what comes of all
days to `ingest.daily`.
"""

from __future__ import annotations

import hashlib
import logging
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from its_pipeline.events.closed_days import ClosedDayError, closed_days
from its_pipeline.events.contract import CONTRACT_VERSION, json_metrics
from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.metrics import OutcomeMetric, registered_metrics
from its_pipeline.events.schema import FIRST_DAY
from its_pipeline.events.sources.base import SourceError, same_version
from its_pipeline.events.sources.opening import open_source
from its_pipeline.events.summary import DaySummary
from its_pipeline.events.validation import BATCH_ROWS, SUMMARY_KEY, RawDay, validate_days
from its_pipeline.files.damage import is_of_the_machine
from its_pipeline.files.parquet import ROW_GROUP_BYTES, unfinished_files, write_parquet
from its_pipeline.ingest.passing import Passing
from its_pipeline.stores.lake import BEHAVIORAL_EVENTS, REJECTED_EVENTS, VALID_EVENTS, Lake

if TYPE_CHECKING:
    from its_pipeline.events.sources.base import EventSource
    from its_pipeline.settings import Settings

Result = TypeVar("Result")

VERSION = "its.version"
"""Footer key of the source's version of a day."""
_CONTRACT = "its.contract"

DAYS_AT_ONCE: Final = 32
"""Days that are written before they are put in their places: files that are open at a time."""

_log = logging.getLogger(__name__)


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
    """One UTC day that was exported and validated, or the traceback of why either could not be."""

    day: date
    exported: ExportResult | None = None
    validated: ValidationResult | None = None
    failure: str = ""


def open_lake(settings: Settings) -> Lake:
    """Return the installation's lake."""
    return Lake(settings.lake_dir)


def changed_days(settings: Settings, source: EventSource | None = None) -> list[date]:
    """Return the UTC days whose events differ from what the lake holds, in order.

    Late events, corrected rows and days that the source no longer has are among them, closed days
    are not. A day stays in the list until it has been exported, so an interrupted run loses
    nothing.
    """
    source = source or open_source(settings)
    lake = open_lake(settings)
    first = first_open_day(settings)
    versions = {day: v for day, v in source.day_versions().items() if day >= first}
    exported = {
        day: lake.metadata(BEHAVIORAL_EVENTS, day).get(VERSION, "")
        for day in lake.days(BEHAVIORAL_EVENTS)
        if day >= first
    }
    days = versions.keys() | exported.keys()
    return sorted(d for d in days if not same_version(versions.get(d, ""), exported.get(d, "")))


def first_open_day(settings: Settings) -> date:
    """Return the first UTC day that takes events: the one after the last closed one."""
    closed = closed_days(settings)
    return FIRST_DAY if closed is None else closed.through + timedelta(days=1)


def export_days(settings: Settings, days: Sequence[date]) -> Iterator[ExportResult]:
    """Write UTC days of the source into the lake as delivered; each partition is replaced whole.

    `DAYS_AT_ONCE` days are written, and then put in their places one by one.

    Parameters
    ----------
    settings
        The installation.
    days
        UTC days, in order.

    Raises
    ------
    SourceError
        If the source cannot be read; the earlier partitions of the days at hand stay.
    ClosedDayError
        If the events of a day are not kept any more.
    """
    for some in portions(days):
        # Opened anew: what was deleted or imported meanwhile is seen.
        yield from _export(settings, some, open_source(settings))


def export_day(settings: Settings, day: date, source: EventSource | None = None) -> ExportResult:
    """Write one UTC day into the lake, see `export_days`; by default of the configured source."""
    return _export(settings, [day], source or open_source(settings))[0]


def _export(settings: Settings, days: Sequence[date], source: EventSource) -> list[ExportResult]:
    lake = open_lake(settings)
    paths = [lake.path(BEHAVIORAL_EVENTS, day) for day in days]
    with lake.all_exclusive((BEHAVIORAL_EVENTS,), days):
        # Once the days are held, so that none of them is closed meanwhile without what is written.
        first = first_open_day(settings)
        if shut := [day for day in days if day < first]:
            raise ClosedDayError(shut[0], first - timedelta(days=1))
        before = [_digest(path) for path in paths]
        read = []
        with unfinished_files(paths) as files:
            for day, file in zip(days, files, strict=True):
                with source.read_day(day) as events:
                    passing = Passing(Forgotten(settings.store_root))
                    batches = (passing.watch(batch) for batch in events.batches)
                    footer = {VERSION: events.version}
                    rows = write_parquet(file, events.schema, batches, footer)
                read.append((rows, events.version, passing))
        return [
            ExportResult(
                day,
                path,
                rows,
                path.stat().st_size,
                version,
                passing.first,
                passing.last,
                _digest(path) != digest,
                passing.left_out,
            )
            for day, path, digest, (rows, version, passing) in zip(
                days, paths, before, read, strict=True
            )
        ]


def portions(days: Sequence[date]) -> Iterator[Sequence[date]]:
    """Divide days into portions of at most `DAYS_AT_ONCE`."""
    for start in range(0, len(days), DAYS_AT_ONCE):
        yield days[start : start + DAYS_AT_ONCE]


def ingest_days(settings: Settings, days: Sequence[date]) -> Iterator[list[IngestedDay]]:
    """Export and validate UTC days, a portion at a time; what one does to its reader stays its own.

    Yields
    ------
    list
        What was exported and validated of a portion's days; with the traceback in `failure`, where
        a day could not be. Its earlier partitions stay then.

    Raises
    ------
    SourceError
        The source as a whole cannot be read.
    OSError
        One of `files.damage.MACHINE_ERRORS`.
    """
    for some in portions(days):
        exported, failures = _each(export_days, settings, some)
        there = [day for day in some if day in exported]
        validated, failed = _each(validate_day_partitions, settings, there)
        failures |= failed
        yield [
            IngestedDay(day, exported.get(day), validated.get(day), failures.get(day, ""))
            for day in some
        ]


def _each(
    work: Callable[[Settings, Sequence[date]], Iterator[Result]],
    settings: Settings,
    days: Sequence[date],
) -> tuple[dict[date, Result], dict[date, str]]:
    """Do work on days together or, if that fails, on each; return results, and tracebacks."""
    try:
        return dict(zip(days, work(settings, days), strict=True)), {}
    except SourceError:
        raise
    except Exception as error:
        # Kept with its traceback, counted, and said at the end of the run: the others go on.
        if is_of_the_machine(error):
            raise
        if len(days) == 1:
            return {}, {days[0]: "".join(traceback.format_exception(error))}
        _log.warning("%s days are done one by one: %s: %s", len(days), type(error).__name__, error)
    results: dict[date, Result] = {}
    failures: dict[date, str] = {}
    for day in days:
        found, failed = _each(work, settings, [day])
        results |= found
        failures |= failed
    return results, failures


def validate_day_partitions(settings: Settings, days: Sequence[date]) -> Iterator[ValidationResult]:
    """Split exported days into valid and rejected events, small ones together.

    Raises
    ------
    FileNotFoundError
        If a day was not exported; the message says what to run.
    """
    for some in portions(days):
        for together in _small_together(open_lake(settings), some):
            yield from _validate(settings, together)


def _small_together(lake: Lake, days: Sequence[date]) -> Iterator[list[date]]:
    """Divide days so that those of a part have no more raw rows and bytes than one batch may."""
    together: list[date] = []
    rows = size = 0
    for day in days:
        more_rows, more = lake.size(BEHAVIORAL_EVENTS, day)
        rows, size = rows + more_rows, size + more
        if together and (rows > BATCH_ROWS or size > ROW_GROUP_BYTES):
            yield together
            together, rows, size = [], more_rows, more
        together.append(day)
    if together:
        yield together


def validate_day_partition(settings: Settings, day: date) -> ValidationResult:
    """Split one exported day into valid and rejected events, see `validate_day_partitions`."""
    return _validate(settings, [day])[0]


def _validate(settings: Settings, days: Sequence[date]) -> list[ValidationResult]:
    lake = open_lake(settings)
    metrics = json_metrics(registered_metrics(settings))
    for day in days:
        raw = lake.path(BEHAVIORAL_EVENTS, day)
        if not raw.is_file():
            raise FileNotFoundError(
                f"no exported events for {day}: {raw} is missing; materialise behavioral_events "
                "first"
            )
    valid_paths = [lake.path(VALID_EVENTS, day) for day in days]
    rejected_paths = [lake.path(REJECTED_EVENTS, day) for day in days]
    with (
        lake.all_exclusive((REJECTED_EVENTS, VALID_EVENTS), days),
        # A day is validated once its valid events are in their place: they come last.
        unfinished_files(valid_paths) as valid,
        unfinished_files(rejected_paths) as rejected,
    ):
        contract = contract_fingerprint(metrics)
        raws = []
        for day, valid_file, rejected_file in zip(days, valid, rejected, strict=True):
            version = lake.metadata(BEHAVIORAL_EVENTS, day).get(VERSION, "")
            footer = {VERSION: version, _CONTRACT: contract}
            batches = lake.batches(BEHAVIORAL_EVENTS, day)
            raws.append(RawDay(day, batches, valid_file, rejected_file, footer))
        summaries = validate_days(raws, metrics)
    return [
        ValidationResult(*one)
        for one in zip(days, valid_paths, rejected_paths, summaries, strict=True)
    ]


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
    """Return the open days that were never validated, or with other rows or other rules."""
    lake = open_lake(settings)
    first = first_open_day(settings)
    contract = contract_fingerprint(json_metrics(registered_metrics(settings)))
    days = []
    for day in lake.days(BEHAVIORAL_EVENTS):
        if day < first:
            continue
        version = lake.metadata(BEHAVIORAL_EVENTS, day).get(VERSION, "")
        found = lake.metadata(VALID_EVENTS, day)
        is_current = (found.get(VERSION), found.get(_CONTRACT)) == (version, contract)
        if not is_current or not lake.is_readable(REJECTED_EVENTS, day):
            days.append(day)
    return days


def contract_fingerprint(metrics: tuple[OutcomeMetric, ...]) -> str:
    """Return a text that changes when the contract or a metric it checks changes."""
    ranges = [(m.name, m.json_path, m.event_types, m.minimum, m.maximum) for m in metrics]
    return hashlib.sha256(repr((CONTRACT_VERSION, ranges)).encode()).hexdigest()[:16]


def _digest(path: Path) -> str:
    """Return a digest of a file's bytes, empty where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
