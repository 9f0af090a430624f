"""Files over everybody: tables and pages that lie where others write, too, without a lock.

What belongs here: putting one in its place so that what a killed writer leaves of it is removed by
the next one, or by whoever deletes a person. What does not: what is in them (`evidence`, `trust`,
`peer_audit`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from its_pipeline.files.atomic import workshop, write_bytes

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

WORKSHOP: Final = ".evidence"
"""Folder of the store in which such files are written."""


@contextmanager
def shared_workshop(settings: Settings) -> Iterator[Path]:
    """Hold the folder in which files over everybody are written; see `files.atomic.workshop`."""
    with workshop(settings.store_root / WORKSHOP) as folder:
        yield folder


def write_shared(settings: Settings, path: Path, content: bytes) -> None:
    """Write a file over everybody whole or not at all, and durably.

    Parameters
    ----------
    settings
        The installation.
    path
        Where in its store the file is to lie.
    content
        All of it.
    """
    with shared_workshop(settings) as folder:
        write_bytes(path, content, within=folder)
