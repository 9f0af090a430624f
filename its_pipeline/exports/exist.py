"""Exist: its full export in JSON, a file an attribute, and its API's attributes with their values.

What belongs here: Exist's attributes and their units. What does not: asking the API, and the CSV
form of the export, of which no example is published.

The export's files are named and shaped as smklancher/ExistExportToSQL FileNameParts.cs and
DataJson.cs read them: data, the attribute and the year (older ones the attribute alone), a list of
`{"date": ..., "value": ...}`. Attributes, units and the API's form as hellocodeco/exist-api-docs
has them in its reference of object types and its guide to reading. A day without data has a null,
or in quantities a 0 by default: where nobody can have 0, that is no value.

An attribute that is not Exist's own and is 0 or 1 on all of its days is a custom tag: yes (1) or no
(0) from the first day it was ever used. Texts are not read.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final, NamedTuple

from its_pipeline.events.exported import Reading, Said
from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.exports.base import AppExport, all_of, by_field
from its_pipeline.exports.files import ExportFiles, base_name
from its_pipeline.exports.measures import Measure, scaled
from its_pipeline.exports.times import noon, said_zone

_KCAL: Final = 1 / 4.184
_HOURS: Final = 1 / 60


def _count(field: str, label: str, unit: str, most: float = 100_000.0) -> Measure:
    return Measure(field, field, label, unit, "mean", most)


def _minutes(field: str, name: str, label: str) -> Measure:
    return Measure(field, name, label, "minutes", "mean", 1440.0)


def _heart(field: str, name: str, label: str) -> Measure:
    return Measure(field, name, label, "beats/min", "mean", 300.0, 20.0)


def _scale(field: str, name: str, label: str) -> Measure:
    return Measure(field, name, label, "1 to 9", "mean", 9.0, 1.0)


def _hours(field: str, name: str, label: str, unit: str = "hours", most: float = 24.0) -> Measure:
    return Measure(field, name, label, unit, "mean", most, factor=_HOURS)


KNOWN: Final = by_field(
    _count("steps", "Steps", "steps", 200_000.0),
    _minutes("steps_active_min", "active_minutes", "Active"),
    Measure("steps_distance", "distance_km", "Distance", "km", "mean", 300.0),
    _count("floors", "Floors", "floors", 2000.0),
    _count("stand_hours", "Stand hours", "hours", 24.0),
    _minutes("cycle_min", "cycling_minutes", "Cycling"),
    Measure("cycle_distance", "cycling_km", "Cycling distance", "km", "mean", 1000.0),
    Measure(
        "active_energy",
        "active_energy_kcal",
        "Active energy",
        "kcal",
        "mean",
        20_000.0,
        factor=_KCAL,
    ),
    _count("workouts", "Workouts", "workouts", 100.0),
    _minutes("workouts_min", "workout_minutes", "Workouts"),
    _minutes("productive_min", "productive_minutes", "Productive time"),
    _minutes("neutral_min", "neutral_minutes", "Neutral time"),
    _minutes("distracting_min", "distracting_minutes", "Distracting time"),
    _count("tasks_completed", "Tasks completed", "tasks"),
    _count("words_written", "Words written", "words", 1e6),
    _count("emails_sent", "Emails sent", "emails"),
    _count("emails_received", "Emails received", "emails"),
    _count("coffees", "Coffees", "coffees", 100.0),
    _count("alcoholic_drinks", "Alcoholic drinks", "drinks", 100.0),
    Measure("energy", "eaten_kcal", "Energy eaten", "kcal", "mean", 30_000.0, factor=_KCAL),
    Measure("water", "water_ml", "Water", "ml", "mean", 30_000.0),
    Measure("caffeine", "caffeine_mg", "Caffeine", "mg", "mean", 10_000.0),
    Measure("sugar", "sugar_g", "Sugar", "g", "mean", 10_000.0),
    _scale("mood", "mood", "Mood"),
    _scale("energy_level", "energy_level", "Energy level"),
    _scale("stress_level", "stress_level", "Stress level"),
    _hours("sleep", "sleep_hours", "Sleep"),
    _hours("time_in_bed", "in_bed_hours", "In bed"),
    _hours("sleep_start", "sleep_start_hours", "Fell asleep", "hours after noon", 36.0),
    _hours("sleep_end", "sleep_end_hours", "Woke up", "hours after midnight", 36.0),
    _count("sleep_awakenings", "Awakenings", "awakenings", 1000.0),
    _count("events", "Calendar events", "events", 1000.0),
    _minutes("events_duration", "event_minutes", "Time in events"),
    Measure("weight", "weight_kg", "Weight", "kg", "mean", 500.0, 10.0),
    Measure("body_fat", "body_fat_percent", "Body fat", "%", "mean", 100.0, factor=100.0),
    Measure("lean_mass", "lean_mass_kg", "Lean mass", "kg", "mean", 300.0, 5.0),
    _heart("heartrate", "heart_rate", "Heart rate"),
    _heart("heartrate_max", "maximum_heart_rate", "Maximum heart rate"),
    _heart("heartrate_resting", "resting_heart_rate", "Resting heart rate"),
    _minutes("meditation_min", "meditation_minutes", "Meditation"),
    _count("tracks", "Tracks played", "tracks"),
    _count("pages_read", "Pages read", "pages"),
    _minutes("mobile_screen_min", "phone_minutes", "Phone screen time"),
    _minutes("gaming_min", "gaming_minutes", "Gaming"),
    _minutes("tv_min", "tv_minutes", "Television"),
)
"""Exist's own attributes that somebody may want to change."""

NEVER_ZERO: Final = frozenset(
    {"steps", "steps_distance", "mood", "energy_level", "stress_level", "sleep", "time_in_bed"}
    | {"energy", "weight", "body_fat", "lean_mass"}
    | {"heartrate", "heartrate_max", "heartrate_resting"}
)
"""Attributes of which a 0 is Exist's default for a day without data."""

NOT_READ: Final = re.compile(
    "averages|correlations|mood_note|custom|location|location_name|checkins|day_length|menstrual_flow"
    "|(weather|twitter|facebook|instagram)_.*|tweets|.*_goal"
)
"""Texts, what nobody can change, and what Exist derives."""

MOST_OF_OWN: Final = 1e9
"""Largest number of an attribute of one's own, which has no unit."""

_STRING: Final = "2"
"""The API's value type of a text."""

_FILE = re.compile(r"(?:data_)?(.+?)(?:_(?:19|20)[0-9]{2})?\.json", re.IGNORECASE)
_PAGE, _BY_DAY = "page", "by day"
_PAGE_FIELDS: Final = (b'"results"', b'"value_type"', b'"values"', b'"template"')


class Value(NamedTuple):
    """One day of an attribute."""

    day: str
    value: str
    place: str


class Exist(AppExport):
    """An export of Exist."""

    name = "exist"
    app = "Exist"
    measures = all_of(KNOWN)

    @classmethod
    def recognised(cls, files: ExportFiles) -> Exist | None:
        """Return the export if there is a page of the API, or a known attribute by day."""
        export = cls(files)
        for name, head in files.heads(lambda name: name.lower().endswith(".json")):
            if all(field in head for field in _PAGE_FIELDS):
                export.kinds[name] = _PAGE
            elif _is_by_day(head):
                export.kinds[name] = _BY_DAY
        known = any(
            kind == _PAGE or _attribute(name) in KNOWN for name, kind in export.kinds.items()
        )
        return export if known else None

    def wanted(self, name: str) -> bool:
        """Tell whether a file of this name is read."""
        kind = self.kinds.get(name)
        return kind == _PAGE or (kind == _BY_DAY and not NOT_READ.fullmatch(_attribute(name)))

    def readings(self, said: Said, left_out: Counter[tuple[str, str]]) -> Iterator[Reading]:
        """Return the readings, attribute after attribute.

        Raises
        ------
        ImportFileError
            If no time zone was said, or a file is broken.
        """
        zone = said_zone(said, self.path, "Exist has days without a time zone")
        opened = self.files.each(self.wanted)
        for attribute, members in groupby(opened, lambda member: _attribute(member[0])):
            values: list[Value] = []
            for name, stream in members:
                document = self.files.document(name, stream)
                if self.kinds[name] == _PAGE:
                    yield from self._of_page(document, name, zone)
                else:
                    values += self._values(document, name)
            yield from self._of(attribute, values, zone)

    def _of_page(self, page: Any, name: str, zone: str) -> Iterator[Reading]:
        results = page.get("results") if isinstance(page, dict) else None
        for place, found in self.files.records(results, name, "attribute"):
            attribute = str(found.get("name"))
            if found.get("value_type") == _STRING or NOT_READ.fullmatch(attribute):
                continue
            values = self._values(found.get("values"), place)
            yield from self._of(attribute, values, zone)

    def _values(self, records: Any, place: str) -> list[Value]:
        """Return the days of an attribute that have a value."""
        if not isinstance(records, list):
            raise ImportFileError(f"{self.path}: {place}: not a list of days; export it again")
        values = []
        for number, record in enumerate(records, start=1):
            at = f"{place}, record {number}"
            if not isinstance(record, dict) or not {"date", "value"} <= record.keys():
                raise ImportFileError(f"{self.path}: {at}: not a date and a value; export it again")
            if (value := record["value"]) is not None:
                text = str(int(value)) if isinstance(value, bool) else str(value)
                values.append(Value(str(record["date"]), text, at))
        return sorted(values)

    def _of(self, attribute: str, values: list[Value], zone: str) -> Iterator[Reading]:
        factor, called = 1.0, attribute.replace("_", " ")
        if measure := KNOWN.get(attribute):
            metric, factor = self.metric_name(measure.name), measure.factor
            if attribute in NEVER_ZERO:
                values = [found for found in values if _number(found.value) != 0]
        elif all(_number(found.value) in (0, 1) for found in values):
            metric = self.metric_of_own("tag", called, "yes or no", 1.0)
            used = [at for at, found in enumerate(values) if _number(found.value) == 1]
            values = values[used[0] :] if used else []
        elif any(math.isfinite(_number(found.value)) for found in values):
            metric = self.metric_of_own("custom", called, "", MOST_OF_OWN, -MOST_OF_OWN)
        else:
            return
        for found in values:
            at = noon(found.day, zone)
            value = scaled(found.value, factor)
            yield Reading(metric, value, at, at, at, zone, self.app, found.place)


def _attribute(name: str) -> str:
    """Return the attribute that a file is about, from the file's name."""
    found = _FILE.fullmatch(base_name(name))
    return found[1].lower() if found else ""


def _is_by_day(head: bytes) -> bool:
    """Tell whether a file begins as a list of dates with values."""
    text = head.decode("utf-8-sig", "replace").lstrip()
    try:
        first, _ = json.JSONDecoder().raw_decode(text, text.index("{"))
    except (ValueError, RecursionError):
        return False
    return text.startswith("[") and first.keys() == {"date", "value"}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
