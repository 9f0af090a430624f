"""Taking a foreign file into the store: its columns mapped, its values kept as they are.

An import lies under `imports/<name>/<version>/` as Parquet, one version a changed file; the newest
version is read by `sources.imported` like any other source. Nothing is judged here: a value that is
not what it should be goes on as text, and the contract rejects it with its reason.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pyarrow as pa

from its_pipeline.events.contract import json_metrics
from its_pipeline.events.duck import in_memory, literal, sql
from its_pipeline.events.file_rules import ImportFileError, file_signature
from its_pipeline.events.foretelling import Foretold, MostlyRejectedError, foretell
from its_pipeline.events.import_folders import (
    EVENTS_FILE,
    RECORD_FILE,
    import_versions,
    imports_dir,
    read_record,
    version_damage,
)
from its_pipeline.events.import_sql import event_expressions
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.events.metrics import (
    IMPORTED_FOLDER,
    MetricError,
    OutcomeMetric,
    load_metrics,
    read_metrics_file,
    registered_metrics,
    write_metrics_file,
)
from its_pipeline.events.reading import open_rows
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
    foretold
        What the contract will reject of it; None for one that was taken before.
    """

    name: str
    version: int
    rows: int
    taken: bool
    days: int
    metrics: tuple[str, ...]
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
    ValueError
        If the name cannot be that of a folder.
    """
    name = name or import_name(path)
    folder = path_of_name(imports_dir(settings), name)
    with exclusive(folder.with_name(f".{folder.name}.lock")):
        remove_unfinished(folder)
        before, taken_at = file_signature(path), _arrival(settings)
        digest = _digest(path, mapping)
        versions = import_versions(folder)
        if versions and (damage := version_damage(folder / versions[-1])):
            # Taken again in its place, from the same file.
            set_aside(folder / versions.pop(), settings.store_root, damage)
        if versions:
            newest = read_record(folder / versions[-1])
            if newest["digest"] == digest:
                return ImportResult(
                    name,
                    int(versions[-1]),
                    newest["rows"],
                    False,
                    len(newest["days"]),
                    tuple(metric.name for metric in mapping.metrics()),
                )
        metrics = _own_metrics(settings, _metrics_file(settings, folder.name), mapping)
        number = int(versions[-1]) + 1 if versions else 1
        with finished_folder(folder / f"{number:06d}") as unfinished:
            rows, days = _write_events(path, name, mapping, unfinished / EVENTS_FILE, taken_at)
            if file_signature(path) != before:
                raise ImportFileError(
                    f"{path}: the file changed while it was read; import it again when whatever "
                    "writes it has finished"
                )
            foretold = foretell(unfinished / EVENTS_FILE, _judged_metrics(settings, mapping))
            if foretold.is_mostly_rejected and not anyway:
                raise MostlyRejectedError(path, foretold, mapping.lines_ahead)
            record = {
                "file": path.name,
                "digest": digest,
                "rows": rows,
                "days": [day.isoformat() for day in days],
                "mapping": mapping.record(),
            }
            write_json(unfinished / RECORD_FILE, record)
            write_contents(unfinished, (RECORD_FILE, EVENTS_FILE))
        if metrics:
            write_metrics_file(_metrics_file(settings, folder.name), metrics)
    registered = tuple(metric.name for metric in metrics)
    return ImportResult(name, number, rows, True, len(days), registered, foretold)


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
        return foretell(events, _judged_metrics(settings, mapping))


def _judged_metrics(settings: Settings, mapping: ImportMapping) -> tuple[OutcomeMetric, ...]:
    """Return the metrics by which an import's rows will be judged: those there are, and its own."""
    registered = registered_metrics(settings)
    own = {metric.name: metric for metric in mapping.metrics()}
    return json_metrics(own | registered)


def restore_metrics(settings: Settings) -> list[str]:
    """Register again the metrics of imports whose settings file is gone; return the imports.

    They are what the import's mapping says; an analysis that somebody had chosen in the file is
    not known any more.
    """
    restored = []
    for folder in sorted(imports_dir(settings).glob("[!.]*")):
        versions, file = import_versions(folder), _metrics_file(settings, folder.name)
        if not versions or file.is_file():
            continue
        mapping = read_record(folder / versions[-1])["mapping"]
        if mapping and (metrics := ImportMapping.model_validate(mapping).metrics()):
            write_metrics_file(file, metrics)
            restored.append(folder.name)
    return restored


def import_name(path: Path) -> str:
    """Return the default name of a file's import: its name without illegal characters."""
    cleaned = re.sub(r"[^A-Za-z0-9_-]+", "_", path.name).strip("_")
    return cleaned[:100] or "import"


def _metrics_file(settings: Settings, name: str) -> Path:
    """Return where the metrics of an import are registered, by the name of its folder."""
    return imports_dir(settings).parent / IMPORTED_FOLDER / f"{name}.yaml"


def _own_metrics(
    settings: Settings, own: Path, mapping: ImportMapping
) -> tuple[OutcomeMetric, ...]:
    """Return the metrics of an import, each with the analysis that somebody has chosen for it.

    Raises
    ------
    MetricError
        If one is registered with another meaning, other than by this import.
    """
    others = load_metrics(settings.resolved_metrics_file, imported=settings.store_root / "none")
    earlier: dict[str, OutcomeMetric] = {}
    for file in sorted((settings.store_root / IMPORTED_FOLDER).glob("*.yaml")):
        found = {metric.name: metric for metric in read_metrics_file(file)}
        if file == own:
            earlier = found
        else:
            others.update(found)
    metrics = []
    for declared in mapping.metrics():
        known = others.get(declared.name) or earlier.get(declared.name) or declared
        chosen = {"likelihood": known.likelihood, "analysis": known.analysis}
        metric = declared.model_copy(update=chosen)
        if metric.name in others and others[metric.name] != metric:
            raise MetricError(
                f"outcome {metric.name!r} is registered already with another meaning; give it "
                "another name in the mapping's outcomes"
            )
        metrics.append(metric)
    return tuple(metrics)


def _digest(path: Path, mapping: ImportMapping) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(json.dumps(mapping.record(), sort_keys=True).encode())
    return digest.hexdigest()


def _arrival(settings: Settings) -> datetime:
    """Return when the file is taken: now, or the day that the settings pretend it is."""
    now = datetime.now(UTC)
    if settings.today_on is None:
        return now
    return max(now, datetime.combine(settings.today_on, time(23), UTC))


def _write_events(
    path: Path, name: str, mapping: ImportMapping, target: Path, taken_at: datetime
) -> tuple[int, list[date]]:
    """Write the file's rows as raw events, all text, sorted by day; return rows and days."""
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
        days = connection.execute(
            "SELECT DISTINCT assigned_day FROM read_parquet($file) ORDER BY ALL",
            {"file": str(target)},
        ).fetchall()
    as_text.unlink()
    return rows, [day for (day,) in days]
