"""Which analyses are kept of what people asked besides their logged interventions.

What belongs here: the list of one person's, and what goes when it is full. What does not: the
analyses themselves (`stores.experiment_store`, `stores.runs`), or who may ask (`api`).

``<root>/<user_id>.json`` lists them by experiment and fingerprint. When one was asked for last is
the modification time of its folder: an answer that is read costs no lock and no list.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from its_pipeline.events.keys import parse_experiment_key, validate_id
from its_pipeline.files.atomic import exclusive, remove_unfinished, write_json
from its_pipeline.stores.experiment_store import ExperimentStore
from its_pipeline.stores.keeping import remove


class AdhocAnalyses:
    """The lists of all people under one root.

    Parameters
    ----------
    root
        ``Settings.adhoc_dir``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def kept(self, key: str, fingerprint: str) -> int | None:
        """Return how many of this person's are kept, or None where this one is not among them."""
        listed = self._read(parse_experiment_key(key).user_id)
        return len(listed) if (key, fingerprint) in listed else None

    def asked(self, key: str, fingerprint: str, store: ExperimentStore) -> None:
        """Note that an analysis was asked for again: it goes after those that were not."""
        if self.kept(key, fingerprint) is not None:
            with contextlib.suppress(FileNotFoundError):
                os.utime(store.analysis_folder(key, fingerprint))

    def make_room(
        self,
        key: str,
        fingerprint: str,
        limit: int,
        store: ExperimentStore,
        forget: Callable[[str], None],
    ) -> int:
        """List an analysis about to be made; remove those beyond the limit asked for longest ago.

        It is listed ahead, and what goes leaves the list last: whoever is killed in between leaves
        nothing that is kept without being counted.

        Parameters
        ----------
        key, fingerprint
            The analysis; one that is listed keeps its place.
        limit
            How many of one person's are kept, this one included.
        store, forget
            Where the analyses lie, and what deletes a run by its MLflow id. What has become the
            newest analysis of a logged intervention stays, and is counted no longer.

        Returns
        -------
        int
            How many were removed.
        """
        if limit < 1:
            raise ValueError(f"limit should be at least 1 but got {limit}")
        user_id = parse_experiment_key(key).user_id
        with exclusive(self._root / f".{user_id}.lock"):
            listed = self._read(user_id)
            is_new = (key, fingerprint) not in listed
            surplus = sorted(listed, key=lambda each: _asked_at(store.analysis_folder(*each)))
            surplus = surplus[: max(0, len(listed) + is_new - limit)]
            removed = sum(remove(store, *each, forget) for each in surplus)
            left = [each for each in listed if each not in surplus]
            if (key, fingerprint) not in left:
                left.append((key, fingerprint))
            if left != listed:
                # What a killed writer left can be anybody's, so all of them share this lock.
                with exclusive(self._root / ".lock"):
                    remove_unfinished(self._root)
                    write_json(self._path(user_id), left)
        return removed

    def _path(self, user_id: str) -> Path:
        return self._root / f"{validate_id('user_id', user_id)}.json"

    def _read(self, user_id: str) -> list[tuple[str, str]]:
        try:
            text = self._path(user_id).read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [(str(key), str(fingerprint)) for key, fingerprint in json.loads(text)]


def _asked_at(folder: Path) -> int:
    """Return when an analysis was asked for last; one that is not there goes first."""
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
