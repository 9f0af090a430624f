"""A file's texts as the contract writes them, by the rules that a mapping declares.

What belongs here: applying those rules to batches. What does not: what a text can mean
(`cell_texts`), or reading the file (`reading`).

A text that the rules do not read goes on as it is, and the contract rejects it with its reason. A
mapping that declares none of these rules changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa

from its_pipeline.events.cell_texts import (
    read_excel_day,
    read_number,
    read_time,
    read_year,
    read_yes_no,
)
from its_pipeline.events.keys import key_of_id
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.events.moments import are_moments, as_iso
from its_pipeline.events.schema import pc

_PLAIN_NUMBER = re.compile(r"\s*[+-]?[\d.]+(?:[eE][+-]?\d+)?\s*")


def normal_rows(
    batches: Iterable[pa.RecordBatch], mapping: ImportMapping
) -> Iterator[pa.RecordBatch]:
    """Return batches of text with times, numbers and people as the mapping's rules read them."""
    readers = _readers(mapping)
    for batch in batches:
        columns = []
        for name in batch.schema.names:
            column = batch.column(name)
            if name == mapping.time and reads_dates(mapping):
                column = _read_times(column, readers[name])
            elif name in readers:
                column = _read(column, readers[name])
            columns.append(column)
        yield pa.record_batch(columns, names=batch.schema.names)


def time_reader(mapping: ImportMapping) -> Callable[[str], str | None] | None:
    """Return what reads a mapping's times to ISO text; None where they go on as they are."""
    if mapping.time_kind == "year":
        return read_year
    if mapping.time_kind == "excel_days":
        return read_excel_day
    order = mapping.date_order
    if reads_dates(mapping) and order is not None:
        return lambda text: read_time(text, order)
    return None


def reads_dates(mapping: ImportMapping) -> bool:
    """Tell whether a mapping's times are dates whose parts stand in a declared order."""
    return mapping.time_kind == "timestamp" and mapping.date_order is not None


def number_reader(mapping: ImportMapping) -> Callable[[str], str | None] | None:
    """Return what reads a mapping's numbers; None where they go on as they are."""
    if not mapping.has_rules:
        return None
    decimal = "comma" if mapping.decimal_comma else "point"

    def number(text: str) -> str | None:
        found = read_number(text, decimal, mapping.thousands, mapping.percent)
        if found is None and mapping.yes_no:
            found = read_yes_no(text)
        if found is None and _PLAIN_NUMBER.fullmatch(text):
            # By other signs it would be a number, and not the one that stands there.
            return f"'{text}'"
        return found

    return number


def _readers(mapping: ImportMapping) -> dict[str, Callable[[str], str | None]]:
    readers: dict[str, Callable[[str], str | None]] = {}
    if (number := number_reader(mapping)) is not None:
        readers |= dict.fromkeys(mapping.outcomes.values(), number)
    if (time := time_reader(mapping)) is not None:
        readers[mapping.time] = time
    if mapping.any_user and mapping.user is not None:
        readers[mapping.user] = _user
    return readers


def _user(text: str) -> str | None:
    try:
        return key_of_id("user", text)
    except ValueError:
        return None


def _read(column: pa.Array, reader: Callable[[str], str | None]) -> pa.Array:
    """Read a column's distinct texts; those that do not read stay."""
    encoded = column.dictionary_encode()
    found = [None if text is None else reader(text) for text in encoded.dictionary.to_pylist()]
    read = pa.array(found, pa.string())
    return pc.coalesce(read, encoded.dictionary).take(encoded.indices)


def _read_times(column: pa.Array, reader: Callable[[str], str | None]) -> pa.Array:
    """Read a column's times; those in the form of machines all at once."""
    moments = are_moments(column)
    others = _read(pc.if_else(moments, None, column), reader)
    return pc.if_else(moments, as_iso(column), others)
