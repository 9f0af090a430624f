"""Taking a foreign file into the store: its columns mapped, its values kept as they are.

An import lies under `imports/<name>/<version>/` as Parquet, one version a changed file; the newest
version is read by `sources.imported` like any other source. Nothing is judged here: a value that is
not what it should be goes on as text, and the contract rejects it with its reason.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from its_pipeline.events.contract import json_metrics
from its_pipeline.events.duck import in_memory, literal, sql
from its_pipeline.events.exported import Export, Said, Written, write_exported
from its_pipeline.events.file_rules import ImportFileError, file_signature
from its_pipeline.events.foretelling import Foretold, MostlyRejectedError, foretell
from its_pipeline.events.import_deletion import leave_out_forgotten
from its_pipeline.events.import_folders import (
    EVENTS_FILE,
    RECORD_FILE,
    day_digests,
    import_versions,
    imports_dir,
    metrics_file,
    read_record,
    version_damage,
)
from its_pipeline.events.import_metrics import own_metrics, recorded_metrics
from its_pipeline.events.import_sql import event_expressions
from its_pipeline.events.intervention import zone_names
from its_pipeline.events.keys import validate_id
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.events.metrics import registered_metrics, write_metrics_file
from its_pipeline.events.reading import lines_ahead, open_rows
from its_pipeline.files.atomic import exclusive, finished_folder, remove_unfinished, write_json
from its_pipeline.files.contents import write_contents
from its_pipeline.files.damage import set_aside
from its_pipeline.files.names import path_of_name
from its_pipeline.files.parquet import ParquetSink

if TYPE_CHECKING:
    from its_pipeline.settings import Settings


@dataclass(frozen=True)
class ImportResult:
    """What an import did.

    Attributes
    ----------
    name, version
        Under which it lies.
    rows
        Rows of the file, each one event.
    taken
        False if this very file with this very mapping was taken before.
    days
        UTC days it has events on.
    metrics
        Outcome metrics it registered.
    left_out
        Events of the file that are of forgotten people, and not among `rows`.
    told
        What there is to say of it, a line each: what was found, broken readings, changed days.
    foretold
        What the contract will reject of it; None for one that was taken before.
    """

    name: str
    version: int
    rows: int
    taken: bool
    days: int
    metrics: tuple[str, ...]
    left_out: int = 0
    told: tuple[str, ...] = ()
    foretold: Foretold | None = None


def import_file(
    settings: Settings,
    path: Path,
    mapping: ImportMapping,
    name: str | None = None,
    *,
    anyway: bool = False,
) -> ImportResult:
    """Take a file into the store; its days can then be exported.

    Parameters
    ----------
    settings
        The installation.
    path
        CSV, Parquet or JSON Lines.
    mapping
        Which column means what.
    name
        Name of the import; by default the file's name. A file of the same name is a new version,
        which replaces the earlier one's events.
    anyway
        Take the file also if the contract will reject most of its rows.

    Raises
    ------
    ImportFileError
        If the file is unreadable, lacks a column, or changes while it is read; the message names
        file, column and remedy, and the earlier version stays. As `MostlyRejectedError`, if most of
        its rows would be rejected.
    MetricError
        If an outcome's name is registered already with another meaning.
    ForgottenPersonError
        If the file is about forgotten people alone.
    ValueError
        If the name cannot be that of a folder.
    """
    name = name or import_name(path)

    def write(target: Path, taken_at: datetime) -> Written:
        _write_events(path, name, mapping, target, taken_at)
        return Written(mapping.metrics(), ())

    delivery = _Delivery(
        path,
        lambda: file_signature(path),
        lambda: _digest(path, mapping),
        write,
        {"mapping": mapping.record()},
        lambda events: _foretold(settings, path, mapping, events),
    )
    return _take(settings, name, delivery, anyway=anyway)


def import_export(
    settings: Settings, export: Export, user_id: str, said: Said, name: str | None = None
) -> ImportResult:
    """Take an app's export into the store.

    Parameters
    ----------
    settings
        The installation.
    export
        The export, as `exports.recognised` gives it.
    user_id
        Whose it is.
    said
        Time zone, and names of moods.
    name
        Name of the import; by default the app and the person, so that a longer export of the same
        app is the next version whatever its file is called.

    Raises
    ------
    ImportFileError
        If the export is broken, needs something said, or changes while it is read; the message says
        where, and the earlier version stays.
    MetricError
        If a metric's name is registered already with another meaning.
    ForgottenPersonError
        If the person was forgotten.
    ValueError
        If the person's id is not legal, the time zone not known, or the name not that of a folder.
    """
    validate_id("user_id", user_id)
    if said.time_zone is not None and said.time_zone not in zone_names():
        raise ValueError(
            f"time zone {said.time_zone!r} is not known; give a name such as 'Europe/Berlin'"
        )
    options = {
        "app": export.name,
        "user_id": user_id,
        "time_zone": said.time_zone,
        "moods": dict(said.moods),
    }
    delivery = _Delivery(
        export.path,
        export.signature,
        lambda: _with_options(export.digest(), options),
        lambda target, taken_at: write_exported(export, said, user_id, target, taken_at),
        {"export": options},
    )
    return _take(settings, name or f"{export.name}-{user_id}", delivery)


@dataclass(frozen=True)
class _Delivery:
    """What is to be taken: where it lies, how to know it again, how to write its raw events."""

    path: Path
    signature: Callable[[], object]
    digest: Callable[[], str]
    write: Callable[[Path, datetime], Written]
    options: dict[str, Any]
    foretell: Callable[[Path], Foretold | None] = lambda _: None


def _take(
    settings: Settings, name: str, delivery: _Delivery, *, anyway: bool = False
) -> ImportResult:
    """Write the next version of an import, unless nothing in it has changed."""
    folder = path_of_name(imports_dir(settings), name)
    with exclusive(folder.with_name(f".{folder.name}.lock")):
        remove_unfinished(folder)
        before, taken_at = delivery.signature(), _arrival(settings)
        digest = delivery.digest()
        versions = import_versions(folder)
        if versions and (damage := version_damage(folder / versions[-1])):
            # Taken again in its place, from the same file.
            set_aside(folder / versions.pop(), settings.store_root, damage)
        newest = read_record(folder / versions[-1]) if versions else None
        if newest and newest["digest"] == digest:
            return _untaken(name, versions[-1], newest)
        number = int(versions[-1]) + 1 if versions else 1
        own = metrics_file(settings, folder.name)
        try:
            with finished_folder(folder / f"{number:06d}") as unfinished:
                written = _written_unchanged(delivery, unfinished / EVENTS_FILE, taken_at, before)
                left_out = leave_out_forgotten(settings, unfinished / EVENTS_FILE)
                foretold = delivery.foretell(unfinished / EVENTS_FILE)
                if foretold is not None and foretold.is_mostly_rejected and not anyway:
                    raise MostlyRejectedError(delivery.path, foretold)
                metrics = own_metrics(settings, own, written.metrics)
                rows, days = day_digests(unfinished / EVENTS_FILE)
                record = {
                    "file": delivery.path.name,
                    "digest": digest,
                    "rows": rows,
                    "days": list(days),
                    "left_out": left_out,
                    "day_digests": days,
                    "metrics": [
                        metric.model_dump(mode="json", exclude_defaults=True)
                        for metric in written.metrics
                    ],
                    **delivery.options,
                }
                if newest and all(newest.get(part) == record.get(part) for part in _CONTENTS):
                    raise _UnchangedError
                write_json(unfinished / RECORD_FILE, record)
                write_contents(unfinished, (RECORD_FILE, EVENTS_FILE))
        except _UnchangedError:
            return _untaken(name, versions[-1], newest or {})
        if metrics:
            write_metrics_file(own, metrics)
    told = written.told + _told_of_days(newest, days)
    registered = tuple(metric.name for metric in metrics)
    return ImportResult(name, number, rows, True, len(days), registered, left_out, told, foretold)


def _written_unchanged(
    delivery: _Delivery, target: Path, taken_at: datetime, before: object
) -> Written:
    """Write a delivery's events, unless it changes meanwhile: then half a row is no fault of it."""
    try:
        written = delivery.write(target, taken_at)
    except ImportFileError as error:
        if delivery.signature() != before:
            raise _changed(delivery.path) from error
        raise
    if delivery.signature() != before:
        raise _changed(delivery.path)
    return written


def _changed(path: Path) -> ImportFileError:
    return ImportFileError(
        f"{path}: it changed while it was read; import it again when whatever writes it has "
        "finished"
    )


_CONTENTS = ("rows", "day_digests", "mapping", "export", "metrics")
"""Parts of a record that say the same where nothing but the file's bytes has changed."""


class _UnchangedError(Exception):
    """What was written says what the newest version says."""


def _untaken(name: str, version: str, newest: Mapping[str, Any]) -> ImportResult:
    metrics = tuple(metric.name for metric in recorded_metrics(newest))
    rows, days, left_out = newest["rows"], len(newest["days"]), newest["left_out"]
    return ImportResult(name, int(version), rows, False, days, metrics, left_out)


def _told_of_days(newest: Mapping[str, Any] | None, days: Mapping[str, str]) -> tuple[str, ...]:
    """Return what a new version changes: which of its days are new, and which are gone."""
    if newest is None or newest["day_digests"] is None:
        return ()
    before = newest["day_digests"]
    changed = sum(before.get(day) != digest for day, digest in days.items())
    told = [f"{changed:,} UTC days are new or changed since the version before"]
    if gone := sorted(before.keys() - days.keys()):
        told.append(
            f"{len(gone):,} days of the version before are not in it any more, the first is "
            f"{gone[0]}; import a part of an export under a --name of its own"
        )
    return tuple(told)


def foretell_import(settings: Settings, path: Path, mapping: ImportMapping) -> Foretold:
    """Return what the contract would say of a file's rows; nothing is taken.

    Raises
    ------
    ImportFileError
        As in `import_file`.
    """
    with TemporaryDirectory(prefix="its-import-") as folder:
        events = Path(folder) / EVENTS_FILE
        _write_events(path, import_name(path), mapping, events, _arrival(settings))
        return _foretold(settings, path, mapping, events)


def foretell_export(
    settings: Settings, export: Export, user_id: str, said: Said
) -> tuple[str, ...]:
    """Return what there is to say of an app's export, a line each; nothing is taken.

    Raises
    ------
    ImportFileError
        As in `import_export`.
    """
    with TemporaryDirectory(prefix="its-import-") as folder:
        events = Path(folder) / EVENTS_FILE
        return write_exported(export, said, user_id, events, _arrival(settings)).told


def _foretold(settings: Settings, path: Path, mapping: ImportMapping, events: Path) -> Foretold:
    """Judge an import's events by the metrics that there are, and by its own."""
    own = {metric.name: metric for metric in mapping.metrics()}
    metrics = json_metrics(own | registered_metrics(settings))
    return foretell(events, metrics, lines_ahead(path, mapping))


def import_name(path: Path) -> str:
    """Return the default name of a file's import: its name without illegal characters."""
    cleaned = re.sub(r"[^A-Za-z0-9_-]+", "_", path.name).strip("_")
    return cleaned[:100] or "import"


def _digest(path: Path, mapping: ImportMapping) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return _with_options(digest, mapping.record())


def _with_options(digest: hashlib._Hash, options: Mapping[str, Any]) -> str:
    digest.update(json.dumps(options, sort_keys=True).encode())
    return digest.hexdigest()


def _arrival(settings: Settings) -> datetime:
    """Return when the file is taken: now, or the day that the settings pretend it is."""
    now = datetime.now(UTC)
    if settings.today_on is None:
        return now
    return max(now, datetime.combine(settings.today_on, time(23), UTC))


def _write_events(
    path: Path, name: str, mapping: ImportMapping, target: Path, taken_at: datetime
) -> None:
    """Write the file's rows as raw events, all text, sorted by day."""
    as_text = target.with_name("rows.parquet")
    schema = pa.schema([*mapping.columns_schema(), pa.field("file_row", pa.int64())])
    sink = ParquetSink(as_text, schema)
    rows = 0
    try:
        with open_rows(path, mapping) as batches:
            for batch in batches:
                numbers = pa.array(range(rows + 1, rows + 1 + batch.num_rows), pa.int64())
                sink.add(pa.table([*batch.columns, numbers], schema=schema))
                rows += batch.num_rows
        sink.close()
    finally:
        sink.abandon()
    with in_memory(spill_to=target.parent) as connection:
        parts = {
            "rows": literal(str(as_text)),
            "target": literal(str(target)),
            "events": event_expressions(mapping, name, taken_at),
        }
        connection.execute(sql("import_events", **parts))
    as_text.unlink()
