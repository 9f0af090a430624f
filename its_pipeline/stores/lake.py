"""The lake: Parquet tables in partitions of one UTC day, each replaced whole or not at all.

Here belong paths, atomic writing, listing and reading. What the rows mean belongs to `events`. A
partition that cannot be read is set aside and taken for not there, so that its day is made again.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.files.atomic import remove_unfinished
from its_pipeline.files.damage import read_or_set_aside, set_aside
from its_pipeline.files.parquet import file_batches, unfinished_file, write_parquet

BEHAVIORAL_EVENTS = "behavioral_events"
VALID_EVENTS = "valid_events"
REJECTED_EVENTS = "rejected_events"
CLOSED_EVENTS = "closed_events"
"""Of closed days, marks of the events that they had."""

_DAY = re.compile(r"day=(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True)
class WrittenFile:
    """A file that was put in its place.

    Attributes
    ----------
    path
        Where it lies.
    rows, bytes
        How much it holds.
    """

    path: Path
    rows: int
    bytes: int


class Lake:
    """The lake under one folder.

    Parameters
    ----------
    root
        Folder of the tables, directly under the store's root; made on the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, table: str, day: date) -> Path:
        """Return where a partition lies or would lie."""
        return self.root / table / f"day={day.isoformat()}" / "events.parquet"

    def pattern(self, table: str) -> str:
        """Return the glob pattern of a table's files, for DuckDB."""
        return str(self.root / table / "day=*" / "events.parquet")

    def days(self, table: str) -> list[date]:
        """Return the days that have a partition, in order."""
        found = []
        folder = self.root / table
        if not folder.is_dir():
            return []
        for entry in os.scandir(folder):
            match = _DAY.fullmatch(entry.name)
            if match and Path(entry.path, "events.parquet").is_file():
                found.append(date.fromisoformat(match.group(1)))
        return sorted(found)

    def metadata(self, table: str, day: date) -> dict[str, str]:
        """Return a partition's own key-value metadata (from the file's footer).

        Empty where there is no such partition, or it is damaged; it is set aside then.
        """
        found = self._footer(table, day)
        stored = (found.metadata if found is not None else None) or {}
        return {k.decode(): v.decode() for k, v in stored.items() if k.startswith(b"its.")}

    def is_readable(self, table: str, day: date) -> bool:
        """Tell whether a partition is there and complete; a damaged one is set aside."""
        return self._footer(table, day) is not None

    def _footer(self, table: str, day: date) -> pq.FileMetaData | None:
        return read_or_set_aside(self.path(table, day), pq.read_metadata, self.root.parent)

    def set_aside_damaged(self, table: str) -> list[date]:
        """Read every partition of a table to its end, and set aside what is damaged; its days."""

        def read(path: Path) -> bool:
            for _ in file_batches(path):
                pass
            return True

        return [
            day
            for day in self.days(table)
            if read_or_set_aside(self.path(table, day), read, self.root.parent) is None
        ]

    def rows(self, table: str, day: date) -> int:
        """Return the number of rows of a partition."""
        return pq.read_metadata(self.path(table, day)).num_rows

    def size(self, table: str, day: date) -> tuple[int, int]:
        """Return a partition's rows and its bytes when unpacked; 0 and 0 where it is not there."""
        found = self._footer(table, day)
        if found is None:
            return 0, 0
        groups = (found.row_group(number) for number in range(found.num_row_groups))
        return found.num_rows, sum(group.total_byte_size for group in groups)

    def read(self, table: str, day: date) -> pa.Table:
        """Return a whole partition.

        Raises
        ------
        FileNotFoundError
            If there is no such partition.
        """
        return pq.ParquetFile(self.path(table, day)).read()

    def batches(self, table: str, day: date) -> Iterator[pa.RecordBatch]:
        """Return a partition in batches of bounded size; see `file_batches`."""
        return file_batches(self.path(table, day))

    def write(
        self,
        table: str,
        day: date,
        schema: pa.Schema,
        batches: Iterable[pa.RecordBatch | pa.Table],
        metadata: Mapping[str, str] | None = None,
    ) -> WrittenFile:
        """Replace a partition by these rows, in this order.

        The same rows give the same bytes: nothing of the clock or the machine is written.

        Parameters
        ----------
        table, day
            Which partition.
        schema
            Columns of the file.
        batches
            The rows; consumed once.
        metadata
            Texts for the footer; keys must start with `its.`.

        Raises
        ------
        OSError
            If the disk is full or not writable; the earlier partition stays.
        """
        target = self.path(table, day)
        with unfinished_file(target) as unfinished:
            rows = write_parquet(unfinished, schema, batches, metadata)
        return WrittenFile(target, rows, target.stat().st_size)

    def delete(self, table: str, day: date) -> None:
        """Delete a partition, if it is there."""
        with self.exclusive(table, day) as folder:
            self.path(table, day).unlink(missing_ok=True)
            with suppress(OSError):  # Something of somebody else's lies in it.
                folder.rmdir()

    @contextmanager
    def all_exclusive(self, tables: Sequence[str], days: Sequence[date]) -> Iterator[None]:
        """Hold several partitions' folders; see `exclusive`.

        Days are taken in their order, and of each the tables as given, so that two who want several
        of the same wait for each other and do not lock each other out.
        """
        with ExitStack() as stack:
            for day in sorted(days):
                for table in tables:
                    stack.enter_context(self.exclusive(table, day))
            yield

    @contextmanager
    def exclusive(self, table: str, day: date) -> Iterator[Path]:
        """Hold a partition's folder; another writer waits. What interrupted ones left is removed.

        The operating system releases the lock when the process ends, however it ends.
        """
        folder = self.path(table, day).parent
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            remove_unfinished(folder)
            target = self.path(table, day)
            if target.exists() and not (target.is_file() and os.access(target, os.R_OK)):
                set_aside(target, self.root.parent, "it cannot be read")
            yield folder
        finally:
            os.close(descriptor)
