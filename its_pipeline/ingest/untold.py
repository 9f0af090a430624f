"""Days that may have been made without anybody being told of them: what is kept until they are.

What belongs here: the files, and what becomes of those of killed runs. What does not: making days
(`ahead`, `steps`), or telling of them (`defs`).

``<store root>/.ingest/``

======================== ======================================================================
``untold-<run>.json``    days that a run has made, or is about to make, and has not told of yet
``.untold-<run>.lock``   held by that run as long as it lives
``.runs.lock``           held by whoever begins, ends or takes over
``untold.json``          of a run of an earlier version
======================== ======================================================================

Several runs may go on at once, each with a file of its own. A file whose lock nobody holds is that
of a killed run: the next one that begins takes over its days, and keeps those that it does not make
itself for the one after it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from its_pipeline.files.atomic import exclusive, held_by_nobody, remove_unfinished, write_json
from its_pipeline.files.damage import read_or_set_aside

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

_FOLDER: Final = ".ingest"
_LOCK: Final = ".runs.lock"


class UntoldDays:
    """The untold days of one run, as a context: whoever leaves it by an error leaves them there.

    Parameters
    ----------
    settings
        The installation.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.store_root / _FOLDER
        self._path = self._folder / f"untold-{uuid.uuid4().hex}.json"
        self._held = ExitStack()
        self._taken_over: set[date] = set()

    def __enter__(self) -> Self:
        with exclusive(self._folder / _LOCK):
            remove_unfinished(self._folder)
            self._held.enter_context(exclusive(_lock_of(self._path)))
            left = [path for path in _files(self._folder) if held_by_nobody(_lock_of(path))]
            self._taken_over = set().union(*(_days(self._settings, path) for path in left))
            if self._taken_over:
                self.write([])
            for path in left:
                _delete(path)
        return self

    def write(self, days: Iterable[date]) -> None:
        """Replace the days that this run has not told of, beside those that it took over."""
        both = sorted(self._taken_over.union(days))
        write_json(self._path, [day.isoformat() for day in both])

    def told(self, days: Iterable[date]) -> None:
        """Note that days which were taken over have been made again, and told of."""
        self._taken_over.difference_update(days)

    def __exit__(self, error: object, *_: object) -> None:
        with self._held, exclusive(self._folder / _LOCK):
            if error is not None:
                return
            if self._taken_over:
                self.write([])
            else:
                _delete(self._path)


def untold_days(settings: Settings) -> set[date]:
    """Return the days that runs may have made without telling of them, interrupted or going on."""
    files = _files(settings.store_root / _FOLDER)
    return set().union(*(_days(settings, path) for path in files))


def _files(folder: Path) -> list[Path]:
    return sorted([*folder.glob("untold-*.json"), *folder.glob("untold.json")])


def _days(settings: Settings, path: Path) -> set[date]:
    def read(file: Path) -> set[date]:
        return {date.fromisoformat(day) for day in json.loads(file.read_bytes())}

    return read_or_set_aside(path, read, settings.store_root) or set()


def _lock_of(path: Path) -> Path:
    return path.with_name(f".{path.stem}.lock")


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    if path.name != "untold.json":
        _lock_of(path).unlink(missing_ok=True)
