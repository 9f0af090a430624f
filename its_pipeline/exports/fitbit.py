"""Fitbit: the account's archive, and Google Takeout's, as a file, a folder or a ZIP of many files.

What belongs here: which files are which metric, and their JSON and CSV forms. What does not:
choosing between the two forms of the same day (`events.exported`).

Format as in technoshaman001/physicalactivitybiometrics (`heart_rate-2021-01-01.json`,
`steps-2021-01-12.json`); sleep, daily values and CSV made to the form. Minutes and heart rates are
in UTC: each of those files begins at local midnight, which stands there as `01/01/21 06:00:00` for
somebody six hours west of Greenwich. A day's values (`00:00:00` of a date) and sleep are by the
local clock. Takeout's newer CSV files have instants with `Z`. A resting heart rate of 0 without a
date means that there was none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, Final

from its_pipeline.events.exported import Reading, Said
from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.exports.base import AppExport, all_of, by_field
from its_pipeline.exports.files import ExportFiles, Row, base_name, cell_text, first_line
from its_pipeline.exports.measures import Measure, hours, scaled
from its_pipeline.exports.times import local_instant, noon, parsed, said_zone

_STAMP: Final = "%m/%d/%y %H:%M:%S"
_SLEEP_TIMES: Final = ("%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S")

DENSE: Final = by_field(
    Measure("steps", "steps", "Steps", "steps", "sum", 100_000.0, hourly=True),
    Measure(
        "heart_rate", "heart_rate", "Heart rate", "beats/min", "mean", 300.0, 20.0, hourly=True
    ),
)
"""What is measured by the minute or oftener, by the beginning of the file's name."""

DAILY: Final = by_field(
    Measure(
        "resting_heart_rate",
        "resting_heart_rate",
        "Resting heart rate",
        "beats/min",
        "mean",
        200.0,
        20.0,
    ),
    Measure("very_active_minutes", "very_active_minutes", "Very active", "minutes", "sum", 1440.0),
    Measure(
        "moderately_active_minutes",
        "moderately_active_minutes",
        "Moderately active",
        "minutes",
        "sum",
        1440.0,
    ),
    Measure("sedentary_minutes", "sedentary_minutes", "Sedentary", "minutes", "sum", 1440.0),
)
"""What is there once a day, by the beginning of the file's name."""

NIGHT: Final = by_field(
    hours("minutesAsleep", "sleep", 1 / 60),
    hours("timeInBed", "in_bed", 1 / 60),
    hours("minutesAwake", "awake", 1 / 60),
)
STAGES: Final = by_field(
    hours("deep", "deep_sleep", 1 / 60),
    hours("light", "light_sleep", 1 / 60),
    hours("rem", "rem_sleep", 1 / 60),
)

CSV_COLUMNS: Final = {
    "steps": ("steps", DENSE["steps"]),
    "heart_rate": ("beats per minute", DENSE["heart_rate"]),
    "daily_resting_heart_rate": ("beats per minute", DAILY["resting_heart_rate"]),
}
"""Column and measure of Takeout's CSV files, by the beginning of the file's name."""

_JSON_FILE = re.compile(r"([a-z_]+)-[0-9]{4}-[0-9]{2}-[0-9]{2}( ?\([0-9]+\))?\.json")
_UTC_STAMP = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{2}) ([0-9]{2}:[0-9]{2}:[0-9]{2})")
_CSV_FILE = re.compile(r"([a-z_]+?)(_[0-9]{4}-[0-9]{2}-[0-9]{2})?\.csv")


class Fitbit(AppExport):
    """An export of Fitbit."""

    name = "fitbit"
    app = "Fitbit"
    measures = all_of(DENSE, DAILY, NIGHT, STAGES)

    @classmethod
    def recognised(cls, files: ExportFiles) -> Fitbit | None:
        """Return the export if a file of a known name has what such a file has."""
        export = cls(files)
        heads = files.heads(export.wanted)
        found = any(_is_fitbit(base_name(name), head) for name, head in heads)
        return export if found else None

    def wanted(self, name: str) -> bool:
        """Tell whether a file of this name is read."""
        return _json_kind(base_name(name)) is not None or _csv_kind(base_name(name)) is not None

    def readings(self, said: Said, left_out: Counter[tuple[str, str]]) -> Iterator[Reading]:
        """Return the readings, file after file.

        Raises
        ------
        ImportFileError
            If no time zone was said, or a file is broken.
        """
        zone = said_zone(said, self.path, "Fitbit's files do not say in which time zone one lived")
        for name, stream in self.files.each(self.wanted):
            if csv_kind := _csv_kind(base_name(name)):
                yield from self._of_csv(name, stream, csv_kind, zone)
            else:
                yield from self._of_json(name, stream, zone)

    def _of_csv(self, name: str, stream: BinaryIO, kind: str, zone: str) -> Iterator[Reading]:
        column, measure = CSV_COLUMNS[kind]
        metric = self.metric_name(measure.name)
        for row in self.files.rows(name, stream):
            if "timestamp" not in row.cells or column not in row.cells:
                raise ImportFileError(
                    f"{self.path}: {name}: a column 'timestamp' or {column!r} is missing; the file "
                    f"has {', '.join(row.cells)}"
                )
            at = row.cells["timestamp"]
            if kind.startswith("daily_"):
                at = noon(at[:10], zone)
            device = row.cells.get("data source", "")
            source = f"{self.app} (Takeout) {device}".strip()
            yield Reading(metric, row.cells[column], at, at, at, zone, source, row.place)

    def _of_json(self, name: str, stream: BinaryIO, zone: str) -> Iterator[Reading]:
        kind = _json_kind(base_name(name))
        for place, record in self.files.records(self.files.document(name, stream), name):
            if kind == "sleep":
                yield from self._of_night(record, place, zone)
            elif kind in DENSE:
                at = _utc(cell_text(record.get("dateTime")))
                value = record.get("value")
                value = value.get("bpm") if isinstance(value, dict) else value
                metric = self.metric_name(DENSE[kind].name)
                yield Reading(metric, cell_text(value), at, at, at, zone, self.app, place)
            else:
                yield from self._of_day(record, DAILY[kind or ""], place, zone)

    def _of_day(self, record: dict, measure: Measure, place: str, zone: str) -> Iterator[Reading]:
        value, stamp = record.get("value"), cell_text(record.get("dateTime"))
        if isinstance(value, dict):
            if value.get("date") is None:
                return
            value = value.get("value")
        day = parsed(stamp, _STAMP)
        at = stamp if day is None else noon(f"{day:%Y-%m-%d}", zone)
        metric = self.metric_name(measure.name)
        yield Reading(metric, cell_text(value), at, at, at, zone, self.app, place)

    def _of_night(self, record: dict, place: str, zone: str) -> Iterator[Reading]:
        started = local_instant(cell_text(record.get("startTime")), zone, *_SLEEP_TIMES)
        ended = local_instant(cell_text(record.get("endTime")), zone, *_SLEEP_TIMES)
        times = (started, ended, ended)
        cells = {field: cell_text(record.get(field)) for field in NIGHT}
        cells["minutesAsleep"] = cells["minutesAsleep"] or "is missing"
        yield from self.of_row(Row(place, cells), NIGHT, times, zone)
        levels = record.get("levels")
        summary = levels.get("summary") if isinstance(levels, dict) else None
        for stage, measure in STAGES.items():
            found = summary.get(stage) if isinstance(summary, dict) else None
            if isinstance(found, dict):
                value = scaled(cell_text(found.get("minutes")), measure.factor)
                metric = self.metric_name(measure.name)
                yield Reading(metric, value, *times, zone, self.app, place)


def _json_kind(name: str) -> str | None:
    found = _JSON_FILE.fullmatch(name)
    known = found is not None and (found[1] in DENSE or found[1] in DAILY or found[1] == "sleep")
    return found[1] if found and known else None


def _csv_kind(name: str) -> str | None:
    found = _CSV_FILE.fullmatch(name)
    return found[1] if found and found[1] in CSV_COLUMNS else None


def _is_fitbit(name: str, head: bytes) -> bool:
    if kind := _csv_kind(name):
        header = first_line(head).split(",")
        return header[0] == "timestamp" and CSV_COLUMNS[kind][0] in header
    marks = (b'"dateOfSleep"', b'"logId"') if _json_kind(name) == "sleep" else (b'"dateTime"',)
    return head.lstrip(b"\xef\xbb\xbf \r\n").startswith(b"[") and all(m in head for m in marks)


def _utc(stamp: str) -> str:
    """Return `01/01/21 06:00:00` as an instant, and any other text as it is."""
    found = _UTC_STAMP.fullmatch(stamp)
    return f"20{found[3]}-{found[1]}-{found[2]}T{found[4]}Z" if found else stamp
