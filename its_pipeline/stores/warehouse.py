"""The warehouse: one DuckDB file for analysts, derived from Parquet files and rebuilt whole.

Here belong building it and putting it in its place. What its tables hold is decided by whoever
wrote the Parquet files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from its_pipeline.files.parquet import unfinished_file

_TABLE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class Warehouse:
    """A warehouse that was put in its place.

    Attributes
    ----------
    path
        The DuckDB file.
    rows
        Number of rows by table.
    """

    path: Path
    rows: Mapping[str, int]


def rebuild_warehouse(path: Path, tables: Mapping[str, Path]) -> Warehouse:
    """Build the warehouse beside the old one and move it into place.

    A reader that holds the old file open keeps its consistent picture; nobody meets a lock.

    Parameters
    ----------
    path
        The DuckDB file.
    tables
        Parquet file by table name; files that do not exist are left out.

    Raises
    ------
    ValueError
        If a table name is not a plain lower-case name.
    """
    for name in tables:
        if not _TABLE_NAME.fullmatch(name):
            raise ValueError(f"table name must be lower-case letters, digits, _ but got {name!r}")
    rows: dict[str, int] = {}
    with unfinished_file(path) as unfinished:
        connection = duckdb.connect(str(unfinished))
        try:
            for name, file in tables.items():
                if not file.is_file():
                    continue
                connection.execute(
                    f'CREATE TABLE "{name}" AS FROM read_parquet($file)',
                    {"file": str(file)},
                )
                count = connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()  # noqa: S608
                rows[name] = int(count[0]) if count else 0
            connection.execute("CHECKPOINT")
        finally:
            connection.close()
        unfinished.with_name(unfinished.name + ".wal").unlink(missing_ok=True)
    return Warehouse(path, rows)
