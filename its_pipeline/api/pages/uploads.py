"""Files that people dropped and that are not saved: held for a while, then removed for good.

What belongs here: holding them, in a private folder, bounded in number and time. What does not:
reading them (`workers.file_jobs`), or taking one into the store (`saving`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from its_pipeline.api.http.problems import Problem
from its_pipeline.api.workers.file_jobs import FileAnswer, FileRead, Refused
from its_pipeline.tables.asking import Said

if TYPE_CHECKING:
    from its_pipeline.tables.days import Aggregate

_PREFIX: Final = "its-uploads-"
_LOCK: Final = ".lock"
_LONGEST_NAME: Final = 60


@dataclass(eq=False)
class Upload:
    """A dropped file and what was said and found out of it.

    Attributes
    ----------
    upload_id, owner
        Its unguessable name in addresses, and the name of the token it belongs to.
    path
        Where it lies.
    at
        When it was dropped, on the clock of `Uploads`.
    said, chosen, outcome, aggregate
        What the person has said of it, as in `ReadJob`.
    read, answer
        What was found out; None: not asked yet.
    given
        The form that was answered last, by field.
    """

    upload_id: str
    owner: str
    path: Path
    at: float
    said: Said = field(default_factory=Said)
    chosen: str | None = None
    outcome: str | None = None
    aggregate: Aggregate | None = None
    read: FileRead | Refused | None = None
    answer: FileAnswer | None = None
    given: dict[str, str] = field(default_factory=dict)

    def forget_what_was_read(self) -> None:
        """Have it read again: something else was said of it."""
        self.read = self.answer = None


class Uploads:
    """The dropped files of one server.

    Parameters
    ----------
    most, most_of_one
        How many are held for everybody and for one owner.
    seconds
        How long one is held.
    clock
        Seconds that never go back.
    parent
        Where its folder is made; the system's own place for such by default.
    """

    def __init__(
        self,
        most: int,
        most_of_one: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        parent: Path | None = None,
    ) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._seconds = seconds
        self._clock = clock
        self._parent = parent or Path(tempfile.gettempdir())
        self._lock = threading.Lock()
        self._held: dict[str, Upload] = {}
        self._folder: Path | None = None
        self._handle: int | None = None

    @property
    def folder(self) -> Path:
        """Where they lie; made when the first one comes."""
        if self._folder is None:
            # Whatever a server that was killed has left goes first.
            remove_left_behind(self._parent)
            self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._handle = os.open(self._folder / _LOCK, flags, 0o600)
            fcntl.flock(self._handle, fcntl.LOCK_EX)
        return self._folder

    def add(self, owner: str, name: str, content: bytes) -> Upload:
        """Hold a file; the owner's oldest gives way where they have too many.

        Parameters
        ----------
        owner, name, content
            Whose it is, what it is called, and what is in it.

        Raises
        ------
        Problem
            ``busy`` where others hold too many.
        """
        self.sweep()
        with self._lock:
            own = [upload for upload in self._held.values() if upload.owner == owner]
            for oldest in own[: max(0, len(own) - self._most_of_one + 1)]:
                self._remove(oldest)
            if len(self._held) >= self._most:
                raise Problem(
                    "busy",
                    f"{len(self._held)} files are held already for others",
                    remedy="drop the file again in some minutes",
                    headers={"Retry-After": "60"},
                )
            upload_id = secrets.token_urlsafe(18)
            place = self.folder / upload_id
            place.mkdir(mode=0o700)
            upload = Upload(upload_id, owner, place / safe_name(name), self._clock())
            upload.path.write_bytes(content)
            self._held[upload_id] = upload
            return upload

    def get(self, owner: str, upload_id: str) -> Upload:
        """Return a file.

        Raises
        ------
        Problem
            ``unknown_file``, the same whether it is gone or somebody else's.
        """
        self.sweep()
        with self._lock:
            found = self._held.get(upload_id)
            if found is None or found.owner != owner:
                raise Problem(
                    "unknown_file",
                    f"files that are not saved are removed after {self._seconds / 60:g} minutes",
                )
            return found

    def forget(self, upload: Upload) -> None:
        """Remove a file for good."""
        with self._lock:
            self._remove(upload)

    def sweep(self) -> None:
        """Remove what was held long enough."""
        oldest = self._clock() - self._seconds
        with self._lock:
            for upload in [upload for upload in self._held.values() if upload.at <= oldest]:
                self._remove(upload)

    def close(self) -> None:
        """Remove everything."""
        with self._lock:
            self._held.clear()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None

    def _remove(self, upload: Upload) -> None:
        self._held.pop(upload.upload_id, None)
        # A worker may be reading it, or writing beside it, just now.
        shutil.rmtree(upload.path.parent, ignore_errors=True)


def remove_left_behind(parent: Path) -> None:
    """Remove the folders of servers that are not there any more.

    Parameters
    ----------
    parent
        Where their folders are made.
    """
    for lock in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        # Another server may be removing it, or it may be another user's.
        with contextlib.suppress(OSError):
            handle = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
            finally:
                os.close(handle)


def safe_name(name: str) -> str:
    """Return a file's name without what could lead elsewhere; its ending stays.

    Parameters
    ----------
    name
        As the browser tells it.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    plain = re.sub(r"[^\w .()+-]+", "_", last).strip(" .")
    return plain[-_LONGEST_NAME:].strip(" .") or "file"
