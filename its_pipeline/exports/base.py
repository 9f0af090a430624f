"""What every app's export here has in common: its files, its measures, its metrics' names.

What belongs here: the base of the classes that read one app each. What does not: any app's format.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from its_pipeline.events.exported import ExportMetric, Reading, Said
from its_pipeline.exports.files import ExportFiles, Row
from its_pipeline.exports.measures import Measure, export_metric, scaled

LABEL_CHARACTERS = 60
"""Longest label of something that a person has named."""


class AppExport(ABC):
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
    kinds
        Which kind of file each file is, by name, of an app that has several.
    """

    name: str
    app: str
    measures: Mapping[str, Measure]

    def __init__(self, files: ExportFiles) -> None:
        self.files = files
        self.kinds: dict[str, str] = {}
        self._own: dict[str, Measure] = {}

    @classmethod
    @abstractmethod
    def recognised(cls, files: ExportFiles) -> AppExport | None:
        """Return the export if the files are one of this app, by their contents."""

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
        return name in self.kinds

    @abstractmethod
    def readings(self, said: Said, left_out: Counter[tuple[str, str]]) -> Iterator[Reading]:
        """Return the readings; see `events.exported.Export`."""

    def metric(self, name: str) -> ExportMetric:
        """Return the metric of a reading's name."""
        short = name.removeprefix(self.metric_name(""))
        return export_metric(self.prefix, self.app, self._own.get(short) or self.measures[short])

    def metric_name(self, name: str) -> str:
        """Return the name of a measure's metric."""
        return f"{self.prefix}_{name}"

    @property
    def prefix(self) -> str:
        """The beginning of the metrics' names, whichever files there are."""
        return type(self).name

    def named_by_kind(self) -> None:
        """Call the export by its kind where it has files of one alone.

        So steps that are imported after sleep are no new version of the sleep.
        """
        if len(kinds := set(self.kinds.values())) == 1:
            self.name = f"{self.prefix}_{kinds.pop()}"

    def metric_of_own(
        self, kind: str, text: str, unit: str, maximum: float, minimum: float = 0.0
    ) -> str:
        """Return the metric's name of what a person has named, and remember what it is called.

        Where letters are lost on the way, a digest of the text keeps two of them apart.

        Parameters
        ----------
        kind
            What it is; the beginning of its name.
        text
            How the person calls it.
        unit, maximum, minimum
            As of a measure; of several values of a day the mean counts.
        """
        label = " ".join(text.casefold().split())
        plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
        short = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:40]
        if short.replace("_", " ") != label:
            short = "_".join(filter(None, (short, hashlib.sha256(label.encode()).hexdigest()[:6])))
        short = f"{kind}_{short}"
        shown = label[:LABEL_CHARACTERS]
        self._own[short] = Measure(short, short, shown, unit, "mean", maximum, minimum)
        return self.metric_name(short)

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


def all_of(*tables: Mapping[str, Measure]) -> dict[str, Measure]:
    """Return the measures of several tables by their names."""
    return by_name(*(measure for table in tables for measure in table.values()))


def by_field(*measures: Measure) -> dict[str, Measure]:
    """Return measures by the names of their fields."""
    return {measure.field: measure for measure in measures}
