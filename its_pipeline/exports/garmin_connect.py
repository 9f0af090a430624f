"""Garmin Connect: the CSV files that its web page has for activities, sleep, weight and charts.

What belongs here: which file is which by its header, and the forms of days, durations and units in
them. What does not: the account's archive (`garmin`).

Formats as in MichielGhesquiere/SleepHabits data/Activities.csv; newbabak/activity-to-sleep-analysis
Sleep.csv (a row a day; data/Sleep.csv of the former has a row a week); milkway/garmin
data/Weight.csv (a line with the day, then one a weighing). The charts of steps, resting heart rate,
stress and calories have a first column without a name, as R-D-menasheof/garmin-copilot-agent
scripts/import_garmin_csv.py and thusspokedata/pulsia's importer of steps read them. Headers in
English alone are known.

Which of `03/04/2025` is the month is told from the other days of the file. A file of sums by the
week has no days in it and is refused. `--`, and a 0 in a night, are no value. A day's activities
add up, and a day without one between the first and the last has 0 minutes; their distance has no
unit in the file and is not read.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Final

from its_pipeline.events.exported import Reading, Said
from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.exports.base import AppExport, all_of, by_field
from its_pipeline.exports.files import ExportFiles, Row, first_line
from its_pipeline.exports.measures import Measure, hours
from its_pipeline.exports.times import local_instant, noon, parsed, said_zone


def _kilograms(field: str, name: str, most: float) -> Measure:
    return Measure(field, f"{name}_kg", field, "kg", "mean", most, 0.1)


def _percent(field: str, name: str, label: str) -> Measure:
    return Measure(field, name, label, "%", "mean", 100.0, 1.0)


_RESTING: Final = Measure(
    "Resting Heart Rate", "resting_heart_rate", "Resting heart rate", "beats/min", "mean", 200, 20
)

SLEEP: Final = by_field(
    hours("Duration", "sleep"),
    Measure("Score", "sleep_score", "Sleep score", "points", "mean", 100.0),
    _RESTING,
    _percent("Pulse Ox", "oxygen_percent", "Oxygen saturation"),
    Measure(
        "Respiration", "respiratory_rate", "Respiratory rate", "breaths/min", "mean", 80.0, 2.0
    ),
    Measure("HRV Status", "hrv_rmssd", "HRV (RMSSD)", "ms", "mean", 500.0),
)
WEIGHT: Final = by_field(
    _kilograms("Weight", "weight", 500.0),
    _percent("Body Fat", "body_fat_percent", "Body fat"),
    _kilograms("Skeletal Muscle Mass", "muscle", 200.0),
    _percent("Body Water", "body_water_percent", "Body water"),
)
ACTIVITIES: Final = by_field(
    Measure("Time", "activity_minutes", "Activities", "minutes", "sum", 1440.0),
    Measure("Calories", "activity_kcal", "Energy in activities", "kcal", "sum", 20_000.0),
)
CHARTS: Final[Mapping[tuple[str, ...], tuple[str, Mapping[str, Measure]]]] = {
    ("Actual", "Goal"): (
        "steps",
        by_field(Measure("Actual", "steps", "Steps", "steps", "mean", 200_000.0)),
    ),
    ("Resting Heart Rate",): ("resting_heart_rate", by_field(_RESTING)),
    ("Stress",): ("stress", by_field(Measure("Stress", "stress", "Stress", "points", "mean", 100))),
    ("Active Calories", "Resting Calories", "Total"): (
        "calories",
        by_field(
            Measure("Active Calories", "active_kcal", "Active energy", "kcal", "mean", 20_000.0)
        ),
    ),
}
"""Kind and measures of a chart, by its columns behind the unnamed one of the day."""

MISSING: Final = ("", "--")
POUND: Final = 0.45359237

_DAYS: Final = ("%Y-%m-%d", "%b %d, %Y", "%d %b %Y")
_CLOCKS: Final = ("%H:%M", "%I:%M %p", "%H:%M:%S")
_SLASHED = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/[0-9]{4}\b.*")
_THOUSANDS = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")
_DURATION = re.compile(r"(?:([0-9]+)h)? ?(?:([0-9]+)m(?:in)?)?")
_CLOCK_TIME = re.compile(r"(?:([0-9]+):)?([0-9]+):([0-9]{2}(?:\.[0-9]+)?)")
_WITH_UNIT = re.compile(r"([0-9.]+) *(kg|lbs?|%|bpm|ms)")
_WEEK: Final = timedelta(days=7)


class GarminConnect(AppExport):
    """CSV files of Garmin Connect, one or a folder of them."""

    name = "garminconnect"
    app = "Garmin Connect"
    measures = all_of(SLEEP, WEIGHT, ACTIVITIES, *(chart for _, chart in CHARTS.values()))

    @classmethod
    def recognised(cls, files: ExportFiles) -> GarminConnect | None:
        """Return the export if a table has one of Garmin Connect's headers."""
        export = cls(files)
        heads = files.heads(lambda name: name.lower().endswith(".csv"))
        export.kinds = {name: kind for name, head in heads if (kind := _kind(_header(head)))}
        export.named_by_kind()
        return export if export.kinds else None

    def readings(self, said: Said, left_out: Counter[tuple[str, str]]) -> Iterator[Reading]:
        """Return the readings, file after file.

        Raises
        ------
        ImportFileError
            If a file has no days, or their form cannot be told; it is broken; or no time zone was
            said.
        """
        zone = said_zone(said, self.path, "Garmin Connect's files do not say in which zone one was")
        for name, stream in self.files.each(self.wanted):
            kind = self.kinds[name]
            # A row of activities can have more cells than its header.
            rows = list(self.files.rows(name, stream, ragged=kind == "activities"))
            if kind == "weeks":
                raise self._of_weeks(name)
            if kind == "weight":
                yield from self._of_weights(rows, zone)
            elif kind == "activities":
                yield from self._of_activities(name, rows, zone)
            else:
                yield from self._of_days(name, kind, rows, zone)

    def _of_days(self, name: str, kind: str, rows: list[Row], zone: str) -> Iterator[Reading]:
        by_kind: dict[str, Mapping[str, Measure]] = {"sleep": SLEEP, **dict(CHARTS.values())}
        texts = [next(iter(row.cells.values())).strip() for row in rows]
        forms = self._day_forms(name, texts)
        days = [parsed(text, *forms) for text in texts]
        if kind != "sleep":
            known = sorted({day.date() for day in days if day})
            if _apart(known) >= _WEEK:
                raise self._of_weeks(name)
        for row, text, day in zip(rows, texts, days, strict=True):
            at = noon(f"{day:%Y-%m-%d}", zone) if day else text
            nothing = (*MISSING, "0") if kind == "sleep" else MISSING
            yield from self._of_cells(row, by_kind[kind], at, zone, nothing)

    def _of_activities(self, name: str, rows: list[Row], zone: str) -> Iterator[Reading]:
        """Return each activity, and 0 minutes of the days without one between first and last."""
        days = self._day_forms(name, [row.cells["Date"] for row in rows])
        forms = [f"{day} {clock}" for day in days for clock in _CLOCKS]
        active: set[date] = set()
        for row in rows:
            if started := parsed(row.cells["Date"], *forms):
                active.add(started.date())
            at = local_instant(row.cells["Date"], zone, *forms)
            yield from self._of_cells(row, ACTIVITIES, at, zone)
        minutes = self.metric_name(ACTIVITIES["Time"].name)
        first, last = min(active, default=date.max), max(active, default=date.min)
        for ahead in range((last - first).days):
            if (day := first + timedelta(ahead)) not in active:
                at = noon(f"{day}", zone)
                yield Reading(minutes, "0", at, at, at, zone, self.app, f"{name}, no row of {day}")

    def _of_weights(self, rows: list[Row], zone: str) -> Iterator[Reading]:
        forms = [f"{day} {clock}" for day in _DAYS for clock in _CLOCKS]
        day = ""
        for row in rows:
            text = row.cells["Time"].strip()
            if row.cells["Weight"].strip():
                at = local_instant(f"{day} {text}", zone, *forms)
                yield from self._of_cells(row, WEIGHT, at, zone)
            else:
                day = text

    def _of_cells(
        self,
        row: Row,
        measures: Mapping[str, Measure],
        at: str,
        zone: str,
        nothing: Sequence[str] = MISSING,
    ) -> Iterator[Reading]:
        cells = {
            column: _number(measure, row.cells.get(column, "").strip())
            for column, measure in measures.items()
            if row.cells.get(column, "").strip() not in nothing
        }
        yield from self.of_row(Row(row.place, cells), measures, (at, at, at), zone)

    def _day_forms(self, name: str, texts: Sequence[str]) -> tuple[str, ...]:
        """Return the forms of a file's days.

        Raises
        ------
        ImportFileError
            If the order of day and month cannot be told.
        """
        slashed = [found for text in texts if (found := _SLASHED.fullmatch(text.strip()))]
        if not slashed:
            return _DAYS
        day_first = any(int(found[1]) > 12 for found in slashed)
        if day_first == any(int(found[2]) > 12 for found in slashed):
            raise ImportFileError(
                f"{self.path}: {name}: it cannot be told whether {slashed[0][0]!r} begins with the "
                "day or the month; download a whole month, or write the days as YYYY-MM-DD"
            )
        return (*_DAYS, "%d/%m/%Y" if day_first else "%m/%d/%Y")

    def _of_weeks(self, name: str) -> ImportFileError:
        return ImportFileError(
            f"{self.path}: {name}: has one value a week or month, not a day; choose 4 weeks or "
            "less in Garmin Connect, and download that"
        )


def _header(head: bytes) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([first_line(head)]), [])]
    except csv.Error:
        return []


def _kind(header: list[str]) -> str:
    columns = set(header)
    if {"Activity Type", "Date", "Favorite", "Title", "Time"} <= columns:
        return "activities"
    if header[:2] == ["Time", "Weight"] and "BMI" in columns:
        return "weight"
    if {"Avg Duration", "Avg Bedtime", "Avg Wake Time"} <= columns:
        return "weeks"
    if {"Score", "Quality", "Duration", "Bedtime", "Wake Time"} <= columns:
        return "sleep"
    return CHARTS.get(tuple(header[1:]), ("", {}))[0] if header and not header[0] else ""


def _apart(days: list[date]) -> timedelta:
    """Return the shortest time between two of some days; none between fewer."""
    gaps = (later - earlier for earlier, later in pairwise(days))
    return min(gaps, default=timedelta(0))


def _number(measure: Measure, text: str) -> str:
    """Return a cell in the measure's unit; what is not in a known form as it stands."""
    if measure.unit == "hours" and (found := _DURATION.fullmatch(text)):
        return f"{int(found[1] or 0) + int(found[2] or 0) / 60:.9g}"
    if measure.unit == "minutes" and (found := _CLOCK_TIME.fullmatch(text)):
        return f"{int(found[1] or 0) * 60 + int(found[2]) + float(found[3]) / 60:.9g}"
    if _THOUSANDS.fullmatch(text):
        return text.replace(",", "")
    if not (found := _WITH_UNIT.fullmatch(text)):
        return text
    return f"{float(found[1]) * POUND:.9g}" if found[2].startswith("lb") else found[1]
