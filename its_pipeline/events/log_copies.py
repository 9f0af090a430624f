"""The log of interventions, which nothing can make again: checked at every start, copied, restored.

What belongs here: telling that a log in a SQLite file is damaged or lost, keeping copies of it
beside it, and putting one back when somebody says so. What does not: the log's contents
(`interventions`), or its schema and the copies ahead of a migration (`intervention_schema`). A log
in PostgreSQL is looked after by whoever looks after that server.
"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from its_pipeline.files.atomic import UNFINISHED_PREFIX, exclusive
from its_pipeline.files.sqlite import set_aside_sqlite, sqlite_damage

_SAID: Final = (
    "SELECT coalesce(max(sequence), 0) FROM interventions",
    "SELECT count(*) FROM intervention_looks",
)
"""How much a log says: both tables are only ever added to."""
#: What each log's file was when this process last looked at all of it.
_checked: dict[str, tuple[int, int, int]] = {}


class DamagedLogError(ValueError):
    """The log of interventions cannot be read, or is gone while a copy of it is there."""


def log_file(url: str) -> Path | None:
    """Return the file of a log in SQLite; None for another database, or one in memory."""
    address = sa.make_url(url)
    if address.get_backend_name() != "sqlite" or not address.database:
        return None
    return None if address.database == ":memory:" else Path(address.database)


def log_damage(url: str) -> str:
    """Return what is wrong with the log; empty where nothing is, or where there never was one."""
    file = log_file(url)
    if file is None:
        return ""
    if file.exists() and not (file.is_file() and file.stat().st_size == 0):
        return sqlite_damage(file, thorough=True)
    # SQLite takes no file, and an empty one, for a database that is about to be made.
    if log_copies(file):
        return "it is empty" if file.exists() else "it is missing"
    return ""


def check_log(url: str) -> None:
    """Refuse to go on with a damaged log; it is looked at whenever the file is another than before.

    Raises
    ------
    DamagedLogError
        Names the file, what is wrong, and the command that restores its newest copy.
    """
    file = log_file(url)
    mark = _mark(file) if file is not None and file.exists() else None
    if mark is not None and _checked.get(url) == mark:
        return
    damage = log_damage(url)
    if damage and file is not None:
        copies = log_copies(file)
        remedy = (
            f"`its-pipeline doctor --restore-log` puts its newest copy {copies[0]} in its place"
            if copies
            else "there is no copy of it beside it; put a backup in its place"
        )
        raise DamagedLogError(f"the log of interventions {file} is damaged: {damage}. {remedy}")
    if mark is not None:
        _checked[url] = mark


def _mark(file: Path) -> tuple[int, int, int]:
    found = file.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def keep_nightly_copy(url: str) -> Path | None:
    """Copy the log beside it if it says more than its newest copy; return where the copy lies."""
    file = log_file(url)
    if file is None or not file.is_file():
        return None
    check_log(url)
    copy = _copy_of(file)
    with exclusive(file.with_name(f".{copy.name}.lock")):
        if not sqlite_damage(copy) and copy.is_file() and _said(copy) == _said(file):
            return copy
        unfinished = copy.with_name(f"{UNFINISHED_PREFIX}{copy.name}")
        unfinished.unlink(missing_ok=True)
        _backup(file, unfinished)
        if copy.is_dir():
            shutil.rmtree(copy)
        unfinished.replace(copy)
    return copy


def log_copies(file: Path) -> list[Path]:
    """Return the copies of a log that can be read, the one that says most first."""
    found = [_copy_of(file), *file.parent.glob(f"{file.stem}.before-*{file.suffix}")]
    whole = [copy for copy in found if copy.is_file() and not sqlite_damage(copy, thorough=True)]
    return sorted(whole, key=lambda copy: (_said(copy), copy.stat().st_mtime_ns), reverse=True)


def restore_log(url: str, store_root: Path) -> Path:
    """Put the newest copy in the place of a damaged log, which is set aside; return the copy.

    Raises
    ------
    ValueError
        The log is whole, or there is no copy.
    """
    file = log_file(url)
    damage = log_damage(url)
    if file is None or not damage:
        raise ValueError("the log of interventions is whole, so no copy is put in its place")
    copies = log_copies(file)
    if not copies:
        raise ValueError(f"there is no copy of {file} that can be read; put a backup in its place")
    unfinished = file.with_name(f"{UNFINISHED_PREFIX}{file.name}")
    shutil.copyfile(copies[0], unfinished)
    if file.exists():
        set_aside_sqlite(file, store_root, damage)
    unfinished.replace(file)
    return copies[0]


def _copy_of(file: Path) -> Path:
    return file.with_name(f"{file.stem}.copy{file.suffix}")


def _said(file: Path) -> tuple[int, ...]:
    """Return how many versions and looks a log's file holds; 0 where it has no such table."""
    connection = sqlite3.connect(file)
    try:
        return tuple(_number(connection, query) for query in _SAID)
    finally:
        connection.close()


def _number(connection: sqlite3.Connection, query: str) -> int:
    try:
        return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def _backup(source: Path, target: Path) -> None:
    reader, writer = sqlite3.connect(source), sqlite3.connect(target)
    try:
        reader.backup(writer)
    finally:
        writer.close()
        reader.close()
