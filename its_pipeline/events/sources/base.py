"""The interface of a source of events, and several sources read as one.

A source knows which version of each UTC day it holds, and streams one day. Comparing versions
with the lake, and writing, belong to `its_pipeline.ingest.steps`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import pyarrow as pa

from its_pipeline.events.schema import as_raw, common_raw_schema


class SourceError(RuntimeError):
    """A source could not be read; the message names what and the remedy, never a credential."""


@dataclass(frozen=True)
class DayRead:
    """One UTC day of a source, being read.

    Attributes
    ----------
    version
        Text that changes when the day's rows change.
    schema
        Raw schema of every batch: contract columns, each of its contract type or text.
    batches
        The rows in the source's own fixed order; consumed once.
    """

    version: str
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch | pa.Table]


def same_version(first: str, second: str) -> bool:
    """Tell whether two versions of a day name the same rows, as far as both of them say.

    A version may end in `|` and a digest of contents, which a source gives for recent days only;
    where one of the two lacks it, the part ahead of it decides.
    """
    ours, theirs = first.split(), second.split()
    if len(ours) != len(theirs):
        return False
    for one, other in zip(ours, theirs, strict=True):
        base, _, contents = one.partition("|")
        other_base, _, other_contents = other.partition("|")
        if base != other_base:
            return False
        if contents and other_contents and contents != other_contents:
            return False
    return True


class EventSource(Protocol):
    """Where events come from."""

    def day_versions(self) -> Mapping[date, str]:
        """Return the version of every UTC day that has events.

        A day whose version differs from the one last exported has to be exported again.
        """
        ...

    def read_day(self, day: date) -> AbstractContextManager[DayRead]:
        """Open one UTC day for reading; a day without events has version `""` and no rows."""
        ...


class CombinedSource:
    """Several sources read as one, in their order.

    Parameters
    ----------
    sources
        By name; the names become part of the versions.
    """

    def __init__(self, sources: Mapping[str, EventSource]) -> None:
        self._sources = dict(sources)

    def day_versions(self) -> Mapping[date, str]:
        """Return the joined versions of the sources that have events on a day."""
        parts: dict[date, list[str]] = {}
        for name, source in self._sources.items():
            for day, version in source.day_versions().items():
                if version:
                    parts.setdefault(day, []).append(f"{name}:{version}")
        return {day: " ".join(found) for day, found in sorted(parts.items())}

    @contextmanager
    def read_day(self, day: date) -> Iterator[DayRead]:
        """Open a day of all sources."""
        with ExitStack() as stack:
            reads = {
                name: stack.enter_context(source.read_day(day))
                for name, source in self._sources.items()
            }
            version = " ".join(
                f"{name}:{read.version}" for name, read in reads.items() if read.version
            )
            schema = common_raw_schema([read.schema for read in reads.values()])
            yield DayRead(version, schema, _chained(list(reads.values()), schema))


def _chained(reads: Sequence[DayRead], schema: pa.Schema) -> Iterator[pa.Table]:
    for read in reads:
        for batch in read.batches:
            yield as_raw(batch, schema)
