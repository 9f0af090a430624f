"""Pages drawn on demand, as files of a folder of bounded size.

What belongs here: where such a page lies, putting it there, and dropping what was opened longest
ago, by the files' own times. What does not: drawing it, or whether it is still what should be shown
(`pages`). Whatever lies here can be drawn again, so nobody has to keep or copy it.

One flat folder: whether there is room is seen in one listing, however many people there are. The
name of a file says whose it is by digests alone, since two identifiers and a mark together may be
longer than a file's name can be.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from its_pipeline.events.keys import parse_experiment_key
from its_pipeline.files.atomic import UNFINISHED_PREFIX, write_bytes
from its_pipeline.settings import Settings

_DIGITS: Final = 32
"""Of a digest, in a file's name: 128 bits."""
_SUFFIX: Final = ".html"


@dataclass(frozen=True)
class PageCache:
    """The pages of one store that were drawn on demand.

    Attributes
    ----------
    folder
        Where they lie.
    most_bytes
        What they may take together; the newest one stays even if it alone takes more.
    """

    folder: Path
    most_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> PageCache:
        """Return the cache of an installation."""
        return cls(settings.page_cache_dir, settings.page_cache_megabytes * 1_000_000)

    def path(self, key: str, shown: str) -> Path:
        """Return where the page of an experiment lies that shows something, drawn yet or not.

        Parameters
        ----------
        key
            The experiment.
        shown
            Hexadecimal digest of what the page shows: another one is another file, so a page of
            an older verdict cannot be taken for the newest one's.
        """
        return self.folder / f"{_experiment(key)}-{shown[:_DIGITS]}{_SUFFIX}"

    def put(self, key: str, shown: str, page: bytes) -> None:
        """Keep a page; the experiment's older ones go, and what was opened longest ago.

        Parameters
        ----------
        key, shown
            As in `path`.
        page
            Its HTML.
        """
        path = self.path(key, shown)
        write_bytes(path, page)
        self._make_room(path)

    def delete_of_person(self, user_id: str) -> None:
        """Delete every page of a person."""
        if self.folder.is_dir():
            for path in self.folder.glob(f"{_digest(user_id)}-*{_SUFFIX}"):
                path.unlink(missing_ok=True)

    def _make_room(self, newest: Path) -> None:
        own = newest.name.rpartition("-")[0]
        found: list[tuple[int, int, Path]] = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name == newest.name or entry.name.startswith(UNFINISHED_PREFIX):
                    continue
                path = Path(entry.path)
                if entry.name.rpartition("-")[0] == own:
                    path.unlink(missing_ok=True)
                    continue
                try:
                    status = entry.stat()
                except FileNotFoundError:
                    # Another process made room meanwhile.
                    continue
                found.append((status.st_mtime_ns, status.st_size, path))
        left = newest.stat().st_size + sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if left <= self.most_bytes:
                return
            path.unlink(missing_ok=True)
            left -= size


def _experiment(key: str) -> str:
    parsed = parse_experiment_key(key)
    return f"{_digest(parsed.user_id)}-{_digest(parsed.intervention_id)}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
