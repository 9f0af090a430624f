"""What Dagster's partitions are: UTC days of events, experiments or their shards, and kinds.

What belongs here: the partitions definitions and the registration of experiments or shards. What
does not: deciding which experiments there are, that is the intervention log; or whether a store has
shards (`experiments.sharding`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Final

import dagster as dg

from its_pipeline.defs.recording import told_together
from its_pipeline.experiments.sharding import Shard
from its_pipeline.settings import Settings

#: One partition an experiment, or a shard of very many (`Shard.name`); an experiment's key is
#: ``user_id|intervention_id`` (`events.keys`).
#: One-dimensional on purpose: most pairs of a user and an intervention can never exist, and a grid
#: would show them as missing for ever.
EXPERIMENTS: Final = dg.DynamicPartitionsDefinition(name="experiment")

#: One partition a kind of enough people and its metric; the key is ``kind|metric``.
KINDS: Final = dg.DynamicPartitionsDefinition(name="kind")

_DAY_FOLDER = re.compile(r"day=(\d{4}-\d{2}-\d{2})")
_DAYS_WITHOUT_EVENTS = 90
_NAME: Final = EXPERIMENTS.name or ""
#: Partitions in one query or transaction: SQLite takes no more than 36,000 values in one, and
#: whoever else writes waits for a second.
_AT_ONCE: Final = 1_000


def event_days(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Return the UTC days that events may lie on, today (still growing) included.

    Parameters
    ----------
    settings
        ``first_day_on`` is the first day; without it, the first day in the lake; without a lake,
        90 days ago.
    """
    start_on = settings.first_day_on or first_lake_day(settings) or _default_start(settings)
    end_offset = 1
    if settings.today_on is not None:
        # The pretended today, not the clock's, is the last day.
        end_on = settings.today_on + timedelta(days=1)
        return dg.DailyPartitionsDefinition(
            start_date=start_on.isoformat(), end_date=end_on.isoformat()
        )
    return dg.DailyPartitionsDefinition(start_date=start_on.isoformat(), end_offset=end_offset)


def first_lake_day(settings: Settings) -> date | None:
    """Return the first UTC day that has events in the lake, or had them until closed, or None."""
    folders = [settings.lake_dir / name for name in ("behavioral_events", "closed_events")]
    entries = (entry for folder in folders if folder.is_dir() for entry in folder.iterdir())
    days = (_DAY_FOLDER.fullmatch(entry.name) for entry in entries)
    return min((date.fromisoformat(day[1]) for day in days if day), default=None)


def _default_start(settings: Settings) -> date:
    return settings.utc_today() - timedelta(days=_DAYS_WITHOUT_EVENTS)


def register_experiments(instance: dg.DagsterInstance, keys: Iterable[str]) -> list[str]:
    """Make partitions of the keys that are none yet, and take away shards; return the new ones."""
    known = set(instance.get_dynamic_partitions(_NAME))
    _take_away(instance, [name for name in known if Shard.of_name(name) is not None])
    missing = sorted(set(keys) - known)
    _add(instance, missing)
    return missing


def register_shards(instance: dg.DagsterInstance, shards: Sequence[Shard]) -> list[str]:
    """Make partitions of shards, and take away all others; return the new ones.

    What Dagster recorded of partitions that are taken away stays.
    """
    known = set(instance.get_dynamic_partitions(_NAME))
    wanted = [shard.name for shard in shards]
    _take_away(instance, known.difference(wanted))
    missing = [name for name in wanted if name not in known]
    _add(instance, missing)
    return missing


def _add(instance: dg.DagsterInstance, names: Sequence[str]) -> None:
    for start in range(0, len(names), _AT_ONCE):
        instance.add_dynamic_partitions(_NAME, names[start : start + _AT_ONCE])


def _take_away(instance: dg.DagsterInstance, names: Iterable[str]) -> None:
    gone = sorted(names)
    for start in range(0, len(gone), _AT_ONCE):
        # Dagster takes one at a time, and by itself commits after each: 24 ms instead of 1.
        with told_together(instance):
            for name in gone[start : start + _AT_ONCE]:
                instance.delete_dynamic_partition(_NAME, name)
