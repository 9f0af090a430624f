"""SQLite files: telling whether one is damaged, and moving a damaged one out of the way.

What belongs here: what holds for every SQLite file. What does not: whose file it is and what is to
be done about it (the log of interventions, the run store, Dagster).
"""

from __future__ import annotations

import os
import sqlite3
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


def set_aside_sqlite(path: Path, store_root: Path, why: str) -> None:
    """Set a damaged SQLite file aside with the files that belong to it; see `set_aside`."""
    for suffix in COMPANIONS:
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            set_aside(companion, store_root, f"{path.name} is damaged")
    set_aside(path, store_root, why)
