"""Days ingested one portion ahead of whoever tells of them.

What belongs here: that the next portion is made while Dagster is told of the last. What does not:
what is kept of days that nobody was told of (`untold`), making a portion (`steps`), or telling
(`defs`).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from itertools import zip_longest
from typing import TYPE_CHECKING

from its_pipeline.ingest.steps import IngestedDay, ingest_days, portions
from its_pipeline.ingest.untold import UntoldDays

if TYPE_CHECKING:
    from its_pipeline.settings import Settings


def ingest_ahead(
    settings: Settings, days: Sequence[date]
) -> Generator[list[IngestedDay], None, None]:
    """Ingest days as `ingest_days` does; the next portion is made while one is looked at.

    A portion counts as told when the one after it is asked for. Until then its days stay among
    `untold.untold_days`, so that a process that is killed in between leaves no day of which nobody
    is told, also of those that were told of before and came again with other events.
    """
    some = list(portions(days))
    with UntoldDays(settings) as untold, ThreadPoolExecutor(1) as pool:

        def make(before: Sequence[date], portion: Sequence[date]) -> list[IngestedDay]:
            untold.write([*before, *portion])
            return next(ingest_days(settings, portion))

        coming: Future[list[IngestedDay]] | None = None
        for now, following in zip_longest([(), *some], some, fillvalue=()):
            made = coming.result() if coming is not None else None
            if following:
                coming = pool.submit(make, now, following)
            if made is not None:
                yield made
                untold.told(day.day for day in made)
