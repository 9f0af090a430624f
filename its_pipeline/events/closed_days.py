"""What is kept of days whose events are gone: the daily outcomes that they came to, for good.

What belongs here: the record of closed days, and how the aggregation reads it. What does not: which
days are closed, or deleting their events (`ingest.closing`).

A UTC day that is closed takes no event any more. Its events are deleted two days later, because
local days begin up to 14 hours ahead of the UTC day and end up to 12 after it: the outcomes of
local days ahead of the last closed day are complete and kept here; those of later ones are made of
events, as ever.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow.parquet as pq

from its_pipeline.files.atomic import finished_folder, remove_unfinished, write_json
from its_pipeline.files.contents import CONTENTS_FILE, differing, read_contents, write_contents
from its_pipeline.files.damage import DAMAGE, is_of_the_machine

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

OUTCOMES_FILE: Final = "daily_outcomes.parquet"
PEOPLE_FILE: Final = "people.parquet"
RECORD_FILE: Final = "closed.json"


class ClosedDaysError(RuntimeError):
    """What is kept of closed days cannot be read: nothing else has it."""


class ClosedDayError(ValueError):
    """A day is closed, so its events cannot be taken or made again."""

    def __init__(self, day: date, through: date) -> None:
        super().__init__(
            f"the events of {day} are not kept any more: UTC days up to {through} are closed "
            "(ITS_KEEP_EVENTS_DAYS), and their daily outcomes stay as they were computed; name "
            "later days"
        )


@dataclass(frozen=True)
class ClosedDays:
    """The closed days of a store.

    Attributes
    ----------
    folder
        Where their record lies.
    through
        The last closed UTC day, **INCLUSIVE**.
    """

    folder: Path
    through: date

    @property
    def outcomes(self) -> Path:
        """Daily outcomes of the local days up to `last_local_on`, sorted as ever."""
        return self.folder / OUTCOMES_FILE

    @property
    def people(self) -> Path:
        """A row a person: first and last local day with any event, zone last seen, and when."""
        return self.folder / PEOPLE_FILE

    @property
    def last_local_on(self) -> date:
        """The last local day whose outcomes are kept here, **INCLUSIVE**."""
        return self.through - timedelta(days=1)

    @property
    def gone_through(self) -> date:
        """The last UTC day whose events are not needed any more, **INCLUSIVE**."""
        return self.through - timedelta(days=2)


def closed_days_dir(settings: Settings) -> Path:
    """Return the folder of the record of closed days; one sub-folder a version of it."""
    return settings.store_root / "closed_days"


def closed_days(settings: Settings) -> ClosedDays | None:
    """Return the closed days of a store; None where no day was ever closed.

    Raises
    ------
    ClosedDaysError
        Their record is damaged.
    """
    folder = newest_version(settings)
    if folder is None:
        return None
    if damage := closed_days_damage(folder):
        if newest_version(settings) != folder:
            return closed_days(settings)  # Somebody wrote the next version meanwhile.
        raise ClosedDaysError(
            f"{folder}: {damage}. It holds the daily outcomes of days whose events are gone, which "
            "nothing makes again: put this folder back from a backup"
        )
    try:
        record = json.loads((folder / RECORD_FILE).read_bytes())
    except FileNotFoundError:
        return closed_days(settings)
    return ClosedDays(folder, date.fromisoformat(record["through"]))


def closed_days_damage(folder: Path, *, thorough: bool = False) -> str:
    """Return how a version of the record is damaged; empty where it is not."""
    try:
        contents = read_contents(folder / CONTENTS_FILE)
        found = differing(folder, contents, thorough=thorough)
    except DAMAGE as error:
        if is_of_the_machine(error):
            raise
        return f"{type(error).__name__}: {error}"
    return "; ".join(f"{name}: {why}" for name, why in found.items())


def newest_version(settings: Settings) -> Path | None:
    """Return the folder of the newest version of the record, damaged or not; None without any."""
    return next(reversed(_versions(closed_days_dir(settings))), None)


def write_closed_days(
    settings: Settings, through: date, write: Callable[[Path, Path], None]
) -> ClosedDays:
    """Write the next version of the record whole or not at all, and delete the versions before.

    Only one process may do so at a time, and nobody may be reading it: whoever builds the daily
    outcomes holds the lock that is for both.

    Parameters
    ----------
    settings
        The installation.
    through
        The last closed day.
    write
        Writes the files of outcomes and of people, at the paths that it is given.
    """
    root = closed_days_dir(settings)
    versions = _versions(root)
    number = int(versions[-1].name) + 1 if versions else 1
    folder = root / f"{number:06d}"
    root.mkdir(parents=True, exist_ok=True)
    remove_unfinished(root)
    with finished_folder(folder) as unfinished:
        write(unfinished / OUTCOMES_FILE, unfinished / PEOPLE_FILE)
        for name in (OUTCOMES_FILE, PEOPLE_FILE):
            pq.read_metadata(unfinished / name)
        write_json(unfinished / RECORD_FILE, {"through": through.isoformat()})
        write_contents(unfinished, (OUTCOMES_FILE, PEOPLE_FILE, RECORD_FILE))
    delete_earlier_versions(settings)
    return ClosedDays(folder, through)


def delete_earlier_versions(settings: Settings) -> None:
    """Delete all versions of the record but the newest, and what an interrupted writer left."""
    root = closed_days_dir(settings)
    remove_unfinished(root)
    for folder in _versions(root)[:-1]:
        shutil.rmtree(folder)


def _versions(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(entry for entry in root.iterdir() if re.fullmatch(r"\d{6}", entry.name))
