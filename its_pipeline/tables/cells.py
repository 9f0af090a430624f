"""A table's cells as they stand in the file, a batch at a time, whatever its format.

What belongs here: the one way to the cells of every format, for looking at them. What does not: how
the table lies (`layout`), or taking it in by a mapping (`events.reading`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.cell_texts import Native
from its_pipeline.events.file_rules import (
    BATCH_BYTES,
    BATCH_ROWS,
    ImportFileError,
    missing_column,
    refuse_twice,
)
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.events.reading import json_lines, json_record, open_rows
from its_pipeline.events.sheets import Cell, sheet_rows, sheet_table
from its_pipeline.tables.layout import Layout

MAXIMUM_COLUMNS: Final = 2000

Batch = dict[str, list[Cell]]


def column_names(path: Path, layout: Layout) -> tuple[str, ...]:
    """Return the names of a table's columns that are there once.

    Raises
    ------
    ImportFileError
        If the file cannot be read, or has more columns than can be looked at.
    """
    names = layout.columns
    if layout.file_format == "parquet":
        try:
            names = tuple(pq.ParquetFile(path).schema_arrow.names)
        except (pa.ArrowException, OSError) as error:
            raise ImportFileError(
                f"{path}: not a complete Parquet file; deliver it again"
            ) from error
        names = tuple(name for name in names if names.count(name) == 1)
    elif layout.file_format == "jsonl":
        found: dict[str, None] = {}
        for number, line in json_lines(path, layout.encoding):
            found |= dict.fromkeys(json_record(path, number, line))
            if len(found) > MAXIMUM_COLUMNS:
                break
        names = tuple(found)
    if len(names) > MAXIMUM_COLUMNS:
        raise ImportFileError(
            f"{path}: more than {MAXIMUM_COLUMNS} columns; deliver those that matter"
        )
    return names


def cell_batches(path: Path, layout: Layout, names: Sequence[str]) -> Iterator[Batch]:
    """Return the cells of some columns in the file's order; what was no text is `Native`.

    Raises
    ------
    ImportFileError
        If the file cannot be read, lacks a column, or unfolds to too much.
    """
    if layout.file_format == "sheet":
        yield from _sheet(path, layout, names)
    elif layout.file_format == "jsonl":
        yield from _json(path, layout, names)
    else:
        yield from _columnar(path, layout, names)


def _columnar(path: Path, layout: Layout, names: Sequence[str]) -> Iterator[Batch]:
    native: set[str] = set()
    if layout.file_format == "parquet":
        schema = pq.ParquetFile(path).schema_arrow
        native = {field.name for field in schema if not _is_text(field.type)}
    mapping = ImportMapping(
        time=names[0],
        outcomes={f"column_{number}": name for number, name in enumerate(names)},
        user_constant="anyone",
        file_format=layout.file_format,
        delimiter=layout.delimiter,
        encoding=layout.encoding,
        header_line=layout.header_line,
        null_values=("",),
    )
    with open_rows(path, mapping) as batches:
        for batch in batches:
            yield {
                name: [
                    None if cell is None else Native(cell) if name in native else cell
                    for cell in batch.column(name).to_pylist()
                ]
                for name in names
            }


def _is_text(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(value) or pa.types.is_large_string(value)


def _sheet(path: Path, layout: Layout, names: Sequence[str]) -> Iterator[Batch]:
    with sheet_rows(path, layout.sheet or "") as rows:
        header, rows = sheet_table(rows, layout.header_line)
        for name in names:
            refuse_twice(path, name, header)
        places = [header.index(name) for name in names]
        held: list[list[Cell]] = []
        for row in rows:
            held.append([row[place] if place < len(row) else None for place in places])
            if len(held) == BATCH_ROWS:
                yield _by_column(names, held)
                held = []
        if held:
            yield _by_column(names, held)


def _json(path: Path, layout: Layout, names: Sequence[str]) -> Iterator[Batch]:
    held: list[list[Cell]] = []
    seen: set[str] = set()
    size = 0
    for number, line in json_lines(path, layout.encoding):
        record = json_record(path, number, line)
        seen |= record.keys()
        held.append([_json_cell(record.get(name)) for name in names])
        size += len(line)
        if len(held) == BATCH_ROWS or size > BATCH_BYTES:
            yield _by_column(names, held)
            held, size = [], 0
    if held:
        yield _by_column(names, held)
    for name in names:
        if name not in seen:
            raise missing_column(path, name, sorted(seen))


def _json_cell(value: object) -> Cell:
    if isinstance(value, bool):
        return Native("true" if value else "false")
    # Lists and objects are no cells of a table.
    return value if isinstance(value, str) else None


def _by_column(names: Sequence[str], rows: list[list[Cell]]) -> Batch:
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
