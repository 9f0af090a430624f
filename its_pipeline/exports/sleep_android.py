"""Sleep as Android: its CSV, in which every night may have a header of its own.

What belongs here: nights as Sleep as Android measured them. What does not: its actigraphy and
events, which stand in further cells of the same rows.

Format as in the file rhydermike/SleepCSV sleep-export.csv, and as read by GwynHannay/sleep_parser:
a row `Id,Tz,From,To,Sched,Hours,Rating,Comment,...,"6:27",...,"Event",...` is followed by one or
more rows of values and then the next header. Times are like `03. 05. 2020 6:22`, by the clock of
the zone in `Tz`. `Hours` is how long was recorded. A rating of 0 and a share of deep sleep below 0
mean that there is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from its_pipeline.events.exported import Reading, Said
from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.events.intervention import zone_names
from its_pipeline.exports.base import AppExport, all_of, by_field
from its_pipeline.exports.files import ExportFiles, Row
from its_pipeline.exports.measures import Measure
from its_pipeline.exports.times import local_instant

HEADER: Final = ("Id", "Tz", "From", "To", "Sched", "Hours", "Rating")
_TIME: Final = "%d. %m. %Y %H:%M"

COLUMNS: Final = by_field(
    Measure("Hours", "sleep_hours", "Recorded sleep", "hours", "sum", 24.0),
    Measure("Rating", "rating", "Rating", "stars", "mean", 5.0),
    Measure("DeepSleep", "deep_sleep_share", "Deep sleep", "%", "mean", 100.0, factor=100.0),
)


class SleepAsAndroid(AppExport):
    """An export of Sleep as Android."""

    name = "sleepandroid"
    app = "Sleep as Android"
    measures = all_of(COLUMNS)

    @classmethod
    def recognised(cls, files: ExportFiles) -> SleepAsAndroid | None:
        """Return the export if a table begins as this app's does."""
        export = cls(files)
        for name, head in files.heads(lambda name: name.lower().endswith(".csv")):
            if head.decode("utf-8-sig", "replace").replace('"', "").startswith(",".join(HEADER)):
                export.kinds = {name: export.name}
                return export
        return None

    def readings(self, said: Said, left_out: Counter[tuple[str, str]]) -> Iterator[Reading]:
        """Return the readings of every night.

        Raises
        ------
        ImportFileError
            If the file is broken.
        """
        for name, stream in self.files.each(self.wanted):
            columns: list[str] = []
            for place, line in self.files.lines(name, stream):
                if tuple(line[: len(HEADER)]) == HEADER:
                    columns = line
                    continue
                if len(line) > len(columns):
                    raise ImportFileError(
                        f"{self.path}: {place}: {len(line)} cells where the header above it has "
                        f"{len(columns)}; export it again"
                    )
                # Of the repeated columns behind the known ones the last would win; none is read.
                cells = dict(zip(columns, line, strict=False))
                yield from self._of_night(Row(place, cells))

    def _of_night(self, row: Row) -> Iterator[Reading]:
        cells, zone = dict(row.cells), row.cells.get("Tz", "")
        known = zone in zone_names()
        started, ended = (
            local_instant(cells.get(column, ""), zone, _TIME)
            if known
            else f"{cells.get(column, '')} {zone}"
            for column in ("From", "To")
        )
        for column in COLUMNS:
            cells[column] = cells.get(column, "").replace(",", ".")
        if cells["Rating"] in ("0.0", "0"):
            cells["Rating"] = ""
        if cells["DeepSleep"].startswith("-"):
            cells["DeepSleep"] = ""
        times = (started, ended, ended)
        yield from self.of_row(Row(row.place, cells), COLUMNS, times, zone if known else "")
