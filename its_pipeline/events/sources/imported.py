"""The imported files read as a source of events: the newest version of each import."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.import_folders import EVENTS_FILE, import_versions, read_record
from its_pipeline.events.schema import EVENT_SCHEMA, pc, raw_schema
from its_pipeline.events.sources.base import DayRead


class ImportedSource:
    """What `import_file` took, by the newest version of each import.

    Parameters
    ----------
    folder
        Folder of all imports.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # What was read last: neighbouring days lie in one file, and most in one group of its rows.
        self._file: tuple[Path, pq.ParquetFile] | None = None
        self._group: tuple[tuple[Path, int], pa.Table] | None = None

    @cached_property
    def _days(self) -> dict[date, list[tuple[Path, str]]]:
        """Files and their versions by UTC day."""
        found: dict[date, list[tuple[Path, str]]] = {}
        if not self._folder.is_dir():
            return found
        for folder in sorted(self._folder.iterdir()):
            versions = import_versions(folder)
            if not versions:
                continue
            newest = folder / versions[-1]
            record = read_record(newest)
            # By its contents where they are known: a day that a new version leaves alone stays.
            digests = record["day_digests"] or {}
            for day in record["days"]:
                version = f"{folder.name}/{digests.get(day, newest.name)}"
                found.setdefault(date.fromisoformat(day), []).append(
                    (newest / EVENTS_FILE, version)
                )
        return found

    def day_versions(self) -> Mapping[date, str]:
        """Return, per day, a text of the imports and versions with events on it."""
        return {day: _version(parts) for day, parts in sorted(self._days.items())}

    @contextmanager
    def read_day(self, day: date) -> Iterator[DayRead]:
        """Open one UTC day; see `EventSource`."""
        parts = self._days.get(day, [])
        schema = raw_schema(set(EVENT_SCHEMA.names) if parts else set())
        yield DayRead(_version(parts) if parts else "", schema, self._batches(parts, day))

    def _batches(self, parts: list[tuple[Path, str]], day: date) -> Iterator[pa.Table]:
        for path, _ in parts:
            file = self._opened(path)
            place = file.schema_arrow.get_field_index("assigned_day")
            for number in range(file.num_row_groups):
                statistics = file.metadata.row_group(number).column(place).statistics
                if statistics is not None and not statistics.min <= day <= statistics.max:
                    continue
                rows = self._read(path, number)
                yield rows.filter(pc.equal(rows["assigned_day"], day)).select(EVENT_SCHEMA.names)

    def _opened(self, path: Path) -> pq.ParquetFile:
        if self._file is None or self._file[0] != path:
            self._file = path, pq.ParquetFile(path, pre_buffer=False)
        return self._file[1]

    def _read(self, path: Path, number: int) -> pa.Table:
        if self._group is None or self._group[0] != (path, number):
            self._group = None
            self._group = (path, number), self._opened(path).read_row_group(number)
        return self._group[1]


def _version(parts: list[tuple[Path, str]]) -> str:
    joined = ",".join(version for _, version in parts)
    return hashlib.sha256(joined.encode()).hexdigest()[:16]
