"""Days ingested one portion ahead of whoever tells of them, and which days may not have been told.

What belongs here: that the next portion is made while Dagster is told of the last, and what is kept
on disk of both until it was. What does not: making a portion (`steps`), or telling (`defs`).
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from its_pipeline.files.atomic import write_json
from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.ingest.steps import IngestedDay, ingest_days, portions

if TYPE_CHECKING:
    from its_pipeline.settings import Settings


def ingest_ahead(
    settings: Settings, days: Sequence[date]
) -> Generator[list[IngestedDay], None, None]:
    """Ingest days as `ingest_days` does; the next portion is made while one is looked at.

    A portion counts as told when the one after it is asked for. Until then its days stay among
    `untold_days`, so that a process that is killed in between leaves no day of which nobody is
    told, also of those that were told of before and came again with other events.
    """
    some = list(portions(days))
    with ThreadPoolExecutor(1) as pool:
        coming: Future[list[IngestedDay]] | None = None
        for now, following in zip_longest([(), *some], some, fillvalue=()):
            made = coming.result() if coming is not None else None
            if following:
                coming = pool.submit(_make, settings, now, following)
            if made is not None:
                yield made
    _path(settings).unlink(missing_ok=True)


def untold_days(settings: Settings) -> set[date]:
    """Return the days that an interrupted run may have made without telling of them."""

    def read(path: Path) -> set[date]:
        return {date.fromisoformat(day) for day in json.loads(path.read_bytes())}

    return read_or_set_aside(_path(settings), read, settings.store_root) or set()


def _make(settings: Settings, before: Sequence[date], days: Sequence[date]) -> list[IngestedDay]:
    write_json(_path(settings), [day.isoformat() for day in (*before, *days)])
    return next(ingest_days(settings, days))


def _path(settings: Settings) -> Path:
    return settings.store_root / ".ingest" / "untold.json"
