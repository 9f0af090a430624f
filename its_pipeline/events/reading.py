"""Reading CSV, Parquet and JSON Lines files as batches of text, and saying clearly why not.

Every value becomes text exactly as the file has it; what it means is decided later.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from its_pipeline.events.mapping import FileFormat, ImportMapping
from its_pipeline.events.schema import pc

BATCH_ROWS = 20_000
BLOCK_BYTES = 32 * 1024 * 1024
"""CSV is read in blocks of so many bytes; one row must fit into a block."""

_SUFFIXES: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}


class ImportFileError(ValueError):
    """A file cannot be read as events; the message names file, place and remedy."""


def file_signature(path: Path) -> tuple[int, int]:
    """Return a file's size in bytes and modification time in nanoseconds.

    Raises
    ------
    ImportFileError
        If there is no such file.
    """
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise ImportFileError(f"{path}: there is no such file") from error
    return status.st_size, status.st_mtime_ns


def file_format(path: Path, mapping: ImportMapping) -> FileFormat:
    """Return how a file is to be read.

    Raises
    ------
    ImportFileError
        If neither the mapping nor the file's name says.
    """
    found = mapping.file_format or _SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise ImportFileError(
            f"{path}: cannot tell the format from the name; set file_format to csv, parquet or "
            "jsonl in the mapping"
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
    try:
        if kind == "csv":
            yield _csv(path, mapping)
        elif kind == "parquet":
            yield _parquet(path, mapping)
        else:
            yield _json_lines(path, mapping)
    except pa.ArrowInvalid as error:
        raise ImportFileError(f"{path}: not readable as {kind}: {error}") from error


def _csv(path: Path, mapping: ImportMapping) -> Iterator[pa.RecordBatch]:
    header = _csv_header(path, mapping)
    delimiter = mapping.delimiter or _likely_delimiter(header)
    names = next(csv.reader([header], delimiter=delimiter), [])
    for column in mapping.columns():
        if column not in names:
            raise _missing(path, column, names)
    options = pa_csv.ConvertOptions(
        include_columns=list(mapping.columns()),
        column_types=dict.fromkeys(mapping.columns(), pa.string()),
        null_values=list(mapping.null_values),
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    try:
        reader = pa_csv.open_csv(
            path,
            read_options=pa_csv.ReadOptions(
                block_size=BLOCK_BYTES, encoding=mapping.encoding, use_threads=False
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, quote_char='"'
            ),
            convert_options=options,
        )
        yield from reader
    except pa.ArrowInvalid as error:
        raise ImportFileError(
            f"{path}: not readable as CSV with delimiter {delimiter!r} in {mapping.encoding}: "
            f"{_first_line(error)}; set delimiter or encoding in the mapping, or repair the file"
        ) from error


def _csv_header(path: Path, mapping: ImportMapping) -> str:
    """Return the header line; the whole file is decoded lazily, so errors name the encoding."""
    try:
        codec = codecs.lookup(mapping.encoding)
    except LookupError as error:
        raise ImportFileError(
            f"{path}: unknown encoding {mapping.encoding!r}; name one such as utf-8 or latin-1"
        ) from error
    encoding = "utf-8-sig" if codec.name == "utf-8" else codec.name
    try:
        with path.open(encoding=encoding, newline="") as file:
            return file.readline(1_000_000).rstrip("\r\n")
    except UnicodeError as error:
        raise ImportFileError(
            f"{path}: not in encoding {mapping.encoding}: {error}; set encoding in the mapping "
            "(for example latin-1 or utf-16)"
        ) from error


def _likely_delimiter(header: str) -> str:
    return max((",", ";", "\t"), key=header.count)


def _parquet(path: Path, mapping: ImportMapping) -> Iterator[pa.RecordBatch]:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ImportFileError(
            f"{path}: not a complete Parquet file: {_first_line(error)}; deliver it again"
        ) from error
    names = list(file.schema_arrow.names)
    for column in mapping.columns():
        if column not in names:
            raise _missing(path, column, names)
    try:
        for batch in file.iter_batches(BATCH_ROWS, columns=list(mapping.columns())):
            yield pa.record_batch(
                [_text(batch.column(name), mapping) for name in mapping.columns()],
                names=list(mapping.columns()),
            )
    except OSError as error:
        raise ImportFileError(
            f"{path}: damaged Parquet file: {_first_line(error)}; deliver it again"
        ) from error


def _text(column: pa.Array, mapping: ImportMapping) -> pa.Array:
    """Return a Parquet column as text; nested values as their text form."""
    kind = column.type
    if pa.types.is_nested(kind):
        texts = [None if v is None else json.dumps(v, default=str) for v in column.to_pylist()]
        return pa.array(texts, pa.string())
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type):
        zoned = column.type.tz is not None
        column = column.cast(pa.timestamp("us", tz="UTC" if zoned else None), safe=False)
    if pa.types.is_binary(column.type):
        raise pa.ArrowInvalid("a mapped column holds bytes, not text")
    text = column.cast(pa.string())
    empty = pc.is_in(text, value_set=pa.array(mapping.null_values, pa.string()))
    return pc.if_else(empty, pa.scalar(None, pa.string()), text)


def _json_lines(path: Path, mapping: ImportMapping) -> Iterator[pa.RecordBatch]:
    rows: list[dict[str, str | None]] = []
    seen: set[str] = set()
    try:
        with path.open(encoding=mapping.encoding.replace("utf-8", "utf-8-sig")) as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                record = _json_record(path, number, line)
                seen.update(record)
                rows.append(_json_row(record, mapping))
                if len(rows) == BATCH_ROWS:
                    yield _json_batch(rows, mapping)
                    rows = []
    except UnicodeError as error:
        raise ImportFileError(
            f"{path}: not in encoding {mapping.encoding}: {error}; set encoding in the mapping"
        ) from error
    if rows:
        yield _json_batch(rows, mapping)
    for column in mapping.columns():
        if column not in seen:
            raise _missing(path, column, sorted(seen))


def _json_record(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        # Numbers stay the text they are: 1e400 must reach the contract, not become infinite.
        record = json.loads(line, parse_float=_Literal, parse_int=_Literal, parse_constant=_Literal)
    except ValueError as error:
        raise ImportFileError(
            f"{path}: line {number} is not JSON: {error}; repair or remove the line"
        ) from error
    if not isinstance(record, dict):
        raise ImportFileError(f"{path}: line {number} is not a JSON object; repair the line")
    return record


class _Literal(str):
    """A JSON number as it was written."""

    __slots__ = ()


def _json_row(record: dict[str, Any], mapping: ImportMapping) -> dict[str, str | None]:
    row: dict[str, str | None] = {}
    for column in mapping.columns():
        value = record.get(column)
        if value is not None and not isinstance(value, str):
            value = json.dumps(value)
        row[column] = None if value is None or value in mapping.null_values else str(value)
    return row


def _json_batch(rows: list[dict[str, str | None]], mapping: ImportMapping) -> pa.RecordBatch:
    arrays = [pa.array([row[name] for row in rows], pa.string()) for name in mapping.columns()]
    return pa.record_batch(arrays, names=list(mapping.columns()))


def _missing(path: Path, column: str, names: list[str]) -> ImportFileError:
    listed = ", ".join(names[:30])
    return ImportFileError(
        f"{path}: column {column!r} is missing; the file has {listed}; name the right column in "
        "the mapping"
    )


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:300]
