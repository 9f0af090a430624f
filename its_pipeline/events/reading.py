"""Reading tables as batches of text, and saying clearly why not.

What belongs here: CSV and JSON Lines, and choosing the format. What does not: Parquet
(`parquet_rows`), spreadsheets (`sheet_rows`), what a file must be and how much it may unfold to
(`file_rules`), or reading texts by declared rules (`normal_rows`).
Every value becomes text exactly as the file has it; what it means is decided later. What a message
says of a file is where in it something is wrong, never what stands there.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from its_pipeline.events.cell_texts import Native
from its_pipeline.events.file_rules import (
    BATCH_BYTES,
    BATCH_ROWS,
    ImportFileError,
    bounded,
    file_signature,
    missing_column,
    refuse_packed,
    refuse_twice,
)
from its_pipeline.events.mapping import FileFormat, ImportMapping, numbered_columns
from its_pipeline.events.normal_rows import normal_rows
from its_pipeline.events.parquet_rows import parquet_rows
from its_pipeline.events.sheets import SHEET_SUFFIXES, sheet_batches

LINE_CHARACTERS = 8 * 1024 * 1024
"""Longest line of a JSON Lines file."""
SEEN_NAMES = 1000
"""At most so many names of a JSON Lines file are kept for the message on a missing one."""

_SUFFIXES: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    **dict.fromkeys(SHEET_SUFFIXES, "sheet"),
}


def format_of_name(path: Path) -> FileFormat | None:
    """Return the format that a file's name says, or None."""
    return _SUFFIXES.get(path.suffix.lower())


def file_format(path: Path, mapping: ImportMapping) -> FileFormat:
    """Return how a file is to be read.

    Raises
    ------
    ImportFileError
        If neither the mapping nor the file's name says.
    """
    found = mapping.file_format or format_of_name(path)
    if found is None:
        raise ImportFileError(
            f"{path}: cannot tell the format from the name; set file_format to csv, parquet, "
            "jsonl or sheet in the mapping"
        )
    return found


@contextmanager
def open_rows(path: Path, mapping: ImportMapping) -> Iterator[Iterator[pa.RecordBatch]]:
    """Open a file's mapped columns as batches of text.

    Yields
    ------
    The batches; every column text.

    Raises
    ------
    ImportFileError
        If the file is empty, unreadable in the declared format or encoding, or lacks a column.
    """
    kind = file_format(path, mapping)
    if file_signature(path)[0] == 0:
        raise ImportFileError(f"{path}: the file is empty; deliver it again with its header")
    readers = {"csv": _csv, "parquet": parquet_rows, "jsonl": _json_lines, "sheet": sheet_batches}
    try:
        if kind not in ("parquet", "sheet"):
            refuse_packed(path)
        yield bounded(path, normal_rows(readers[kind](path, mapping), mapping))
    except OSError as error:
        if error.errno is not None:
            raise
        raise _unreadable(path, kind, error) from error
    except (pa.ArrowException, RecursionError, MemoryError, OverflowError) as error:
        raise _unreadable(path, kind, error) from error


def _unreadable(path: Path, kind: str, error: Exception) -> ImportFileError:
    return ImportFileError(f"{path}: not readable as {kind}: {_first_line(error)}")


def _csv(path: Path, mapping: ImportMapping) -> Iterator[pa.RecordBatch]:
    header = _csv_header(path, mapping)
    delimiter = mapping.delimiter or _likely_delimiter(header)
    try:
        names = next(csv.reader([header], delimiter=delimiter), [])
    except (csv.Error, TypeError) as error:
        raise _unreadable(path, "csv", error) from error
    unnamed = mapping.header_line == 0
    if unnamed:
        names = numbered_columns(len(names))
    for column in mapping.columns():
        refuse_twice(path, column, names)
    options = pa_csv.ConvertOptions(
        include_columns=list(mapping.columns()),
        column_types=dict.fromkeys(mapping.columns(), pa.string()),
        null_values=list(mapping.null_values),
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    try:
        reader = pa_csv.open_csv(
            pa.OSFile(str(path)),  # A path would be unpacked by its name.
            read_options=pa_csv.ReadOptions(
                block_size=BATCH_BYTES,
                encoding=mapping.encoding,
                use_threads=False,
                skip_rows=max((mapping.header_line or 1) - 1, 0),
                column_names=names if unnamed else None,
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, quote_char='"'
            ),
            convert_options=options,
        )
        yield from reader
    except pa.ArrowException as error:
        raise ImportFileError(
            f"{path}: not readable as CSV with delimiter {delimiter!r} in {mapping.encoding}: "
            f"{_first_line(error)}; set delimiter or encoding in the mapping, or repair the file"
        ) from error


def _csv_header(path: Path, mapping: ImportMapping) -> str:
    """Return the header's line, or the first where there is none; errors name the encoding."""
    try:
        codec = codecs.lookup(mapping.encoding)
    except LookupError as error:
        raise _unknown_encoding(path, mapping.encoding) from error
    encoding = "utf-8-sig" if codec.name == "utf-8" else codec.name
    try:
        with path.open(encoding=encoding, newline="") as file:
            for _ in range((mapping.header_line or 1) - 1):
                file.readline(1_000_000)
            return file.readline(1_000_000).rstrip("\r\n")
    except LookupError as error:
        raise _unknown_encoding(path, mapping.encoding) from error
    except UnicodeError as error:
        raise ImportFileError(
            f"{path}: not in encoding {mapping.encoding}: {error}; set encoding in the mapping "
            "(for example latin-1 or utf-16)"
        ) from error


def _likely_delimiter(header: str) -> str:
    return max((",", ";", "\t"), key=header.count)


def _json_lines(path: Path, mapping: ImportMapping) -> Iterator[pa.RecordBatch]:
    rows: list[dict[str, str | None]] = []
    seen: dict[str, None] = {}
    held = 0
    for number, line in json_lines(path, mapping.encoding):
        record = json_record(path, number, line)
        for name in record:
            if name in mapping.columns() or len(seen) < SEEN_NAMES:
                seen[name] = None
        rows.append(_json_row(record, mapping))
        held += len(line)
        if len(rows) == BATCH_ROWS or held > BATCH_BYTES:
            yield _json_batch(rows, mapping)
            rows, held = [], 0
    if rows:
        yield _json_batch(rows, mapping)
    for column in mapping.columns():
        if column not in seen:
            raise missing_column(path, column, sorted(seen))


def json_lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Return the lines that are not empty, with their numbers.

    Raises
    ------
    ImportFileError
        If a line is too long, or the file is not in the encoding.
    """
    number = 0
    try:
        with path.open(encoding=encoding.replace("utf-8", "utf-8-sig")) as file:
            while line := file.readline(LINE_CHARACTERS):
                number += 1
                if len(line) == LINE_CHARACTERS and not line.endswith("\n"):
                    raise ImportFileError(
                        f"{path}: line {number} is longer than {LINE_CHARACTERS} characters; "
                        "JSON Lines have one event a line"
                    )
                if line.strip():
                    yield number, line
    except LookupError as error:
        raise _unknown_encoding(path, encoding) from error
    except UnicodeError as error:
        raise ImportFileError(
            f"{path}: not in encoding {encoding}: {error}; set encoding in the mapping"
        ) from error


def json_record(path: Path, number: int, line: str) -> dict[str, Any]:
    """Return the object that a line is; its numbers are `Native` texts.

    Raises
    ------
    ImportFileError
        If the line is no JSON object, or nested too deeply.
    """
    try:
        # Numbers stay the text they are: 1e400 must reach the contract, not become infinite.
        record = json.loads(line, parse_float=Native, parse_int=Native, parse_constant=Native)
    except ValueError as error:
        raise ImportFileError(
            f"{path}: line {number} is not JSON: {error}; repair or remove the line"
        ) from error
    except RecursionError as error:
        raise ImportFileError(
            f"{path}: line {number} is nested too deeply; repair or remove the line"
        ) from error
    if not isinstance(record, dict):
        raise ImportFileError(f"{path}: line {number} is not a JSON object; repair the line")
    return record


def _json_row(record: dict[str, Any], mapping: ImportMapping) -> dict[str, str | None]:
    row: dict[str, str | None] = {}
    outcomes = mapping.outcomes.values()
    for column in mapping.columns():
        value = record.get(column)
        if value is not None and not isinstance(value, str):
            value = json.dumps(value)
        elif isinstance(value, Native) and mapping.decimal_comma and column in outcomes:
            value = value.replace(".", ",")
        row[column] = None if value is None or value in mapping.null_values else str(value)
    return row


def _json_batch(rows: list[dict[str, str | None]], mapping: ImportMapping) -> pa.RecordBatch:
    arrays = [pa.array([row[name] for row in rows], pa.string()) for name in mapping.columns()]
    return pa.record_batch(arrays, names=list(mapping.columns()))


def _unknown_encoding(path: Path, encoding: str) -> ImportFileError:
    return ImportFileError(
        f"{path}: unknown encoding {encoding!r}; name one such as utf-8 or latin-1"
    )


def _first_line(error: BaseException) -> str:
    """Return what an error says, without the row that Arrow quotes in it."""
    said = (str(error).splitlines() or [type(error).__name__])[0][:300]
    return re.sub(r"(Expected \d+ columns, got \d+).*", r"\1", said)
