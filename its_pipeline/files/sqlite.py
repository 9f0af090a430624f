"""SQLite files: telling whether one is damaged, and moving a damaged one out of the way.

What belongs here: what holds for every SQLite file. What does not: whose file it is and what is to
be done about it (the log of interventions, the run store, Dagster).
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

from its_pipeline.files.damage import set_aside

#: Beside the file of the name; both belong to it and mean nothing without it.
COMPANIONS: Final = ("-wal", "-shm", "-journal")
_WAIT_SECONDS: Final = 60
_NOT_DAMAGE: Final = ("locked", "busy", "disk is full", "readonly", "interrupted")


def sqlite_damage(path: Path, *, thorough: bool = False) -> str:
    """Return what is wrong with a SQLite file; empty where it is whole or there is none.

    Parameters
    ----------
    path
        The file.
    thorough
        Whether every page is looked at, not the first ones alone: half a second a gigabyte.

    Raises
    ------
    sqlite3.OperationalError
        The machine's trouble and not the file's: a lock that is not given up, a full disk.
    """
    if not path.exists():
        return ""
    try:
        if not path.is_file():
            return "it is no file"
        if path.stat().st_size == 0:
            return "it is empty"
        mode = "rw" if os.access(path, os.W_OK) else "ro"
        address = f"file:{quote(str(path))}?mode={mode}"
        connection = sqlite3.connect(address, uri=True, timeout=_WAIT_SECONDS)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if not thorough:
                return ""
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()
            said = "no answer" if found is None else " ".join(str(found[0]).split())
            return "" if said == "ok" else said
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        if any(said in str(error) for said in _NOT_DAMAGE):
            raise
        return str(error)
    except (sqlite3.DatabaseError, PermissionError) as error:
        return str(error)


def rewrite_sqlite(path: Path) -> None:
    """Write a SQLite file anew, so that nothing of deleted rows is in it or in its journal.

    Deleting alone leaves bytes in free pages, and in the write-ahead log until that is begun anew.

    Parameters
    ----------
    path
        The file; others may read and write it meanwhile.

    Raises
    ------
    sqlite3.OperationalError
        Another process did not give up its lock, or the disk is full.
    """
    connection = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)
    try:
        connection.execute("VACUUM")
        deadline = time.monotonic() + _WAIT_SECONDS
        # Busy as long as somebody reads what the file was before.
        while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() > deadline:
                raise sqlite3.OperationalError(
                    f"{path} is locked: its journal still holds what was deleted"
                )
            time.sleep(0.1)
    finally:
        connection.close()


def set_aside_sqlite(path: Path, store_root: Path, why: str) -> None:
    """Set a damaged SQLite file aside with the files that belong to it; see `set_aside`."""
    for suffix in COMPANIONS:
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            set_aside(companion, store_root, f"{path.name} is damaged")
    set_aside(path, store_root, why)
