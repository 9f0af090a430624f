"""A schedule as files for people: a calendar for a phone, a table for a spreadsheet.

What belongs here: the text of both. What does not: where it is written, or how days are drawn
(`assignments`). Both tell the schedule as it was set, not what was done otherwise.

The calendar is written without a library: icalendar is no dependency of ours, and all-day events
need seven properties of RFC 5545, whose rules on folding and escaping are a few lines below.
Importing this module loads the standard library alone.
"""

from __future__ import annotations

import csv
import hashlib
import io
import unicodedata
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from its_pipeline.schedules.schedule import Schedule

_DAY = timedelta(days=1)

_LINE_OCTETS = 75
"""RFC 5545, section 3.1: longest line in octets, without its break."""


def calendar(schedule: Schedule, name: str, until_on: date) -> str:
    """Return a calendar file (.ics, RFC 5545) with one all-day event for each run of days on.

    The identifiers depend on the name and on the run's first day alone, so that a calendar which
    is read in again replaces its events.

    Parameters
    ----------
    schedule
        What is put into the calendar.
    name
        What the events are called, e.g. "Magnesium".
    until_on
        Last day that is told, **INCLUSIVE**; a later part of a run is left out.

    Raises
    ------
    ValueError
        If the name is blank or holds control characters, or no day is on by `until_on`.
    """
    text = _escaped(name)
    runs = list(_runs(schedule, until_on))
    if not runs:
        raise ValueError(
            f"a calendar needs at least one day on but none is on by {until_on}; the first is "
            f"{schedule.first_on}"
        )
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//its_pipeline//schedules//EN"]
    for first, last in runs:
        key = hashlib.sha256(f"{name}\n{first.isoformat()}".encode()).hexdigest()
        lines += [
            "BEGIN:VEVENT",
            f"UID:{key[:32]}@its-pipeline",
            f"DTSTAMP:{_stamp(schedule):%Y%m%dT%H%M%SZ}",
            f"DTSTART;VALUE=DATE:{first:%Y%m%d}",
            # The end of an all-day event is EXCLUSIVE (RFC 5545, section 3.6.1).
            f"DTEND;VALUE=DATE:{last + _DAY:%Y%m%d}",
            f"SUMMARY:{text}",
            # A day on does not make its owner busy.
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(f"{part}\r\n" for line in lines for part in _folded(line))


def table(schedule: Schedule, from_on: date, to_on: date) -> str:
    """Return a table (CSV) of days and whether each is on, 1 or 0.

    Parameters
    ----------
    schedule
        What is told.
    from_on, to_on
        First and last day, **INCLUSIVE**.

    Raises
    ------
    ValueError
        If the last day is earlier than the first.
    """
    if to_on < from_on:
        raise ValueError(
            f"a table's last day, {to_on}, must not be earlier than its first, {from_on}; both "
            "are INCLUSIVE"
        )
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["day", "on"])
    for i in range((to_on - from_on).days + 1):
        day = from_on + i * _DAY
        rows.writerow([day.isoformat(), int(schedule.is_on(day))])
    return text.getvalue()


def _runs(schedule: Schedule, until_on: date) -> Iterator[tuple[date, date]]:
    for period in schedule.on_periods:
        if period.from_on <= until_on:
            yield period.from_on, min(period.to_on or until_on, until_on)


def _stamp(schedule: Schedule) -> datetime:
    """Return when the schedule was made; midnight of its first day where that is not known."""
    mechanism = schedule.mechanism
    if mechanism is not None and mechanism.drawn_at is not None:
        return mechanism.drawn_at.astimezone(UTC)
    return datetime.combine(schedule.first_on, time(tzinfo=UTC))


def _escaped(name: str) -> str:
    """Return a name as a TEXT value (RFC 5545, section 3.3.11)."""
    lines = "\n".join(name.splitlines())
    forbidden = [c for c in lines if unicodedata.category(c) == "Cc" and c not in "\n\t"]
    if not lines.strip() or forbidden:
        raise ValueError(
            f"an event's name must be text without control characters but got {name!r}"
        )
    for plain, escaped in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\n", "\\n")):
        lines = lines.replace(plain, escaped)
    return lines


def _folded(line: str) -> Iterator[str]:
    """Yield a line in parts of at most 75 octets, a space ahead of each but the first.

    No character is cut: readers that decode each line by itself exist.
    """
    part = ""
    for character in line:
        if len((part + character).encode()) > _LINE_OCTETS:
            yield part
            part = " "
        part += character
    yield part
