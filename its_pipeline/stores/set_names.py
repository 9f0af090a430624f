"""Names of result sets: which is newer, and whose rows one can have.

What belongs here: making and reading names, and what lies beside a set. What does not: what is in
the files (`result_sets`).
"""

from __future__ import annotations

import os
import re
import time
from functools import lru_cache
from pathlib import Path
from typing import Final

from its_pipeline.events.keys import SEPARATOR
from its_pipeline.events.shards import Shard

#: Two changes in less than that may leave a folder with the same time.
_STILL_NS: Final = 2_000_000_000
_listings: dict[Path, tuple[int, list[str]]] = {}
_NAME: Final = re.compile(r"set-(\d{9})(?:-(\d{6,})of(\d{6,}))?\.parquet")


def set_name(number: int, shard: Shard | None) -> str:
    """Return the name of a set.

    Parameters
    ----------
    number
        Its place among all: of two sets the one of the higher number is newer.
    shard
        Whose rows alone it has; None: anybody's.
    """
    suffix = "" if shard is None else f"-{shard.slug}"
    return f"set-{number:09d}{suffix}.parquet"


def is_set_name(name: str) -> bool:
    """Tell whether a file of this name is a set."""
    return _NAME.fullmatch(name) is not None


def sets_in(folder: Path, people: Shard | str | None = None, *, listed: bool = False) -> list[Path]:
    """Return the sets of a folder in which rows of some people can lie, the newest first.

    Parameters
    ----------
    folder
        Where they lie.
    people
        A shard, or one person; None: anybody.
    listed
        Whether an earlier listing will do, of a folder whose time has not changed since: of a
        thousand sets a new one takes longer than to read one person's rows. Who writes, or deletes
        a person, looks for themselves.
    """
    return [folder / name for name in _names(folder, listed) if _may_hold(name, people)]


def highest_number(folder: Path) -> int:
    """Return the number of the newest set; 0 where there is none."""
    return max((_parts(name)[0] for name in _names(folder)), default=0)


def shard_of_set(path: Path) -> Shard | None:
    """Return whose rows alone a set has; None: anybody's."""
    return _parts(path.name)[1]


def overlap(one: Shard | None, other: Shard | None) -> bool:
    """Tell whether two sets can have rows of the same people."""
    return one is None or other is None or one.overlaps(other)


def person_of(key: str) -> str:
    """Return whose experiment a key is of."""
    return key.partition(SEPARATOR)[0]


def note_of(path: Path) -> Path:
    """Return where it stands that a set was whole."""
    return path.with_name(f".{path.stem}.json")


def delete_set(path: Path) -> None:
    """Delete a set with its note."""
    path.unlink(missing_ok=True)
    note_of(path).unlink(missing_ok=True)


def _names(folder: Path, listed: bool = False) -> list[str]:
    try:
        changed_ns = folder.stat().st_mtime_ns
    except FileNotFoundError:
        return []
    if listed and folder in _listings and _listings[folder][0] == changed_ns:
        return _listings[folder][1]
    with os.scandir(folder) as entries:
        found = sorted((each.name for each in entries if is_set_name(each.name)), reverse=True)
    if time.time_ns() - changed_ns > _STILL_NS:
        _listings[folder] = changed_ns, found
    return found


def _may_hold(name: str, people: Shard | str | None) -> bool:
    own = _parts(name)[1]
    if own is None or people is None:
        return True
    return own.overlaps(people) if isinstance(people, Shard) else own.has(people)


# A night asks for the names of thousands of sets over and over.
@lru_cache(maxsize=1 << 16)
def _parts(name: str) -> tuple[int, Shard | None]:
    """Return a set's number, and whose rows alone it has."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"the name of a set should look like {set_name(1, None)}: {name}")
    return int(found[1]), None if found[2] is None else Shard(int(found[3]), int(found[2]))
