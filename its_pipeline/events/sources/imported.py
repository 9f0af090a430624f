"""The imported files read as a source of events: the newest version of each import."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from its_pipeline.events.duck import in_memory
from its_pipeline.events.importing import EVENTS_FILE, import_versions
from its_pipeline.events.schema import EVENT_SCHEMA, raw_schema
from its_pipeline.events.sources.base import DayRead

BATCH_ROWS = 20_000


class ImportedSource:
    """What `import_file` took, by the newest version of each import.

    Parameters
    ----------
    folder
        Folder of all imports.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _days(self) -> dict[date, list[tuple[Path, str]]]:
        """Files and their versions by UTC day."""
        found: dict[date, list[tuple[Path, str]]] = {}
        for file in self._files():
            version = f"{file.parent.parent.name}/{file.parent.name}"
            with in_memory() as connection:
                days = connection.execute(
                    "SELECT DISTINCT assigned_day FROM read_parquet($file)", {"file": str(file)}
                ).fetchall()
            for (day,) in days:
                found.setdefault(day, []).append((file, version))
        return found

    def _files(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        files = []
        for folder in sorted(self._folder.iterdir()):
            versions = import_versions(folder)
            if versions:
                files.append(folder / versions[-1] / EVENTS_FILE)
        return files

    def day_versions(self) -> Mapping[date, str]:
        """Return, per day, a text of the imports and versions with events on it."""
        return {day: _version(parts) for day, parts in sorted(self._days.items())}

    @contextmanager
    def read_day(self, day: date) -> Iterator[DayRead]:
        """Open one UTC day; see `EventSource`."""
        parts = self._days.get(day, [])
        schema = raw_schema(set(EVENT_SCHEMA.names))
        yield DayRead(_version(parts) if parts else "", schema, _batches(parts, day))


def _version(parts: list[tuple[Path, str]]) -> str:
    joined = ",".join(version for _, version in parts)
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


def _batches(parts: list[tuple[Path, str]], day: date) -> Iterator[pa.RecordBatch]:
    columns = ", ".join(EVENT_SCHEMA.names)
    for file, _ in parts:
        with in_memory() as connection:
            relation = connection.sql(
                f"SELECT {columns} FROM read_parquet($file) "  # noqa: S608
                "WHERE assigned_day = $day ORDER BY file_row",
                params={"file": str(file), "day": day},
            )
            yield from relation.to_arrow_reader(BATCH_ROWS)
