"""What every app's export here has in common: its files, its measures, its metrics' names.

What belongs here: the base of the classes that read one app each. What does not: any app's format.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from its_pipeline.events.exported import ExportMetric, Reading, Said
from its_pipeline.exports.files import ExportFiles, Row
from its_pipeline.exports.measures import Measure, export_metric, scaled


class AppExport:
    """An export of one app; see `events.exported.Export`.

    Parameters
    ----------
    files
        Its files.

    Attributes
    ----------
    name
        Short name of the app: the beginning of its metrics' names and of the import's.
    app
        The app, for people.
    measures
        What is read of it, by name.
    """

    name: str
    app: str
    measures: Mapping[str, Measure]

    def __init__(self, files: ExportFiles) -> None:
        self.files = files

    @classmethod
    def recognised(cls, files: ExportFiles) -> AppExport | None:
        """Return the export if the files are one of this app, by their contents."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """What it is, for people."""
        return f"{self.app} export"

    @property
    def path(self) -> Path:
        """The file or folder."""
        return self.files.path

    def signature(self) -> object:
        """Return what changes when a file of the export does."""
        return self.files.signature()

    def digest(self) -> hashlib._Hash:
        """Return a SHA-256 of the contents that are read."""
        return self.files.digest(self.wanted)

    def wanted(self, name: str) -> bool:
        """Tell whether a file of this name is read."""
        raise NotImplementedError

    def readings(self, said: Said, left_out: Counter[tuple[str, str]]) -> Iterator[Reading]:
        """Return the readings; see `events.exported.Export`."""
        raise NotImplementedError

    def metric(self, name: str) -> ExportMetric:
        """Return the metric of a reading's name."""
        return export_metric(self.name, self.app, self.measures[name.removeprefix(f"{self.name}_")])

    def metric_name(self, name: str) -> str:
        """Return the name of a measure's metric."""
        return f"{self.name}_{name}"

    def of_row(
        self, row: Row, measures: Mapping[str, Measure], times: tuple[str, str, str], zone: str
    ) -> Iterator[Reading]:
        """Return the readings in the cells of one row that has them.

        Parameters
        ----------
        row
            The row; an empty cell is no reading.
        measures
            By column.
        times
            Start, end, and the instant that decides the day.
        zone
            IANA zone of that day.
        """
        for column, measure in measures.items():
            if text := row.cells.get(column, "").strip():
                value = scaled(text, measure.factor)
                name = self.metric_name(measure.name)
                yield Reading(name, value, *times, zone, self.app, row.place)


def by_name(*measures: Measure) -> dict[str, Measure]:
    """Return measures by their names."""
    return {measure.name: measure for measure in measures}


def by_field(*measures: Measure) -> dict[str, Measure]:
    """Return measures by the names of their fields."""
    return {measure.field: measure for measure in measures}
