"""One person's rows of a table about several, as a table of its own.

What belongs here: whom a table is about, and the copy of one person's rows with the mapping that
reads it. What does not: finding out what the table means (`tables`).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa

from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.events.reading import open_rows
from its_pipeline.events.schema import pc
from its_pipeline.files.parquet import ParquetSink


def people_of(path: Path, mapping: ImportMapping) -> dict[str, int]:
    """Return the keys of the people in a table and how many rows each has, in the file's order.

    Parameters
    ----------
    path
        The table.
    mapping
        How it is read; it names the column of the person.

    Raises
    ------
    ImportFileError
        If the file cannot be read to its end.
    """
    if mapping.user is None:
        raise ValueError(f"{path}: the mapping should name the column of the person")
    found: Counter[str] = Counter()
    with open_rows(path, mapping) as batches:
        for batch in batches:
            found.update(text for text in batch.column(mapping.user).to_pylist() if text)
    return dict(found)


def write_own_rows(path: Path, mapping: ImportMapping, user_id: str, target: Path) -> ImportMapping:
    """Write the rows of one person to a Parquet file, and return the mapping that reads it.

    Times and numbers are in it as the mapping reads them, so that nothing of how the first file was
    written is left to be known.

    Parameters
    ----------
    path, mapping
        The table and how it is read.
    user_id
        The person's key.
    target
        The file to write.

    Raises
    ------
    ImportFileError
        If nobody of that name is in it, or the file cannot be read to its end.
    """
    if mapping.user is None:
        raise ValueError(f"{path}: the mapping should name the column of the person")
    schema = mapping.columns_schema()
    sink = ParquetSink(target, schema)
    rows = 0
    try:
        with open_rows(path, mapping) as batches:
            for batch in batches:
                own = pa.table(batch.columns, schema=schema).filter(
                    pc.equal(batch.column(mapping.user), user_id)
                )
                rows += own.num_rows
                sink.add(own)
        sink.close()
    finally:
        sink.abandon()
    if not rows:
        raise ImportFileError(f"{path}: no row is about {user_id!r}")
    read_already = {"year": "timestamp", "excel_days": "timestamp"}
    changes = {
        "file_format": "parquet",
        "time_kind": read_already.get(mapping.time_kind, mapping.time_kind),
        "delimiter": None,
        "encoding": "utf-8",
        "sheet": None,
        "header_line": None,
        "decimal_comma": False,
        "thousands": None,
        "percent": False,
        "yes_no": False,
        "date_order": None,
        "any_user": False,
    }
    return ImportMapping.model_validate({**mapping.model_dump(), **changes})
