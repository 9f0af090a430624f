"""The times of exports: with an offset, or by the clock of a zone.

What belongs here: from a text in a known form to an instant in ISO 8601, and which zone an offset
stands for. What does not: which form an app writes. A text that is not in its form is handed on as
it is; the contract rejects it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from its_pipeline.events.exported import Said
from its_pipeline.events.file_rules import ImportFileError

_OFFSET = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})")


def instant_text(moment: datetime) -> str:
    """Return an aware moment as UTC in ISO 8601."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parsed(text: str, *forms: str) -> datetime | None:
    """Return a text as a time of one of the forms (`strptime`), or None."""
    for form in forms:
        try:
            return datetime.strptime(text.strip(), form)
        except ValueError:
            continue
    return None


def local_instant(text: str, zone: str, *forms: str) -> str:
    """Return the instant at which the clock of a zone showed a time, or the text itself.

    A time that the clock showed twice is the first of the two; one that it left out is as long
    after the change as it would have been without it.
    """
    moment = parsed(text, *forms)
    return text if moment is None else instant_text(moment.replace(tzinfo=_zone(zone)))


def later(instant: str, hours: float) -> str:
    """Return the instant some hours after another; a text that is none as it is."""
    try:
        return instant_text(datetime.fromisoformat(instant) + timedelta(hours=hours))
    except ValueError:
        return instant


def noon(day: str, zone: str) -> str:
    """Return noon of a local date (YYYY-MM-DD) in a zone, or the text itself."""
    return local_instant(f"{day} 12:00", zone, "%Y-%m-%d %H:%M") if parsed(day, "%Y-%m-%d") else day


@lru_cache(maxsize=256)
def offset_zone(offset: str) -> str | None:
    """Return the zone that always has an offset (`+0100`, `+01:00`, `Z`).

    The time zone database has them for whole hours alone; None for any other.
    """
    if offset in ("Z", "UTC"):
        return "Etc/GMT"
    found = _OFFSET.fullmatch(offset)
    if found is None or found[3] != "00" or int(found[2]) > (14 if found[1] == "+" else 12):
        return None
    # The signs of these names are reversed: Etc/GMT-1 is an hour ahead of Greenwich.
    hours = int(found[2])
    sign = "-" if found[1] == "+" else "+"
    return f"Etc/GMT{sign}{hours}" if hours else "Etc/GMT"


def said_zone(said: Said, path: Path, why: str) -> str:
    """Return the time zone that a person has said.

    Raises
    ------
    ImportFileError
        If none was.
    """
    if said.time_zone is None:
        raise ImportFileError(
            f"{path}: {why}; say where it was written, for example --time-zone Europe/Berlin, or "
            "time_zone: Europe/Berlin in the mapping of an inbox"
        )
    return said.time_zone


def zone_of_offset(offset: str, said: Said, path: Path) -> str:
    """Return the zone of an offset that a record has of its own, or the one that was said.

    Raises
    ------
    ImportFileError
        If the offset is not one of whole hours and no zone was said.
    """
    return offset_zone(offset) or said_zone(
        said, path, f"a day's zone cannot be told from the offset {offset!r} alone"
    )


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
