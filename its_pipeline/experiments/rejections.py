"""How many of a person's events the contract rejected, for the page.

What belongs here: counting the quarantine by person, day and rule, once for many experiments. What
does not: the quarantine itself (`events`, `stores.lake`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from functools import cached_property
from pathlib import Path


class Rejections:
    """Counts over the whole quarantine, read when they are first asked for.

    Parameters
    ----------
    lake_dir
        ``Settings.lake_dir``.
    """

    def __init__(self, lake_dir: Path) -> None:
        self.lake_dir = lake_dir

    @cached_property
    def _counts(self) -> dict[str, list[tuple[date, str, int]]]:
        import duckdb

        from its_pipeline.stores.lake import REJECTED_EVENTS, Lake

        lake = Lake(self.lake_dir)
        files = [
            str(lake.path(REJECTED_EVENTS, day))
            for day in lake.days(REJECTED_EVENTS)
            if lake.is_readable(REJECTED_EVENTS, day)
        ]
        if not files:
            return {}
        with duckdb.connect() as connection:
            rows = connection.execute(
                "select user_id, day::date, rule, count(*) "
                "from read_parquet(?, hive_partitioning = true) group by all",
                [files],
            ).fetchall()
        found: defaultdict[str, list[tuple[date, str, int]]] = defaultdict(list)
        for user_id, day, rule, count in rows:
            found[str(user_id)].append((day, rule, count))
        return dict(found)

    def of(self, user_id: str, from_on: date | None, until_on: date | None) -> dict[str, int]:
        """Return rule to number of rejected rows of a person in UTC days, both ends INCLUSIVE."""
        counts: Counter[str] = Counter()
        for day, rule, count in self._counts.get(user_id, []):
            if (from_on is None or day >= from_on) and (until_on is None or day <= until_on):
                counts[rule] += count
        return dict(sorted(counts.items()))
