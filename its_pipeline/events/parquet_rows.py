"""Reading a Parquet file as batches of text whose size is bounded, whatever the file claims.

What belongs here: Parquet alone. What does not: other formats (`reading`) or the bounds themselves
(`file_rules`).

A few bytes of Parquet can stand for gigabytes: one value repeated, or empty lists. So text columns
are read as dictionaries, which stay as small as they are stored, and unfolded a slice at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.file_rules import (
    BATCH_BYTES,
    BATCH_ROWS,
    ImportFileError,
    refuse_twice,
    too_large,
)
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.events.schema import pc

GROUP_BYTES = 256 * 1024 * 1024
"""Most bytes of one column of one row group, by the file's own footer."""
NESTED_VALUES = 2_000_000
"""Most values of one nested column of one row group."""


def parquet_rows(path: Path, mapping: ImportMapping) -> Iterator[pa.RecordBatch]:
    """Return a Parquet file's mapped columns as batches of text.

    Raises
    ------
    ImportFileError
        If the file is no complete Parquet file, lacks a column, has one twice, or holds groups
        that are too large.
    """
    wanted = list(mapping.columns())
    try:
        file = pq.ParquetFile(path)
        names = list(file.schema_arrow.names)
        for column in wanted:
            refuse_twice(path, column, names)
        texts = [name for name in wanted if _is_text(file.schema_arrow.field(name).type)]
        nested = {n for n in wanted if pa.types.is_nested(file.schema_arrow.field(n).type)}
        _refuse_large_groups(path, file.metadata, set(wanted), nested)
        file = pq.ParquetFile(path, read_dictionary=texts, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise _incomplete(path, error) from error
    try:
        for batch in file.iter_batches(BATCH_ROWS, columns=wanted, use_threads=False):
            columns = [batch.column(name) for name in wanted]
            for start, length in _slices(path, columns):
                yield pa.record_batch(
                    [
                        _text(column.slice(start, length), mapping, name)
                        for name, column in zip(wanted, columns, strict=True)
                    ],
                    names=wanted,
                )
    except OSError as error:
        if error.errno is not None:
            raise
        raise ImportFileError(
            f"{path}: damaged Parquet file: {_first_line(error)}; deliver it again"
        ) from error


def _incomplete(path: Path, error: BaseException) -> ImportFileError:
    return ImportFileError(
        f"{path}: not a complete Parquet file: {_first_line(error)}; deliver it again"
    )


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _refuse_large_groups(
    path: Path, metadata: pq.FileMetaData, wanted: set[str], nested: set[str]
) -> None:
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for place in range(group.num_columns):
            column = group.column(place)
            name = column.path_in_schema.split(".")[0]
            if name not in wanted:
                continue
            if column.total_uncompressed_size > GROUP_BYTES:
                raise too_large(path, f"a group of {column.total_uncompressed_size} bytes")
            if name in nested and column.num_values > NESTED_VALUES:
                raise too_large(path, f"a group of {column.num_values} nested values")


def _slices(path: Path, columns: list[pa.Array]) -> Iterator[tuple[int, int]]:
    """Return start and length of slices of at most about `BATCH_BYTES` once they are text."""
    rows = len(columns[0])
    if not rows:
        return
    sizes = np.zeros(rows, dtype=np.int64)
    for column in columns:
        if pa.types.is_dictionary(column.type) and len(column.dictionary):
            lengths = pc.binary_length(column.dictionary.cast(pa.large_string()))
            lengths = lengths.fill_null(0).to_numpy(zero_copy_only=False)
            sizes += lengths[column.indices.fill_null(0).to_numpy(zero_copy_only=False)]
        else:
            sizes += -(-column.nbytes // rows)
    if int(sizes.max()) > BATCH_BYTES:
        raise too_large(path, f"a row of {int(sizes.max())} bytes")
    ends = np.cumsum(sizes)
    start = 0
    while start < rows:
        before = ends[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(ends, before + BATCH_BYTES, side="right")))
        yield start, end - start
        start = end


def _text(column: pa.Array, mapping: ImportMapping, name: str) -> pa.Array:
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
    is_number = pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)
    if is_number and mapping.decimal_comma and name in mapping.outcomes.values():
        text = pc.replace_substring(text, ".", ",")
    empty = pc.is_in(text, value_set=pa.array(mapping.null_values, pa.string()))
    return pc.if_else(empty, pa.scalar(None, pa.string()), text)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
