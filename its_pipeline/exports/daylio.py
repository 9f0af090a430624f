"""Daylio: the CSV of its entries, with or without the column of scales.

What belongs here: moods, activities and scales as numbers. What does not: tables in general.

Format as in the file MichaelCurrin/daylio-csv-parser dayliopy/sample.csv: one row an entry, newest
first, `full_date,date,weekday,time,mood,activities,note_title,note`, activities separated by ` |
`; newer exports have `scales` behind `activities`, `name:` no-break space `value`, separated
alike. Times are by the phone's clock, in its form (`22:00`, `10:00 pm`).

Mood is a number from 1 to 5, the mean of a day's entries. An activity is yes (1) or no (0) on
every day with an entry, from the first day it was ever chosen: ahead of that it may not have been
there to choose. Notes are not read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from its_pipeline.events.exported import Reading, Said
from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.exports.base import AppExport, by_name
from its_pipeline.exports.files import ExportFiles, first_line
from its_pipeline.exports.measures import Measure
from its_pipeline.exports.times import local_instant, noon, said_zone

COLUMNS: Final = {"full_date", "weekday", "time", "mood", "activities"}
SEPARATOR: Final = "|"
MOODS: Final = {
    "rad": 5.0,
    "good": 4.0,
    "meh": 3.0,
    "bad": 2.0,
    "awful": 1.0,
    "super": 5.0,
    "gut": 4.0,
    "ok": 3.0,
    "schlecht": 2.0,
    "lausig": 1.0,
}
"""Moods as the app names them until one renames them, in English and German; 5 is the best."""

SHOWN_MOODS: Final = 10
_TIMES: Final = ("%Y-%m-%d %H:%M", "%Y-%m-%d %I:%M %p")


class Daylio(AppExport):
    """An export of Daylio."""

    name = "daylio"
    app = "Daylio"
    measures = by_name(Measure("mood", "mood", "Mood", "1 to 5", "mean", 5.0, 1.0))

    @classmethod
    def recognised(cls, files: ExportFiles) -> Daylio | None:
        """Return the export if it is a table with Daylio's columns."""
        if len(files.names) != 1:
            return None
        header = first_line(files.head(files.names[0]))
        columns = {cell.strip().strip('"') for cell in header.split(",")}
        return cls(files) if columns >= COLUMNS else None

    def wanted(self, name: str) -> bool:
        """Tell whether a file of this name is read."""
        return name in self.files.names

    def readings(self, said: Said, left_out: Counter[tuple[str, str]]) -> Iterator[Reading]:
        """Return the readings of every entry, then the activities of every day.

        Raises
        ------
        ImportFileError
            If a mood's name is not known and was not said, no time zone was said, or the file is
            broken.
        """
        zone = said_zone(said, self.path, "Daylio writes times without a time zone")
        numbers = MOODS | {name.casefold(): number for name, number in said.moods.items()}
        days: dict[str, set[str]] = {}
        unknown: dict[str, str] = {}
        for file, stream in self.files.each(self.wanted):
            for row in self.files.rows(file, stream):
                day = row.cells["full_date"].strip()
                clock = row.cells["time"].replace("\N{NARROW NO-BREAK SPACE}", " ").strip()
                at = local_instant(f"{day} {clock}", zone, *_TIMES)
                mood = row.cells["mood"].strip()
                if mood and mood.casefold() not in numbers:
                    unknown.setdefault(mood, row.place)
                value = str(numbers.get(mood.casefold(), mood))
                times = (at, at, at, zone, self.app, row.place)
                yield Reading(self.metric_name("mood"), value, *times)
                for text in _parts(row.cells.get("scales", "")):
                    scale, _, number = text.rpartition(":")
                    yield Reading(
                        self.metric_of_own("scale", scale or text, "points", 1e6),
                        number.strip(),
                        *times,
                    )
                chosen = days.setdefault(day, set())
                chosen.update(
                    self.metric_of_own("activity", text, "yes or no", 1.0)
                    for text in _parts(row.cells["activities"])
                )
        if unknown:
            raise _unknown_moods(self, unknown)
        yield from self._of_days(days, zone)

    def _of_days(self, days: dict[str, set[str]], zone: str) -> Iterator[Reading]:
        offered: set[str] = set()
        for day, chosen in sorted(days.items()):
            offered |= chosen
            at = noon(day, zone)
            for metric in sorted(offered):
                value = "1" if metric in chosen else "0"
                yield Reading(metric, value, at, at, at, zone, self.app, f"the entries of {day}")


def _parts(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(SEPARATOR) if part.strip()]


def _unknown_moods(export: Daylio, unknown: dict[str, str]) -> ImportFileError:
    shown = [f"{mood!r} ({place})" for mood, place in list(unknown.items())[:SHOWN_MOODS]]
    options = " ".join(f'--mood "{mood}=3"' for mood in list(unknown)[:2])
    return ImportFileError(
        f"{export.path}: moods that are not Daylio's own: {', '.join(shown)}; say which number "
        f"from 1 (worst) to 5 (best) each of them is, for example {options}, or in the "
        "mapping of an inbox moods: {NAME: 3}"
    )
