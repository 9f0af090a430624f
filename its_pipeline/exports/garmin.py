"""Garmin: the account's archive (`DI_CONNECT`), as a ZIP or folder: daily summaries and sleep.

What belongs here: `UDSFile_*.json` and `*_sleepData.json`. What does not: the FIT files of
activities, and the CSV files of Garmin Connect (`garmin_connect`).

Format as public projects that read these two kinds of files have it: lists of records with a local
`calendarDate`; times of sleep are in UTC without an offset (`2024-01-15T02:00:00.0`). Made to that
form: no archive of somebody's was at hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from its_pipeline.events.exported import Reading, Said
from its_pipeline.exports.base import AppExport, all_of, by_field
from its_pipeline.exports.files import ExportFiles, Row, base_name, cell_text
from its_pipeline.exports.measures import Measure, hours
from its_pipeline.exports.times import local_instant, noon, said_zone

_TIMES: Final = ("%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S")

DAY: Final = by_field(
    Measure("totalSteps", "steps", "Steps", "steps", "sum", 200_000.0),
    Measure("totalDistanceMeters", "distance_km", "Distance", "km", "sum", 300.0, factor=0.001),
    Measure("activeKilocalories", "active_energy_kcal", "Active energy", "kcal", "sum", 20_000.0),
    Measure(
        "moderateIntensityMinutes",
        "moderate_minutes",
        "Moderate intensity",
        "minutes",
        "sum",
        1440.0,
    ),
    Measure(
        "vigorousIntensityMinutes",
        "vigorous_minutes",
        "Vigorous intensity",
        "minutes",
        "sum",
        1440.0,
    ),
    Measure(
        "restingHeartRate",
        "resting_heart_rate",
        "Resting heart rate",
        "beats/min",
        "mean",
        200.0,
        20.0,
    ),
)
STAGES: Final = by_field(
    hours("deepSleepSeconds", "deep_sleep", 1 / 3600),
    hours("lightSleepSeconds", "light_sleep", 1 / 3600),
    hours("remSleepSeconds", "rem_sleep", 1 / 3600),
)
AWAKE: Final = by_field(
    hours("awakeSleepSeconds", "awake", 1 / 3600),
)
ASLEEP: Final = "sleepTimeSeconds"
SLEEP: Final = by_field(hours(ASLEEP, "sleep", 1 / 3600))


class Garmin(AppExport):
    """An export of a Garmin account."""

    name = "garmin"
    app = "Garmin"
    measures = all_of(DAY, STAGES, AWAKE, SLEEP)

    @classmethod
    def recognised(cls, files: ExportFiles) -> Garmin | None:
        """Return the export if a file of a known name has what such a file has."""
        export = cls(files)
        for _, head in files.heads(export.wanted):
            if b'"calendarDate"' in head and (b'"totalSteps"' in head or b"SleepSeconds" in head):
                return export
        return None

    def wanted(self, name: str) -> bool:
        """Tell whether a file of this name is read."""
        last = base_name(name)
        is_day = last.startswith("UDSFile_") and last.endswith(".json")
        return is_day or last.endswith("_sleepData.json")

    def readings(self, said: Said, left_out: Counter[tuple[str, str]]) -> Iterator[Reading]:
        """Return the readings of every day and night.

        Raises
        ------
        ImportFileError
            If no time zone was said, or a file is broken.
        """
        zone = said_zone(said, self.path, "Garmin's files do not say in which time zone one lived")
        for name, stream in self.files.each(self.wanted):
            is_night = base_name(name).endswith("_sleepData.json")
            for place, record in self.files.records(self.files.document(name, stream), name):
                row = Row(place, {field: cell_text(value) for field, value in record.items()})
                yield from self._of_night(row, zone) if is_night else self._of_day(row, zone)

    def _of_day(self, row: Row, zone: str) -> Iterator[Reading]:
        at = noon(row.cells.get("calendarDate", ""), zone)
        yield from self.of_row(row, DAY, (at, at, at), zone)

    def _of_night(self, row: Row, zone: str) -> Iterator[Reading]:
        cells = dict(row.cells)
        started, ended = (
            local_instant(cells.get(f"sleep{side}TimestampGMT", ""), "UTC", *_TIMES)
            for side in ("Start", "End")
        )
        # A night of which the watch knows no stages has a window and no sleep.
        stages = [cells[field] for field in STAGES if cells.get(field)]
        if not cells.get(ASLEEP) and stages and all(text.isdecimal() for text in stages):
            cells[ASLEEP] = str(sum(int(text) for text in stages))
        measures = {**STAGES, **AWAKE, **SLEEP}
        yield from self.of_row(Row(row.place, cells), measures, (started, ended, ended), zone)
