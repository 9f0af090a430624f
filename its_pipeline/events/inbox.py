"""The drop folder: files with a mapping beside them, each taken once when it is complete.

A file `inbox/NAME` is mapped by `inbox/NAME.mapping.yaml` or, where that is not there, by
`inbox/mapping.yaml`. Whether a file was taken before is known from its contents, by `importing`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from its_pipeline.events.importing import ImportResult, import_file
from its_pipeline.events.mapping import MappingError, read_mapping
from its_pipeline.events.metrics import MetricError
from its_pipeline.events.reading import ImportFileError, file_signature

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

SETTLE_SECONDS = 2.0
"""A file must stay the same for so long, by clock and by its own modification time."""

COMMON_MAPPING = "mapping.yaml"
MAPPING_SUFFIX = ".mapping.yaml"
UNFINISHED_SUFFIXES = (".part", ".tmp", ".crdownload", ".filepart", "~")
"""Names under which programs write what is not finished."""


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
        Why it was refused, or empty.
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

    Returns
    -------
    tuple
        What became of each file, by name.
    """
    files = _candidates(inbox_dir(settings))
    if not files:
        return ()
    before = {file: file_signature(file) for file in files}
    if settle_seconds > 0:
        sleep(settle_seconds)
    return tuple(_take(settings, file, before[file], settle_seconds) for file in files)


def _candidates(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.is_file()
        and not entry.name.startswith(".")
        and not entry.name.endswith((*UNFINISHED_SUFFIXES, MAPPING_SUFFIX))
        and entry.name != COMMON_MAPPING
    )


def _take(
    settings: Settings, file: Path, before: tuple[int, int], settle_seconds: float
) -> InboxFile:
    try:
        after = file_signature(file)
        # A modification time ahead of the clock says nothing; the comparison above still does.
        age = time.time() - after[1] / 1e9
        if after != before or 0 <= age < settle_seconds:
            return InboxFile(file.name, "growing")
        result = import_file(settings, file, read_mapping(_mapping_file(file)))
    except (ImportFileError, MappingError, MetricError) as error:
        return InboxFile(file.name, "refused", str(error))
    return InboxFile(file.name, "taken" if result.taken else "unchanged", "", result)


def _mapping_file(file: Path) -> Path:
    own = file.with_name(file.name + MAPPING_SUFFIX)
    common = file.with_name(COMMON_MAPPING)
    for candidate in (own, common):
        if candidate.is_file():
            return candidate
    raise MappingError(
        f"{file}: no mapping; put {own.name} or {COMMON_MAPPING} beside it, which says what its "
        "columns mean"
    )
