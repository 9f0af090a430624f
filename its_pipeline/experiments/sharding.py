"""Shards: what a store of very many experiments is evaluated, told and recorded in.

What belongs here: from how many experiments on a store has shards, how many, and who is in which.
What does not: evaluating a shard, or how Dagster and MLflow are told of one.

Whether a store has shards is decided where nights begin, with `shards_now`, and stands in
``shards.json``; whoever else needs to know asks `has_shards`, which counts nothing.

Where that file is lost, their number is found by the files of what is known of each shard.

A person is in one shard with all their experiments: those act on one another and are read from the
same series. The number of shards is a power of two that only grows, so that of two numbers each
shard of the smaller one is whole shards of the larger one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from its_pipeline.events.keys import SEPARATOR
from its_pipeline.events.shards import Shard
from its_pipeline.files.atomic import exclusive, remove_unfinished, write_json
from its_pipeline.files.damage import read_or_set_aside

if TYPE_CHECKING:
    from pathlib import Path

    from its_pipeline.settings import Settings

SHARD_EXPERIMENTS: Final = 1_000
"""Most experiments a shard when their number is chosen; until it doubles there may be twice as
many. A shard's results are one file of some 40 megabytes."""
SHARDS_FILE: Final = "shards.json"
SHARDS_FOLDER: Final = "shards"
"""Folder of the store for the inputs of shards, and for what is known of each."""
KNOWN_FOLDER: Final = "known"
"""Folder in there for the latter."""
STAYS_ABOVE: Final = 0.9
"""Of the limit: a store that has shards keeps them above so many, or people who come and go at the
limit would have Dagster's partitions exchanged every night."""


def is_sharded(settings: Settings, experiments: int) -> bool:
    """Tell whether a store of so many experiments is evaluated in shards.

    Above the limit it is, and once it is, down to `STAYS_ABOVE` of the limit.
    """
    share = STAYS_ABOVE if has_shards(settings) else 1.0
    return experiments > share * settings.partition_limit


def has_shards(settings: Settings) -> bool:
    """Tell whether a store has shards now, as the last night decided."""
    return (settings.store_root / SHARDS_FILE).is_file()


def shards_now(settings: Settings, experiments: int) -> list[Shard]:
    """Decide whether a store has shards, and return them; none where it has not.

    Parameters
    ----------
    settings
        The installation.
    experiments
        How many its log has.
    """
    if is_sharded(settings, experiments):
        return shards_of(settings, experiments)
    (settings.store_root / SHARDS_FILE).unlink(missing_ok=True)
    return []


def known_shards(settings: Settings) -> list[Shard]:
    """Return the shards that a store has now, as the last night decided; none without any."""
    return shards_of(settings, 0) if has_shards(settings) else []


def shards_of(settings: Settings, experiments: int) -> list[Shard]:
    """Return the shards of a store of so many experiments, and remember how many they are.

    Parameters
    ----------
    settings
        The installation.
    experiments
        How many its log has.
    """
    file = settings.store_root / SHARDS_FILE
    known = read_or_set_aside(file, lambda path: json.loads(path.read_bytes()), settings.store_root)
    before = known["count"] if isinstance(known, dict) else 0
    count = before or _count_of_known(settings)
    wanted = 1
    while wanted * SHARD_EXPERIMENTS < experiments:
        wanted *= 2
    if count == 0 or experiments > 2 * SHARD_EXPERIMENTS * count:
        count = wanted
    if count != before:
        folder = _known_folder(settings)
        with exclusive(folder / ".lock"):
            remove_unfinished(folder)
            write_json(file, {"count": count}, within=folder)
    return [Shard(count, number) for number in range(count)]


def _known_folder(settings: Settings) -> Path:
    return settings.store_root / SHARDS_FOLDER / KNOWN_FOLDER


def _count_of_known(settings: Settings) -> int:
    """Return how many shards there were by the files of what is known of them; 0 without any."""
    found = (Shard.of_slug(path.name) for path in _known_folder(settings).glob("*.json"))
    return max((shard.count for shard in found if shard is not None), default=0)


def shard_of_key(key: str, count: int) -> Shard:
    """Return which of so many shards an experiment belongs to."""
    return Shard.of_person(key.partition(SEPARATOR)[0], count)
