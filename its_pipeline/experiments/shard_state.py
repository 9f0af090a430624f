"""What is known of a shard besides its results: a small file each.

What belongs here: whether its newest results were told of, and of which state of the store it has
all results. What does not: the results (`stores.result_sets`), or telling (`defs`).

``<store root>/shards/known/<shard>.json``: in a folder of its own, since whoever plans takes away
what is unfinished beside the inputs, and others write here meanwhile.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from its_pipeline.events.shards import Shard
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.sharding import KNOWN_FOLDER, SHARDS_FOLDER
from its_pipeline.files.atomic import exclusive, remove_unfinished, write_json
from its_pipeline.files.damage import read_or_set_aside

if TYPE_CHECKING:
    from its_pipeline.settings import Settings


@dataclass(frozen=True)
class ShardState:
    """What is known of a shard.

    Attributes
    ----------
    told
        ``begun``: results were stored, or are about to be, of which nobody was told. ``told``:
        somebody was told of all of them. Empty: there are none.
    settled_with
        The store's identity with which every experiment of it had its verdict; empty: never, or
        some crashed.
    sets
        Names, sizes and times of its result sets then.
    """

    told: Literal["", "begun", "told"] = ""
    settled_with: str = ""
    sets: str = ""


def read_state(settings: Settings, shard: Shard) -> ShardState:
    """Return what is known of a shard; nothing where the file is lost."""

    def read(path: Path) -> ShardState:
        return ShardState(**json.loads(path.read_bytes()))

    return read_or_set_aside(_path(settings, shard), read, settings.store_root) or ShardState()


def write_state(settings: Settings, shard: Shard, state: ShardState) -> None:
    """Replace what is known of a shard."""
    path = _path(settings, shard)
    with exclusive(path.with_name(".lock")):
        remove_unfinished(path.parent)
        write_json(path, asdict(state))


def forget_told(settings: Settings) -> int:
    """Note that nobody was told of any shard's results; return of how many somebody had been.

    As when Dagster's database is lost: its next run is told of all of them.
    """
    found = 0
    for path in sorted((settings.store_root / SHARDS_FOLDER / KNOWN_FOLDER).glob("[!.]*.json")):
        shard = Shard.of_slug(path.stem)
        if shard is None:
            continue
        state = read_state(settings, shard)
        if state.told == "told":
            write_state(settings, shard, replace(state, told="begun"))
            found += 1
    return found


def sets_identity(settings: Settings, shard: Shard) -> str:
    """Return names, sizes and times of a shard's result sets."""
    found = []
    for path in open_store(settings).sets.paths_of(shard, listed=True):
        status = path.stat()
        found.append([path.name, status.st_size, status.st_mtime_ns])
    return json.dumps(found)


def _path(settings: Settings, shard: Shard) -> Path:
    return settings.store_root / SHARDS_FOLDER / KNOWN_FOLDER / f"{shard.slug}.json"
