"""The lake: Parquet tables in partitions of one UTC day, each replaced whole or not at all.

Here belong paths, atomic writing, listing and reading. What the rows mean belongs to `events`.
"""

from __future__ import annotations

import fcntl
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.stores.atomic import UNFINISHED_PREFIX, remove_unfinished

BEHAVIORAL_EVENTS = "behavioral_events"
VALID_EVENTS = "valid_events"
REJECTED_EVENTS = "rejected_events"

ROW_GROUP_ROWS = 65_536
ROW_GROUP_BYTES = 64 * 1024 * 1024

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
        Folder of the tables; made on the first write.
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

        Raises
        ------
        FileNotFoundError
            If there is no such partition.
        """
        stored = pq.read_metadata(self.path(table, day)).metadata or {}
        return {k.decode(): v.decode() for k, v in stored.items() if k.startswith(b"its.")}

    def rows(self, table: str, day: date) -> int:
        """Return the number of rows of a partition."""
        return pq.read_metadata(self.path(table, day)).num_rows

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
            yield folder
        finally:
            os.close(descriptor)


@contextmanager
def unfinished_file(target: Path) -> Iterator[Path]:
    """Give a path beside `target` to write to; it replaces `target` when the body has ended.

    If the body raises, `target` is as it was and nothing is left beside it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.parent / f"{UNFINISHED_PREFIX}{uuid.uuid4().hex}{target.suffix}"
    try:
        yield unfinished
        _replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


class ParquetSink:
    """Writes rows to one Parquet file, grouped the same however they arrive.

    Parameters
    ----------
    path
        The file; use `unfinished_file` to have it put in its place.
    schema
        Columns of the file.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.rows = 0
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", store_schema=False)
        self._waiting: list[pa.Table] = []
        self._waiting_rows = self._waiting_bytes = 0

    def add(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Append rows; a group is written when `ROW_GROUP_ROWS` or `ROW_GROUP_BYTES` are there."""
        table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
        while table.num_rows:
            piece = table.slice(0, ROW_GROUP_ROWS - self._waiting_rows)
            table = table.slice(piece.num_rows)
            self._waiting.append(piece)
            self._waiting_rows += piece.num_rows
            self._waiting_bytes += piece.nbytes
            full = self._waiting_rows >= ROW_GROUP_ROWS
            if full or self._waiting_bytes >= ROW_GROUP_BYTES:
                self._flush()

    def close(self, metadata: Mapping[str, str] | None = None) -> int:
        """Write what is left and the footer; return the number of rows."""
        self._flush()
        if metadata:
            self._writer.add_key_value_metadata(dict(metadata))
        self._writer.close()
        return self.rows

    def abandon(self) -> None:
        """Close the file without caring for its contents; after `close` this does nothing."""
        self._waiting = []
        self._writer.close()

    def _flush(self) -> None:
        if not self._waiting:
            return
        group = pa.concat_tables(self._waiting)
        self._writer.write_table(group, row_group_size=group.num_rows)
        self.rows += group.num_rows
        self._waiting = []
        self._waiting_rows = self._waiting_bytes = 0


def write_parquet(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch | pa.Table],
    metadata: Mapping[str, str] | None = None,
) -> int:
    """Write rows to a Parquet file, independent of how they were batched; return their number."""
    sink = ParquetSink(path, schema)
    try:
        for batch in batches:
            sink.add(batch)
        return sink.close(metadata)
    finally:
        sink.abandon()


def file_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Read a Parquet file in batches of at most about `ROW_GROUP_BYTES`, however long its rows."""
    file = pq.ParquetFile(path)
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        if group.num_rows == 0:
            continue
        share = max(1, int(group.num_rows * ROW_GROUP_BYTES / max(group.total_byte_size, 1)))
        yield from file.iter_batches(
            batch_size=min(share, ROW_GROUP_ROWS), row_groups=[number], use_threads=False
        )


def _replace(source: Path, target: Path) -> None:
    descriptor = os.open(source, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
