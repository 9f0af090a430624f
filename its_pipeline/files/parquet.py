"""Parquet files that come into being whole, with the same groups however their rows arrive.

What belongs here: writing one file beside its name and moving it in place, and reading one in
bounded batches. What does not: which files there are and what they mean (`stores.lake`).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.files.atomic import UNFINISHED_PREFIX

ROW_GROUP_ROWS = 65_536
ROW_GROUP_BYTES = 64 * 1024 * 1024

_SYNCS_AT_ONCE = 16


@contextmanager
def unfinished_file(target: Path, *, within: Path | None = None) -> Iterator[Path]:
    """Give a path to write to; the file replaces `target` when the body has ended.

    If the body raises, `target` is as it was and nothing is left.

    Parameters
    ----------
    target
        The file.
    within
        Folder on the same disk for the unfinished file, such as a `files.atomic.workshop`; None:
        beside `target`.
    """
    with unfinished_files([target], within=within) as (unfinished,):
        yield unfinished


@contextmanager
def unfinished_files(
    targets: Sequence[Path], *, within: Path | None = None
) -> Iterator[list[Path]]:
    """Give a path for each target to write to; all are safe on disk before one is replaced.

    Each is replaced whole or not at all, one after the other. If the body raises, every target is
    as it was and nothing is left. `within` is as in `unfinished_file`.
    """
    unfinished = []
    for target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
        name = f"{UNFINISHED_PREFIX}{uuid.uuid4().hex}{target.suffix}"
        unfinished.append((within or target.parent) / name)
    try:
        yield unfinished
        _sync(unfinished)
        for path, target in zip(unfinished, targets, strict=True):
            path.replace(target)
        _sync([target.parent for target in targets])
    finally:
        for path in unfinished:
            path.unlink(missing_ok=True)


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
    # What is buffered ahead stays in memory until the file is closed: in the end all of it.
    file = pq.ParquetFile(path, pre_buffer=False)
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        if group.num_rows == 0:
            continue
        share = max(1, int(group.num_rows * ROW_GROUP_BYTES / max(group.total_byte_size, 1)))
        yield from file.iter_batches(
            batch_size=min(share, ROW_GROUP_ROWS), row_groups=[number], use_threads=False
        )


def _sync(paths: Sequence[Path]) -> None:
    """Wait until files or folders are safe on disk, several at a time: a disk takes them so."""
    if len(paths) == 1:
        _sync_one(paths[0])
        return
    with ThreadPoolExecutor(_SYNCS_AT_ONCE) as pool:
        for _ in pool.map(_sync_one, paths):
            pass


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
