"""Oura: the CSV files of the membership hub, the older one of trends, and JSON as its API gives it.

What belongs here: which table or list is which, by its columns, and Oura's units. What does not:
asking the API.

Fields as in Oura's API v2 (sleep periods, daily activity, readiness and sleep, listed in
AlainS7/durham-environmental-monitoring oura-rings/OURA_DATA_OVERVIEW.md); the CSV files have the
same. Made to that form: no file of somebody's was at hand. Durations are seconds, times have the
offset of where one was. The hub separates cells by semicolons. A sleep that was deleted, or found
to be rest, is none. The older table has one row a day (`date,Total Sleep Duration,...`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final

from its_pipeline.events.exported import Reading, Said
from its_pipeline.exports.base import AppExport, all_of, by_field
from its_pipeline.exports.files import ExportFiles, Row, cell_text, first_line
from its_pipeline.exports.measures import Measure, hours
from its_pipeline.exports.times import noon, said_zone, zone_of_offset

_HOURS: Final = 1 / 3600

SLEEP: Final = by_field(
    hours("total_sleep_duration", "sleep", _HOURS),
    hours("deep_sleep_duration", "deep_sleep", _HOURS),
    hours("rem_sleep_duration", "rem_sleep", _HOURS),
    hours("light_sleep_duration", "light_sleep", _HOURS),
    hours("awake_time", "awake", _HOURS),
    hours("time_in_bed", "in_bed", _HOURS),
)
NIGHT: Final = by_field(
    Measure("efficiency", "sleep_efficiency", "Sleep efficiency", "%", "mean", 100.0),
    Measure(
        "latency",
        "latency_minutes",
        "Time to fall asleep",
        "minutes",
        "mean",
        1440.0,
        factor=1 / 60,
    ),
    Measure(
        "lowest_heart_rate",
        "lowest_heart_rate",
        "Lowest heart rate",
        "beats/min",
        "mean",
        200.0,
        20.0,
    ),
    Measure("average_hrv", "hrv_rmssd", "HRV (RMSSD)", "ms", "mean", 500.0),
    Measure(
        "average_breath", "respiratory_rate", "Respiratory rate", "breaths/min", "mean", 80.0, 2.0
    ),
)
"""What a nap would distort is read of the long sleep alone."""

ACTIVITY: Final = by_field(
    Measure("steps", "steps", "Steps", "steps", "sum", 200_000.0),
    Measure("active_calories", "active_energy_kcal", "Active energy", "kcal", "sum", 20_000.0),
    Measure(
        "equivalent_walking_distance",
        "distance_km",
        "Walking equivalent",
        "km",
        "sum",
        300.0,
        factor=0.001,
    ),
    Measure("score", "activity_score", "Activity score", "points", "mean", 100.0),
)
READINESS: Final = by_field(
    Measure("score", "readiness_score", "Readiness score", "points", "mean", 100.0),
    Measure(
        "temperature_deviation",
        "temperature_deviation",
        "Temperature deviation",
        "\N{DEGREE SIGN}C",
        "mean",
        10.0,
        -10.0,
    ),
)
SCORE: Final = by_field(
    Measure("score", "sleep_score", "Sleep score", "points", "mean", 100.0),
)
TRENDS: Final = {
    "Total Sleep Duration": SLEEP["total_sleep_duration"],
    "Deep Sleep Duration": SLEEP["deep_sleep_duration"],
    "REM Sleep Duration": SLEEP["rem_sleep_duration"],
    "Light Sleep Duration": SLEEP["light_sleep_duration"],
    "Awake Time": SLEEP["awake_time"],
    "Sleep Efficiency": NIGHT["efficiency"],
    "Sleep Latency": NIGHT["latency"],
    "Lowest Resting Heart Rate": NIGHT["lowest_heart_rate"],
    "Average HRV": NIGHT["average_hrv"],
    "Sleep Score": SCORE["score"],
    "Readiness Score": READINESS["score"],
    "Temperature Deviation": READINESS["temperature_deviation"],
    "Activity Score": ACTIVITY["score"],
    "Steps": ACTIVITY["steps"],
    "Activity Burn": ACTIVITY["active_calories"],
}
"""Columns of the older table."""

NO_SLEEP: Final = ("deleted", "rest")

_OFFSET = re.compile(r"(Z|[+-][0-9]{2}:?[0-9]{2})$")


class Oura(AppExport):
    """An export of Oura."""

    name = "oura"
    app = "Oura"
    measures = all_of(SLEEP, NIGHT, ACTIVITY, READINESS, SCORE)

    @classmethod
    def recognised(cls, files: ExportFiles) -> Oura | None:
        """Return the export if a file has the fields of one of Oura's tables or lists."""
        export = cls(files)
        heads = files.heads(lambda name: name.lower().endswith((".csv", ".json")))
        export.kinds = {name: export.name for name, head in heads if _is_oura(name, head)}
        return export if export.kinds else None

    def readings(self, said: Said, left_out: Counter[tuple[str, str]]) -> Iterator[Reading]:
        """Return the readings, file after file.

        Raises
        ------
        ImportFileError
            If a file is broken, or a day's zone is not to be told and was not said.
        """
        for name, stream in self.files.each(self.wanted):
            rows = self._documents(name, stream) if _is_json(name) else self._table(name, stream)
            for row in rows:
                yield from self._of(row, said)

    def _table(self, name: str, stream: BinaryIO) -> Iterator[Row]:
        header = first_line(self.files.head(name))
        delimiter = ";" if header.count(";") > header.count(",") else ","
        return self.files.rows(name, stream, delimiter)

    def _documents(self, name: str, stream: BinaryIO) -> Iterator[Row]:
        """Return the records of an answer of the API, or of several by their names."""
        content = self.files.document(name, stream)
        lists = content.values() if isinstance(content, dict) else [content]
        records = [
            record
            for part in lists
            for record in (part.get("data", []) if isinstance(part, dict) else part or [])
            if isinstance(part, dict | list)
        ]
        for place, record in self.files.records(records, name):
            yield Row(place, {field: cell_text(value) for field, value in record.items()})

    def _of(self, row: Row, said: Said) -> Iterator[Reading]:
        cells = row.cells
        if "bedtime_end" in cells:
            yield from self._of_sleep(row, said)
        elif "Total Sleep Duration" in cells:
            zone = said_zone(said, self.path, "this table of Oura has days without a time zone")
            yield from self._of_day(row, TRENDS, cells["date"], zone)
        elif measures := _daily(cells):
            offset = _OFFSET.search(cells.get("timestamp", ""))
            zone = said.time_zone or (zone_of_offset(offset[0], said, self.path) if offset else "")
            zone = zone or said_zone(said, self.path, f"{row.place} has a day without a time zone")
            yield from self._of_day(row, measures, cells["day"], zone)

    def _of_day(
        self, row: Row, measures: Mapping[str, Measure], day: str, zone: str
    ) -> Iterator[Reading]:
        at = noon(day, zone)
        yield from self.of_row(row, measures, (at, at, at), zone)

    def _of_sleep(self, row: Row, said: Said) -> Iterator[Reading]:
        kind = row.cells.get("type", "")
        if kind in NO_SLEEP:
            return
        started, ended = row.cells["bedtime_start"], row.cells["bedtime_end"]
        offset = _OFFSET.search(ended)
        zone = zone_of_offset(offset[0], said, self.path) if offset else said.time_zone or ""
        times = (started, ended, ended)
        yield from self.of_row(row, SLEEP, times, zone)
        if kind in ("", "long_sleep"):
            yield from self.of_row(row, NIGHT, times, zone)


def _daily(cells: Mapping[str, str]) -> Mapping[str, Measure] | None:
    """Return the measures of a row of a day; the scores are told apart by what goes into them."""
    if "day" not in cells:
        return None
    contributors = cells.get("contributors", "")
    if {"steps", "active_calories"} <= cells.keys():
        return ACTIVITY
    if "temperature_deviation" in cells or "previous_night" in contributors:
        return READINESS
    return SCORE if "deep_sleep" in contributors else None


def _is_json(name: str) -> bool:
    return name.lower().endswith(".json")


def _is_oura(name: str, head: bytes) -> bool:
    text = head.decode("utf-8-sig", "replace")
    if not _is_json(name):
        text = text.split("\n")[0]
        if "Total Sleep Duration" in text and text.startswith(("date", '"date"')):
            return True
    fields = set(re.findall(r"[A-Za-z0-9_]+", text))
    return (
        {"bedtime_end", "total_sleep_duration"} <= fields
        or {"day", "steps", "active_calories", "equivalent_walking_distance"} <= fields
        or {"day", "contributors", "score"} <= fields
    )
