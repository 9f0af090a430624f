"""One file of results: rows of many experiments, read by their keys.

What belongs here: writing such a file, and reading groups and rows of it. What does not: which
files there are, and what becomes of a damaged one (`result_sets`).

A file's rows are sorted by key and fingerprint, in groups of `GROUP_ROWS`; each group's first and
last key stand in the footer, so a row is found by reading one group. Every page has a checksum.
"""

from __future__ import annotations

import heapq
import json
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.keys import SEPARATOR
from its_pipeline.stores.result_rows import STANDING, ResultRow

SCHEMA: Final = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("decided_at", pa.string(), nullable=False),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("announced", pa.string()),
        pa.field("mlflow_run_id", pa.string()),
        pa.field("input_digest", pa.string()),
        pa.field("holds_on", pa.string()),
        pa.field("of_analysis", pa.string()),
        pa.field("analysis", pa.binary()),
    ]
)
#: All but the large one.
SMALL_COLUMNS: Final = [name for name in SCHEMA.names if name != "analysis"]
#: Columns that files of earlier versions may lack: read as null.
LATER_COLUMNS: Final = frozenset({"input_digest", "holds_on", "of_analysis"})
#: Rows that are read together: a megabyte, two milliseconds.
GROUP_ROWS: Final = 32
#: Groups whose small columns are remembered: a night asks of neighbours, one after the other.
_GROUPS_KEPT: Final = 4
_ANALYSIS: Final = "analysis"


class ResultFile:
    """An open file of results. What replaces it meanwhile is another file: this one stays readable.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    OSError, ValueError
        It cannot be opened, or its footer is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        status = path.stat()
        stream = pa.OSFile(str(path))
        while path.stat().st_ino != status.st_ino:
            # Replaced in between.
            status = path.stat()
            stream = pa.OSFile(str(path))
        #: Size in bytes and modification time in nanoseconds.
        self.identity = {"size": status.st_size, "modified_ns": status.st_mtime_ns}
        #: Whether all of it was found to be whole.
        self.is_whole = False
        self._file = pq.ParquetFile(stream, page_checksum_verification=True)
        self._lock = threading.Lock()
        self._small: dict[int, list[ResultRow]] = {}
        self._names = set(self._file.schema_arrow.names)
        wrong = self._names ^ set(SCHEMA.names)
        if wrong - LATER_COLUMNS:
            raise ValueError(f"{path} should have the columns {SCHEMA.names}; wrong are {wrong}")
        metadata = self._file.metadata
        self.n_rows: int = metadata.num_rows
        self.n_groups: int = metadata.num_row_groups
        bounds = [metadata.row_group(n).column(0).statistics for n in range(self.n_groups)]
        self._first = [str(each.min) for each in bounds]
        self._last = [str(each.max) for each in bounds]

    def small_rows(self, key: str) -> list[ResultRow]:
        """Return an experiment's rows without their analyses."""
        return [
            row for group in self._between(key, key) for row in self._rows(group) if row.key == key
        ]

    def analysis(self, key: str, fingerprint: str) -> bytes | None:
        """Return a packed analysis, or None."""
        for group in self._between(key, key):
            for at, row in enumerate(self._rows(group)):
                if row.place == (key, fingerprint):
                    return self._read(group, [_ANALYSIS]).column(0)[at].as_py()
        return None

    def analyses(
        self, places: Collection[tuple[str, str]]
    ) -> Iterator[tuple[tuple[str, str], bytes]]:
        """Yield the packed analyses of many places, each group of rows read once.

        Parameters
        ----------
        places
            Keys and fingerprints; those that are not here are passed over.
        """
        keys = sorted({key for key, _ in places})
        for group, (first, last) in enumerate(zip(self._first, self._last, strict=True)):
            at = bisect_left(keys, first)
            if at == len(keys) or keys[at] > last:
                continue
            found = self._read(group, ["key", "fingerprint", _ANALYSIS])
            columns = (found.column(name).to_pylist() for name in ("key", "fingerprint"))
            for row, place in enumerate(zip(*columns, strict=True)):
                if place in places:
                    yield place, found.column(_ANALYSIS)[row].as_py()

    def has(self, key: str, fingerprint: str) -> bool:
        """Tell whether there is such a row."""
        return any(row.fingerprint == fingerprint for row in self.small_rows(key))

    def standing(self) -> list[str]:
        """Return the verdicts of rows that say how an experiment stands, as JSON."""
        columns = ["fingerprint", "verdict"]
        with self._lock:
            table = self._file.read(columns=columns, use_threads=False)
        stands = pa.array([each == STANDING for each in table.column("fingerprint").to_pylist()])
        return table.filter(stands).column("verdict").to_pylist()

    def all_rows(self) -> list[ResultRow]:
        """Return all rows without their analyses."""
        return [row for group in range(self.n_groups) for row in self._rows(group)]

    def experiments(self, user_id: str | None = None) -> set[str]:
        """Return the experiments with rows: all, or one person's."""
        groups: Iterable[int] = range(self.n_groups)
        start = "" if user_id is None else f"{user_id}{SEPARATOR}"
        if user_id is not None:
            # No character of an identifier comes after the separator.
            groups = self._between(start, f"{user_id}{chr(ord(SEPARATOR) + 1)}")
        return {
            key
            for group in groups
            for key in self._read(group, ["key"]).column(0).to_pylist()
            if key.startswith(start)
        }

    def group(self, number: int) -> pa.Table:
        """Return a group of rows with everything."""
        return self._read(number, SCHEMA.names)

    def groups(self) -> Iterator[pa.Table]:
        """Return all groups, one after the other: the whole file, held against its checksums."""
        return map(self.group, range(self.n_groups))

    def small_table(self, columns: list[str]) -> pa.Table:
        """Return some columns of all rows, none of them the large one."""
        return pa.concat_tables([self._read(group, columns) for group in range(self.n_groups)])

    def _between(self, first: str, last: str) -> range:
        return range(bisect_left(self._last, first), bisect_right(self._first, last))

    def _rows(self, group: int) -> list[ResultRow]:
        found = self._small.get(group)
        if found is None:
            found = rows_of(self._read(group, SMALL_COLUMNS))
            with self._lock:
                while len(self._small) >= _GROUPS_KEPT:
                    del self._small[next(iter(self._small))]
                self._small[group] = found
        return found

    def _read(self, group: int, columns: list[str]) -> pa.Table:
        present = [name for name in columns if name in self._names]
        with self._lock:
            table = self._file.read_row_group(group, columns=present, use_threads=False)
        for name in columns:
            if name not in self._names:
                table = table.append_column(name, pa.nulls(table.num_rows, SCHEMA.field(name).type))
        return table.select(columns)


def table_of(rows: Iterable[ResultRow]) -> pa.Table:
    """Return rows as a table, in their order."""
    listed = list(rows)
    columns = {f.name: [getattr(row, f.name) for row in listed] for f in fields(ResultRow)}
    return pa.table(columns, SCHEMA)


def rows_of(table: pa.Table) -> list[ResultRow]:
    """Return the rows of a table; the analysis is None where its column was not read."""
    return [ResultRow(**row) for row in table.to_pylist()]


def opened(path: Path) -> ResultFile:
    """Return an open file of results, the same one as long as nobody replaces it.

    Raises
    ------
    OSError, ValueError
        See `ResultFile`.
    """
    status = path.stat()
    return _opened(path, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=128)
def _opened(path: Path, *_identity: int) -> ResultFile:
    return ResultFile(path)


def write_file(path: Path, tables: Iterable[pa.Table]) -> None:
    """Write a file of results.

    Parameters
    ----------
    path
        Where; `files.parquet.unfinished_file` puts it in its place.
    tables
        Rows in order, with the columns of `SCHEMA`.
    """
    squeezed: dict[str, str] = dict.fromkeys(SMALL_COLUMNS, "zstd")
    options: dict[str, Any] = {
        # A packed analysis is compressed already.
        "compression": {**squeezed, _ANALYSIS: "none"},
        "use_dictionary": False,
        "write_statistics": ["key"],
        "write_page_checksum": True,
        "store_schema": False,
    }
    with pq.ParquetWriter(path, SCHEMA, **options) as writer:
        waiting = SCHEMA.empty_table()
        for table in tables:
            waiting = pa.concat_tables([waiting, table.cast(SCHEMA)])
            while waiting.num_rows >= GROUP_ROWS:
                writer.write_table(waiting.slice(0, GROUP_ROWS), row_group_size=GROUP_ROWS)
                waiting = waiting.slice(GROUP_ROWS)
        if waiting.num_rows:
            writer.write_table(waiting, row_group_size=GROUP_ROWS)


def merged(files: list[ResultFile]) -> Iterator[pa.Table]:
    """Yield the rows of several files in order, of each place the one of the first file with it."""

    def places(number: int, file: ResultFile) -> Iterator[tuple[str, str, int, int, pa.Table]]:
        for table in file.groups():
            keys = zip(
                table.column("key").to_pylist(),
                table.column("fingerprint").to_pylist(),
                strict=True,
            )
            for at, place in enumerate(keys):
                yield (*place, number, at, table)

    last = None
    # Rows that follow each other in one table stay together.
    run: tuple[pa.Table, int, int] | None = None
    ordered = heapq.merge(
        *(places(number, file) for number, file in enumerate(files)), key=lambda each: each[:3]
    )
    for key, fingerprint, _, at, table in ordered:
        if (key, fingerprint) == last:
            continue
        last = key, fingerprint
        if run is not None and run[0] is table and run[2] == at:
            run = table, run[1], at + 1
            continue
        if run is not None:
            yield run[0].slice(run[1], run[2] - run[1])
        run = table, at, at + 1
    if run is not None:
        yield run[0].slice(run[1], run[2] - run[1])


def read_note(path: Path) -> Any:
    """Return what a note beside a file says."""
    return json.loads(path.read_bytes())


def read_all(file: ResultFile) -> bool:
    """Read a file to its end, held against its checksums."""
    for _ in file.groups():
        pass
    return True
