"""Who asked for whom: one JSON line a request that was let in; what was refused is summed up.

What belongs here: writing that log, keeping it by age, and knowing whether it can be written. What
does not: what happened inside (the server's own log), counting for Prometheus (`monitoring`), or
what is refused where nothing can be written down (`admission`).

========================== =========================================================
``audit.jsonl``            what was let in, kept for days; a file that is full is
                           renamed to ``audit.jsonl.<instant>``
``audit-refused.jsonl``    refusals at the door: how many of which kind, of one
                           address, within a minute; kept by size
========================== =========================================================
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from its_pipeline.api.http.problems import to_json
from its_pipeline.api.http.server_settings import ServerSettings

SUM_SECONDS: Final = 60.0
"""Refusals of so long are summed up in one line for each address and kind."""

_MOST_SUMS: Final = 100
_OTHERS: Final = "others"
"""Refusals of further addresses within a minute are counted together: whoever has many of them
cannot make the log grow."""

_SECONDS_BETWEEN_CRIES: Final = 60.0

_log = logging.getLogger(__name__)


class AuditUnavailableError(Exception):
    """Nothing can be written to the audit log, so nothing may be done that belongs into it."""


class AuditLog:
    """The audit log of one server; several servers may write to the same files.

    Parameters
    ----------
    path
        The file of what was let in; all others lie beside it.
    max_bytes
        Size at which a new file is begun.
    days
        How long what was let in is kept.
    """

    def __init__(self, path: Path, max_bytes: int, days: int) -> None:
        self._let_in = _LineFile(path, max_bytes, days)
        refused = path.with_name(f"{path.stem}-refused{path.suffix}")
        self._refused = _LineFile(refused, max_bytes, None)
        self._sums: dict[tuple[str, str], _Sum] = {}
        self._lock = threading.Lock()
        self._failing = False
        self._cried_at = -_SECONDS_BETWEEN_CRIES

    @property
    def is_writable(self) -> bool:
        """Whether the last entry could be written."""
        return not self._failing

    def write(self, entry: Mapping[str, Any]) -> None:
        """Write one entry; its values cannot begin a line of their own.

        Raises
        ------
        AuditUnavailableError
            It could not be written; nothing of it is there. The server's log says why.
        """
        with self._lock:
            try:
                self._let_in.append(to_json(dict(entry)))
            except OSError as error:
                self._failing = True
                self._cry(error)
                raise AuditUnavailableError from error
            if self._failing:
                self._failing = False
                _log.warning("the audit log can be written again")

    def check(self) -> None:
        """Try whether entries can be written again, where the last one could not.

        Raises
        ------
        AuditUnavailableError
            They cannot.
        """
        if self._failing:
            self.write({"at": _now(), "event": "the audit log can be written again"})

    def refuse(self, client: str, problem: str) -> bool:
        """Count a refusal at the door; tell whether it is the first one since `sum_up`."""
        with self._lock:
            is_first = not self._sums
            if (client, problem) not in self._sums and len(self._sums) >= _MOST_SUMS:
                client = _OTHERS
            found = self._sums.setdefault((client, problem), _Sum(_now()))
            found.count += 1
            found.last_at = _now()
            return is_first

    def sum_up(self) -> None:
        """Write the sums of the refusals since the last time; a disk that is full is told."""
        with self._lock:
            sums, self._sums = self._sums, {}
            try:
                for (client, problem), found in sums.items():
                    self._refused.append(
                        to_json(
                            {
                                "first_at": found.first_at,
                                "last_at": found.last_at,
                                "client": client,
                                "problem": problem,
                                "count": found.count,
                            }
                        )
                    )
            except OSError as error:
                self._cry(error)

    def close(self) -> None:
        """Write what is still to be summed up and close the files."""
        self.sum_up()
        with self._lock:
            self._let_in.close()
            self._refused.close()

    def _cry(self, error: OSError) -> None:
        now = time.monotonic()
        if now - self._cried_at >= _SECONDS_BETWEEN_CRIES:
            self._cried_at = now
            _log.critical(
                "THE AUDIT LOG CANNOT BE WRITTEN (%s): people's data is neither read nor changed "
                "until it can; free space or repair %s",
                error,
                self._let_in.path,
            )


def open_audit_log(store_root: Path, server_settings: ServerSettings) -> AuditLog:
    """Open the audit log of an installation; nothing is written yet."""
    return AuditLog(
        server_settings.audit_log or store_root / "api" / "audit.jsonl",
        server_settings.audit_log_bytes,
        server_settings.audit_log_days,
    )


@dataclass
class _Sum:
    """Refusals of one kind and address, so far."""

    first_at: str
    last_at: str = ""
    count: int = 0


class _LineFile:
    """A file of lines, each there whole or not at all, turned over by size.

    Parameters
    ----------
    path
        The file; made when the first line is written, readable by its owner alone.
    max_bytes
        Size at which it is renamed and a new one begun.
    days
        How long a renamed one stays; None: until the next one is.
    """

    def __init__(self, path: Path, max_bytes: int, days: int | None) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._days = days
        self._descriptor: int | None = None

    def append(self, line: bytes) -> None:
        """Write one line.

        Raises
        ------
        OSError
            The disk is full or not writable; nothing of the line is there.
        """
        content = line + b"\n"
        descriptor = self._locked()
        before = os.fstat(descriptor).st_size
        if before and before + len(content) > self._max_bytes:
            self._turn_over()
            descriptor = self._locked()
            before = os.fstat(descriptor).st_size
        try:
            if os.write(descriptor, content) != len(content):
                os.ftruncate(descriptor, before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        finally:
            # Another server's turn.
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _locked(self) -> int:
        """Return the open file that has this name now, locked against other servers."""
        while True:
            if self._descriptor is None:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                self._descriptor = os.open(self.path, flags, 0o600)
                # One that an earlier version made could be read by others.
                os.fchmod(self._descriptor, 0o600)
                self._remove_old()
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                if os.path.samestat(os.fstat(self._descriptor), self.path.stat()):
                    return self._descriptor
            except FileNotFoundError:
                pass
            # Another server turned it over, or somebody took it away.
            self.close()

    def _turn_over(self) -> None:
        instant = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%fZ")
        self.path.rename(self.path.with_name(f"{self.path.name}.{instant}"))

    def _remove_old(self) -> None:
        turned_over = []
        for file in self.path.parent.glob(f"{self.path.name}.*"):
            # Another server may be removing the same ones.
            with contextlib.suppress(FileNotFoundError):
                turned_over.append((file.stat().st_mtime, file))
        if self._days is None:
            removable = sorted(turned_over)[:-1]
        else:
            oldest = (datetime.now(UTC) - timedelta(days=self._days)).timestamp()
            removable = [(at, file) for at, file in turned_over if at < oldest]
        for _, file in removable:
            file.unlink(missing_ok=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
