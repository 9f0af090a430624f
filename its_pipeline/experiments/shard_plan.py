"""Planning shards: who has to be evaluated, and the input of that, in one pass over the store.

What belongs here: which inputs are written, and how long one stands. What does not: reading people
(`shard_people`), the input file itself (`shard_input`), or evaluating it (`shard_runs`).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from its_pipeline.events.shards import Shard
from its_pipeline.experiments.compaction import gather_loose
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.shard_input import (
    PEOPLE_SCHEMA,
    InputAbout,
    StoreIdentity,
    write_input,
)
from its_pipeline.experiments.shard_people import People
from its_pipeline.experiments.shard_shared import SharedInput
from its_pipeline.experiments.shard_standing import Standing
from its_pipeline.experiments.sharding import SHARDS_FOLDER
from its_pipeline.files.atomic import UNFINISHED_PREFIX, exclusive, remove_unfinished
from its_pipeline.stores.gathering import is_loose

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

Select = Literal["stale", "all"]


@dataclass(frozen=True)
class PlannedShard:
    """What there is to do in a shard.

    Attributes
    ----------
    shard
        Which.
    experiments
        How many it has, or were asked for.
    unchanged
        Those of people whose verdicts stand.
    people
        How many have to be evaluated; with none there is no input file.
    """

    shard: Shard
    experiments: int
    unchanged: int
    people: int


def input_path(settings: Settings, shard: Shard, *, of_some: bool = False) -> Path:
    """Return where a shard's input lies; `of_some`: one of given experiments."""
    suffix = "-some" if of_some else ""
    return settings.store_root / SHARDS_FOLDER / f"{shard.slug}{suffix}.parquet"


def store_identity(settings: Settings, shared: SharedInput) -> StoreIdentity:
    """Return what a store is like: as long as it is the same, planning would plan the same."""
    from its_pipeline.events.intervention_rows import newest_sequence
    from its_pipeline.events.interventions import InterventionLog

    log = InterventionLog(settings.resolved_intervention_log_url)
    try:
        with log.engine.connect() as connection:
            sequence = newest_sequence(connection)
    finally:
        log.close()
    files = (settings.daily_outcomes_path, settings.store_root / "forgotten" / "people.json")
    known = []
    for path in files:
        status = path.stat() if path.is_file() else None
        known.append(None if status is None else [status.st_size, status.st_mtime_ns])
    return StoreIdentity(json.dumps([known, shared.digest(), shared.day_on]), sequence)


def plan_shards(
    settings: Settings,
    shards: Sequence[Shard],
    *,
    select: Select = "stale",
    keys: Collection[str] | None = None,
    decided_at: str | None = None,
) -> list[PlannedShard]:
    """Write the inputs of shards, in one pass over everybody's data.

    What lies in folders of their experiments is moved into their sets first.

    Parameters
    ----------
    settings
        The installation.
    shards
        Which; all of the same number of shards.
    select
        ``stale``: only people of whom something can have changed.
    keys
        Only people with one of these experiments.
    decided_at
        The instant that stands for the clock: UTC, ISO 8601; default now.

    Returns
    -------
    list[PlannedShard]
        In the order of `shards`.
    """
    if not shards:
        return []
    shared = SharedInput.of_store(settings, decided_at)
    identity = store_identity(settings, shared)
    wanted = None if keys is None else set(keys)
    folder = settings.store_root / SHARDS_FOLDER
    planned = []
    with exclusive(folder / ".lock"):
        remove_unfinished(folder)
        # Without a row: it takes away what a killed one was writing.
        open_store(settings).sets.add([])
        with tempfile.TemporaryDirectory(prefix=UNFINISHED_PREFIX, dir=folder) as spilled:
            everybody = People(settings, shards, shared, Path(spilled))
            loose = _LooseFolders(settings)
            for shard in shards:
                people = everybody.of(shard)
                loose.gather(people["keys"].to_pylist(), shard)
                if wanted is not None:
                    chosen = [not wanted.isdisjoint(own) for own in people["keys"].to_pylist()]
                    people = people.filter(pa.array(chosen, pa.bool_()))
                planned.append(_plan(settings, shard, people, shared, identity, select, wanted))
    return planned


def _plan(
    settings: Settings,
    shard: Shard,
    people: pa.Table,
    shared: SharedInput,
    identity: StoreIdentity,
    select: Select,
    wanted: set[str] | None,
) -> PlannedShard:
    """Write one shard's input, if anything is to be done."""
    standing = Standing(settings, shard)
    stale = [select == "all" or not standing.holds(person) for person in _told(people)]
    experiments = _count(people, wanted)
    people = people.filter(pa.array(stale, pa.bool_()))
    planned = PlannedShard(shard, experiments, experiments - _count(people, wanted), len(people))
    path = input_path(settings, shard, of_some=wanted is not None)
    if not len(people):
        path.unlink(missing_ok=True)
        return planned
    known = standing.verdicts(people["keys"].to_pylist())
    people = people.append_column("known", pa.array(known, pa.string()))
    about = InputAbout(identity, select, planned.experiments, planned.unchanged)
    write_input(path, shared.to_json(), about, [people.select(PEOPLE_SCHEMA.names)])
    return planned


def _count(people: pa.Table, wanted: set[str] | None) -> int:
    """Return how many experiments people have; of those that are wanted."""
    keys = [key for own in people["keys"].to_pylist() for key in own]
    return len(keys) if wanted is None else sum(key in wanted for key in keys)


def _told(people: pa.Table) -> Iterator[tuple[str, list[str], list[str]]]:
    names = ("digest", "keys", "complete_on")
    return zip(*(people[name].to_pylist() for name in names), strict=True)


def drop_inputs(settings: Settings, user_id: str) -> int:
    """Delete the inputs that a person can be in, and what planning left; return how many.

    Whoever plans is waited for. A shard without its input is planned anew.

    Parameters
    ----------
    settings
        The installation.
    user_id
        Somebody who was forgotten: no input that is written from now on has them.
    """
    folder = settings.store_root / SHARDS_FOLDER
    if not folder.is_dir():
        return 0
    with exclusive(folder / ".lock"):
        remove_unfinished(folder)
        gone = 0
        for path in folder.glob("*.parquet"):
            shard = Shard.of_slug(path.name)
            if shard is None or shard.has(user_id):
                path.unlink()
                gone += 1
    return gone


class _LooseFolders:
    """The folders of experiments; an analysis asked for by somebody lies there."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        folder = settings.experiments_dir
        self._people = {each.name for each in folder.iterdir()} if folder.is_dir() else set()

    def gather(self, of_people: Sequence[Sequence[str]], shard: Shard) -> None:
        """Move what lies there of people of a shard into a set of theirs."""
        if not self._people:
            return
        store = open_store(self._settings)
        loose = [
            key
            for keys in of_people
            for key in keys
            if store.folder(key).parent.name in self._people and is_loose(store, key)
        ]
        if loose:
            gather_loose(self._settings, loose, shard)
