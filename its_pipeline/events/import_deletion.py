"""Leaving people out of imported files: forgotten ones as they come, and whoever is deleted.

What belongs here: an import's events without some people, in every version, and what is recorded of
it then. What does not: reading foreign files (`importing`), or who was forgotten (`forgotten`).

A version keeps its number and the digest of its file, so the same file is still known.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow.parquet as pq

from its_pipeline.events.duck import in_memory, literal, sql
from its_pipeline.events.forgotten import Forgotten, ForgottenPersonError
from its_pipeline.events.import_folders import (
    EVENTS_FILE,
    RECORD_FILE,
    ImportLostError,
    day_digests,
    import_versions,
    imports_dir,
    metrics_file,
    read_record,
)
from its_pipeline.files.atomic import exclusive, remove_unfinished, write_json
from its_pipeline.files.contents import CONTENTS_FILE, write_contents
from its_pipeline.files.parquet import unfinished_file

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

#: In the place of the one person that a mapping said a file to be about.
NOBODY: Final = "forgotten"


def leave_out(events: Path, people: Iterable[str]) -> None:
    """Rewrite a file of imported events, as `importing` writes it, without some people."""
    with in_memory(spill_to=events.parent) as connection, unfinished_file(events) as unfinished:
        parts = {
            "rows": literal(str(events)),
            "people": ", ".join(map(literal, people)),
            "target": literal(str(unfinished)),
        }
        connection.execute(sql("import_without", **parts))


def people_of(events: Path) -> list[str]:
    """Return who is in a file of imported events."""
    query = "SELECT DISTINCT trim(user_id) FROM read_parquet($file) WHERE user_id IS NOT NULL"
    return [str(user) for (user,) in _rows(events, query)]


def leave_out_forgotten(settings: Settings, events: Path) -> int:
    """Leave forgotten people out of what was just read of a file; return how many events of theirs.

    Parameters
    ----------
    settings
        The installation.
    events
        What was read.

    Raises
    ------
    ForgottenPersonError
        The file is about nobody else.
    """
    forgotten = Forgotten(settings.store_root)
    out = [user for user in people_of(events) if user in forgotten]
    if not out:
        return 0
    rows = pq.read_metadata(events).num_rows
    leave_out(events, out)
    left = pq.read_metadata(events).num_rows
    if left == 0:
        raise ForgottenPersonError(
            f"all {rows} events of the file are of people whose data were deleted on request, so "
            "nothing of it is taken; `its-pipeline forget --lift USER` takes somebody in again"
        )
    return rows - left


def delete_from_imports(settings: Settings, user_id: str) -> int:
    """Delete a person from every version of every import; return how many events that were.

    An import that is about nobody else is deleted whole.

    Raises
    ------
    ImportLostError
        A version cannot be read, so nobody can be taken out of it.
    """
    folder = imports_dir(settings)
    if not folder.is_dir():
        return 0
    deleted = 0
    for each in sorted(folder.glob("[!.]*")):
        lock = each.with_name(f".{each.name}.lock")
        with exclusive(lock):
            remove_unfinished(each)
            found = [_delete(each / version, user_id) for version in import_versions(each)]
            deleted += sum(out for out, _, _ in found)
            # Not only by what was left out now: whoever did it before may have been killed here.
            if any(gone for _, _, gone in found) and not any(left for _, left, _ in found):
                shutil.rmtree(each)
                # It may be called by their id, and nobody else's days are of its metrics.
                metrics_file(settings, each.name).unlink(missing_ok=True)
                lock.unlink()
    return deleted


def _delete(version: Path, user_id: str) -> tuple[int, int, int]:
    """Delete a person from one version.

    Returns
    -------
    tuple
        How many events they had in it, how many others have, and how many were ever left out.
    """
    # A deletion that was killed leaves it beside what it was writing anew.
    remove_unfinished(version)
    record, events, contents = read_record(version), version / EVENTS_FILE, version / CONTENTS_FILE
    if user_id in people_of(events):
        # Without it, whoever is killed below leaves a version that is whole, and not a damaged one.
        contents.unlink(missing_ok=True)
        leave_out(events, [user_id])
    left, days = _digests(events)
    out = record["rows"] - left
    if out or _names(record, user_id) or not contents.is_file():
        write_json(version / RECORD_FILE, _record_without(record, out, left, days, user_id))
        write_contents(version, (RECORD_FILE, EVENTS_FILE))
    return out, left, record["left_out"] + out


def _names(record: dict[str, Any], user_id: str) -> bool:
    return user_id in (
        (record["mapping"] or {}).get("user_constant"),
        (record["export"] or {}).get("user_id"),
    )


def _record_without(
    record: dict[str, Any], out: int, left: int, days: dict[str, str], user_id: str
) -> dict[str, Any]:
    found = {
        **record,
        "rows": left,
        "days": list(days),
        "day_digests": days,
        "left_out": record["left_out"] + out,
    }
    if _names(record, user_id):
        for part, key in (("mapping", "user_constant"), ("export", "user_id")):
            if record[part]:
                found[part] = {**record[part], key: NOBODY}
    return found


def _digests(events: Path) -> tuple[int, dict[str, str]]:
    try:
        return day_digests(events)
    except duckdb.Error as error:
        raise _lost(events, error) from error


def _lost(events: Path, error: Exception) -> ImportLostError:
    return ImportLostError(
        f"{events} cannot be read ({error}): import the file again under the same name"
    )


def _rows(events: Path, query: str) -> list[tuple[Any, ...]]:
    try:
        with in_memory(spill_to=events.parent) as connection:
            return connection.execute(query, {"file": str(events)}).fetchall()
    except duckdb.Error as error:
        raise _lost(events, error) from error
