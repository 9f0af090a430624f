"""A simulation's folder read as a source of events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.schema import common_raw_schema, raw_schema
from its_pipeline.events.simulation import read_simulation
from its_pipeline.events.sources.base import DayRead, SourceError
from its_pipeline.files.damage import DAMAGE


class SimulatedSource:
    """What `simulate` wrote into a folder.

    Parameters
    ----------
    folder
        The simulation's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _index(self) -> tuple[str, dict[date, list[tuple[Path, int]]], pa.Schema]:
        """Version, row groups by day, and the schema of all blocks."""
        try:
            version = read_simulation(self._folder).version
        except FileNotFoundError as error:
            raise SourceError(
                f"no simulation at {self._folder}; run the demo or simulate events first"
            ) from error
        except DAMAGE as error:
            raise SourceError(str(error)) from error
        groups: dict[date, list[tuple[Path, int]]] = {}
        schemas = []
        for path in sorted(self._folder.glob("block-*.parquet")):
            try:
                file = pq.ParquetFile(path)
                days = json.loads((file.metadata.metadata or {})[b"its.days"])
            except DAMAGE as error:
                raise SourceError(
                    f"{path} is damaged ({error}); simulate the events again, into an empty store"
                ) from error
            schemas.append(file.schema_arrow)
            for number, day in enumerate(days):
                groups.setdefault(date.fromisoformat(day), []).append((path, number))
        return version, groups, common_raw_schema(schemas) if schemas else raw_schema()

    def day_versions(self) -> Mapping[date, str]:
        """Return the simulation's version for every day it has events on."""
        version, groups, _ = self._index
        return dict.fromkeys(sorted(groups), version)

    @contextmanager
    def read_day(self, day: date) -> Iterator[DayRead]:
        """Open one UTC day; see `EventSource`."""
        version, groups, schema = self._index
        places = groups.get(day, [])
        yield DayRead(version if places else "", schema, _batches(places))


def _batches(places: list[tuple[Path, int]]) -> Iterator[pa.Table]:
    for path, number in places:
        yield pq.ParquetFile(path).read_row_group(number)
