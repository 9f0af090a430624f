"""The drop folder: files with a mapping beside them, each taken once when it is complete.

A file `inbox/NAME` is mapped by `inbox/NAME.mapping.yaml` or, where that is not there, by
`inbox/mapping.yaml`. What the mapping leaves out, the file may decide. A mapping that names no
column may also say whose an app's export is; which app's, the caller's `recognised` tells by its
contents. Every file is an import of its own, exports too: two of one app in the folder would take
turns as the newest version of one. Whether a file was taken before is known from its contents, by
`importing`. Whatever one file does to its reader stays that file's: why it was not taken is kept
beside it as `inbox/NAME.error.txt`, and the next one is read. Links, pipes and devices are not
opened.
"""

from __future__ import annotations

import stat
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from its_pipeline.events.exported import Export
from its_pipeline.events.file_rules import ImportFileError, file_signature, kind_of
from its_pipeline.events.forgotten import ForgottenPersonError
from its_pipeline.events.importing import (
    ImportResult,
    import_export,
    import_file,
    import_name,
)
from its_pipeline.events.mapping import (
    ImportMapping,
    MappingError,
    make_export_mapping,
    make_mapping,
    read_mapping_fields,
)
from its_pipeline.events.metrics import MetricError
from its_pipeline.files.atomic import write_bytes
from its_pipeline.files.damage import is_of_the_machine

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

SETTLE_SECONDS = 2.0
"""A file must stay the same for so long, by clock and by its own modification time."""

COMMON_MAPPING = "mapping.yaml"
Recognised = Callable[[Path], Export | None]
"""From a path to the export that lies there, or None."""

MAPPING_SUFFIX = ".mapping.yaml"
ERROR_SUFFIX = ".error.txt"
UNFINISHED_SUFFIXES = (".part", ".tmp", ".crdownload", ".filepart", "~")
"""Names under which programs write what is not finished."""


Complete = Callable[[Path, dict[str, Any]], ImportMapping]
"""Makes a mapping for a file from declared fields; `tables` finds what they leave out."""


def exact_mapping(file: Path, fields: dict[str, Any]) -> ImportMapping:
    """Return the mapping that the fields declare, which must leave nothing out.

    Raises
    ------
    MappingError
        If they do, or one is wrong.
    """
    return make_mapping(fields, f"{file}: mapping")


@dataclass(frozen=True)
class InboxFile:
    """What became of one file of the drop folder.

    Attributes
    ----------
    name
        The file's name.
    outcome
        `taken`, `unchanged` (taken before), `growing` (looked at again next time) or `refused`.
    reason
        Why it was refused, or empty; the whole of it is in `NAME.error.txt`.
    result
        The import, for `taken` and `unchanged`.
    """

    name: str
    outcome: Literal["taken", "unchanged", "growing", "refused"]
    reason: str = ""
    result: ImportResult | None = None


def inbox_dir(settings: Settings) -> Path:
    """Return the drop folder."""
    return settings.store_root / "inbox"


def take_inbox(
    settings: Settings,
    settle_seconds: float = SETTLE_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
    complete: Complete = exact_mapping,
    recognised: Recognised = lambda _: None,
) -> tuple[InboxFile, ...]:
    """Take every complete file of the drop folder; one bad file does not stop the others.

    Parameters
    ----------
    settings
        The installation.
    settle_seconds
        How long a file must have stayed the same; 0 takes it as it is.
    sleep
        How to wait, for tests.
    complete
        What makes a mapping for a file from the fields that are declared for it.
    recognised
        Which app's export a file is (`exports.recognising`); without it, none is taken.

    Returns
    -------
    tuple
        What became of each file, by name.
    """
    files = _candidates(inbox_dir(settings))
    if not files:
        return ()
    before = {file: _look(file) for file in files}
    if settle_seconds > 0:
        sleep(settle_seconds)
    return tuple(
        _take(settings, file, before[file], settle_seconds, complete, recognised) for file in files
    )


def _candidates(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        entry
        for entry in folder.iterdir()
        if (entry.is_symlink() or not entry.is_dir())
        and not entry.name.startswith(".")
        and not entry.name.endswith((*UNFINISHED_SUFFIXES, MAPPING_SUFFIX, ERROR_SUFFIX))
        and entry.name != COMMON_MAPPING
    )


def _look(file: Path) -> tuple[int, int] | None:
    """Return a plain file's signature; None for one that is gone or no plain file."""
    try:
        status = file.lstat()
    except OSError:
        return None
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def _take(
    settings: Settings,
    file: Path,
    before: tuple[int, int] | None,
    settle_seconds: float,
    complete: Complete,
    recognised: Recognised,
) -> InboxFile:
    try:
        _refuse_other_kinds(file)
        after = file_signature(file)
        # A modification time ahead of the clock says nothing; the comparison above still does.
        age = time.time() - after[1] / 1e9
        if after != before or 0 <= age < settle_seconds:
            return InboxFile(file.name, "growing")
        result = _imported(settings, file, complete, recognised)
    except (ImportFileError, MappingError, MetricError, ForgottenPersonError) as error:
        return _refused(file, str(error), str(error))
    except Exception as error:
        # Kept with its traceback, counted, and told: the other files and the run go on.
        if is_of_the_machine(error):
            raise
        reason = f"{file}: reading it ended in {type(error).__name__}"
        return _refused(file, reason, "".join(traceback.format_exception(error)))
    _error_file(file).unlink(missing_ok=True)
    return InboxFile(file.name, "taken" if result.taken else "unchanged", "", result)


def _imported(
    settings: Settings, file: Path, complete: Complete, recognised: Recognised
) -> ImportResult:
    mapping_file = _mapping_file(file)
    fields = read_mapping_fields(mapping_file)
    if not fields.keys() & {"time", "outcomes"} and (export := recognised(file)) is not None:
        whose = make_export_mapping(fields, str(mapping_file))
        return import_export(settings, export, whose.user_constant, whose.said(), import_name(file))
    return import_file(settings, file, complete(file, fields))


def _refused(file: Path, reason: str, detail: str) -> InboxFile:
    write_bytes(_error_file(file), f"{reason}\n\n{detail}\n".encode(errors="replace"))
    return InboxFile(file.name, "refused", reason)


def _error_file(file: Path) -> Path:
    return file.with_name(file.name[:200] + ERROR_SUFFIX)


def _refuse_other_kinds(file: Path) -> None:
    """Refuse what is no plain file: a link shows what lies elsewhere, a pipe never ends."""
    mode = file.lstat().st_mode
    if not stat.S_ISREG(mode):
        raise ImportFileError(f"{file}: {kind_of(mode)}; only plain files are taken from here")


def _mapping_file(file: Path) -> Path:
    own = file.with_name(file.name + MAPPING_SUFFIX)
    common = file.with_name(COMMON_MAPPING)
    for candidate in (own, common):
        if candidate.is_symlink() or candidate.exists():
            _refuse_other_kinds(candidate)
            return candidate
    raise MappingError(
        f"{file}: no mapping; put {own.name} or {COMMON_MAPPING} beside it, which says what its "
        "columns mean"
    )
