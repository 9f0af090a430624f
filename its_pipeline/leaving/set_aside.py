"""Taking a person out of what lies about: files set aside as damaged, and what was dropped in.

What belongs here: deciding, of a file that cannot be taken apart, whether it goes or stays. What
does not: whatever can be rewritten (`results`, `ingest.deletion`, `events.import_deletion`).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from its_pipeline.events.import_folders import import_versions, imports_dir
from its_pipeline.events.importing import import_name
from its_pipeline.events.inbox import COMMON_MAPPING, ERROR_SUFFIX, MAPPING_SUFFIX, inbox_dir
from its_pipeline.files.atomic import UNFINISHED_PREFIX
from its_pipeline.files.damage import DAMAGE, SET_ASIDE, set_aside_files
from its_pipeline.files.names import path_of_name
from its_pipeline.leaving.mentions import is_named_in
from its_pipeline.settings import Settings

#: Formats in which a name is found: plain, however damaged the file is; packed, where it is not.
_PLAIN: Final = {".json", ".jsonl", ".html", ".yaml", ".txt", ".csv", ".sqlite", ".db"}
_PACKED: Final = {".parquet", ".gz", ".zip", ".xlsx"}
#: An unfinished file that nobody has written to for so long belongs to a process that was killed.
_ABANDONED_SECONDS: Final = 3600


def delete_set_aside(settings: Settings, user_id: str) -> int:
    """Delete from what was set aside whatever is the person's or may be; return how many files.

    Nothing reads what was set aside, and it cannot be taken apart. What stays is other people's
    own, and what can be searched and does not name the person.
    """
    deleted = 0
    for path in set_aside_files(settings.store_root):
        inside = path.relative_to(settings.store_root).parts[1:]
        if _is_somebodys(inside) and not _is_theirs(inside, user_id, settings):
            continue
        if not _is_somebodys(inside) and not _may_name(path, user_id):
            continue
        path.unlink()
        deleted += 1
    for folder in sorted((settings.store_root / SET_ASIDE).rglob("*/"), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    return deleted


def delete_from_inbox(settings: Settings, user_id: str) -> tuple[int, list[Path]]:
    """Delete files of the drop folder that were imported and name the person.

    What they hold of others is in their import.

    Returns
    -------
    tuple
        How many were deleted, and which name the person and were never imported: somebody has to
        look at these.
    """
    folder = inbox_dir(settings)
    if not folder.is_dir():
        return 0, []
    deleted, left = 0, []
    common = folder / COMMON_MAPPING
    common_is_theirs = _names(common, user_id)
    for path in sorted(folder.iterdir()):
        own = path.with_name(path.name + MAPPING_SUFFIX)
        beside = [own, path.with_name(path.name[:200] + ERROR_SUFFIX)]
        if not path.is_file() or path.is_symlink() or path == common:
            continue
        if path.name.endswith((MAPPING_SUFFIX, ERROR_SUFFIX)):
            continue
        is_theirs = common_is_theirs and not own.is_file()
        if not is_theirs and not any(_names(each, user_id) for each in (path, *beside)):
            continue
        if not import_versions(path_of_name(imports_dir(settings), import_name(path))):
            left.append(path)
            continue
        for each in (path, *beside):
            each.unlink(missing_ok=True)
        deleted += 1
    if common_is_theirs:
        common.unlink()
    return deleted, left


def delete_unfinished(settings: Settings) -> int:
    """Delete what killed processes left under unfinished names anywhere; return how many."""
    oldest = time.time() - _ABANDONED_SECONDS
    deleted = 0
    for path in settings.store_root.rglob(f"{UNFINISHED_PREFIX}*"):
        try:
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink()
                deleted += 1
        except FileNotFoundError:
            continue  # Its writer has finished with it.
    return deleted


def _is_somebodys(inside: tuple[str, ...]) -> bool:
    return len(inside) > 1 and inside[0] in ("experiments", "reports", "adhoc")


def _is_theirs(inside: tuple[str, ...], user_id: str, settings: Settings) -> bool:
    if inside[0] == "adhoc":
        return inside[1].startswith(f"{user_id}.json.")
    return inside[1] == path_of_name(settings.experiments_dir, user_id).name


def _may_name(path: Path, user_id: str) -> bool:
    # Set aside, a file's name goes on with the instant.
    if not {path.suffix, Path(path.stem).suffix} & (_PLAIN | _PACKED):
        return True
    try:
        return is_named_in(path, user_id)
    except DAMAGE:
        return True


def _names(path: Path, user_id: str) -> bool:
    try:
        return path.is_file() and is_named_in(path, user_id)
    except DAMAGE:
        # It cannot have been imported.
        return False
