"""Where kinds lie, and that nothing of too few people is read from there.

What belongs here: the files, one a kind and metric, and how many people a kind needs. What does
not: the records (`pooled_results`), or making them (`experiments.pooling`).

``<root>/<kind>/<metric>.json``: replaced whole. What cannot be read, or is of another version, is
taken for not there: the next refresh makes it again. Beside a kind that is told of lies
``<metric>.npz``, what each member's own days say (`pooled_likelihoods`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from its_pipeline.files.atomic import remove_unfinished, write_bytes
from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.files.names import path_of_name
from its_pipeline.settings import Settings
from its_pipeline.stores.pooled_likelihoods import (
    Source,
    read_likelihoods,
    write_likelihoods,
)
from its_pipeline.stores.pooled_results import (
    VERSION,
    KindRecord,
    PooledResult,
    TooFewPeople,
    from_dict,
    to_dict,
)

if TYPE_CHECKING:
    from its_pipeline.its.pooling.estimates import Estimate

FEWEST_PEOPLE: Final = 2
"""How effects spread cannot be learnt of one."""


def needed_people(settings: Settings) -> int:
    """Return how many people need an estimate for a kind to be told of: never fewer than two."""
    return max(FEWEST_PEOPLE, settings.pooled_min_people)


class PooledStore:
    """The files of one installation's kinds.

    Of a kind that was made from fewer people than the settings ask for now, no number is read.

    Parameters
    ----------
    settings
        The installation's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.pooled_dir
        self._needed = needed_people(settings)

    @property
    def lock_path(self) -> Path:
        """Held by whoever makes kinds, and by whoever takes a person out of them."""
        return self.folder / ".lock"

    def path(self, kind: str, metric: str) -> Path:
        """Return where a kind lies, whether it is there or not.

        Raises
        ------
        ValueError
            One of the two cannot be the name of a file.
        """
        return path_of_name(self.folder, kind, metric, suffix=".json")

    def read(self, kind: str, metric: str) -> KindRecord | None:
        """Return what is kept of a kind; None where there is nothing that can be read."""
        record = self._read(self.path(kind, metric))
        return None if record is None else self._told(record)

    def all(self) -> tuple[KindRecord, ...]:
        """Return what is kept of every kind, sorted by kind and metric."""
        return self._sorted(self._kept())

    def with_row_of(self, user_id: str) -> set[tuple[str, str]]:
        """Return the kinds and metrics in whose files somebody has a row, told of or not."""
        return {
            (record.kind, record.metric)
            for record in self._kept()
            if isinstance(record, PooledResult) and record.member(user_id) is not None
        }

    def _kept(self) -> list[KindRecord]:
        found = [self._read(path) for path in self._paths()]
        return [record for record in found if record is not None]

    def _told(self, record: KindRecord) -> KindRecord:
        if isinstance(record, TooFewPeople):
            return record
        if record.n_with_estimate >= self._needed:
            if record.traits is not None and record.traits.needed < self._needed:
                # Some of its groups may be too small by now.
                return replace(record, traits=None)
            return record
        return TooFewPeople(
            record.kind,
            record.metric,
            record.made_at,
            record.fingerprint,
            record.n_with_estimate,
            self._needed,
            record.without_estimate,
        )

    def without_other_versions(self) -> tuple[KindRecord, ...]:
        """Delete records of another version, which nothing reads; return all others, as `all` does.

        Whoever was in one could not be found there when they are deleted.
        """
        found = {path: self._read(path) for path in self._paths()}
        for path, record in found.items():
            if record is None and path.is_file():
                path.unlink()
                path.with_suffix(".npz").unlink(missing_ok=True)
        return self._sorted(record for record in found.values() if record is not None)

    def _sorted(self, records: Iterable[KindRecord]) -> tuple[KindRecord, ...]:
        ordered = sorted(records, key=lambda record: (record.kind, record.metric))
        return tuple(self._told(record) for record in ordered)

    def _paths(self) -> list[Path]:
        return list(self.folder.glob("[!.]*/[!.]*.json"))

    def _read(self, path: Path) -> KindRecord | None:
        def parsed(file: Path) -> KindRecord | None:
            plain = json.loads(file.read_bytes())
            return from_dict(plain) if plain["version"] == VERSION else None

        return read_or_set_aside(path, parsed, self.folder.parent)

    def write(self, record: KindRecord) -> None:
        """Put a kind in the place of what was kept of it."""
        # Not `write_json`: laid out for the eye, ten thousand people take a second.
        text = json.dumps(to_dict(record), ensure_ascii=False, allow_nan=False)
        write_bytes(self.path(record.kind, record.metric), text.encode())
        if isinstance(record, TooFewPeople):
            self._likelihoods_path(record.kind, record.metric).unlink(missing_ok=True)

    def likelihoods(self, kind: str, metric: str) -> dict[Source, Estimate]:
        """Return what the analyses of a kind's members say, by analysis, as far as it is kept."""
        return read_likelihoods(self._likelihoods_path(kind, metric), self.folder.parent)

    def write_likelihoods(
        self, kind: str, metric: str, estimates: Iterable[tuple[Source, Estimate]]
    ) -> None:
        """Keep what the analyses of a kind's members say, in the place of what was kept."""
        write_likelihoods(self._likelihoods_path(kind, metric), estimates)

    def _likelihoods_path(self, kind: str, metric: str) -> Path:
        return path_of_name(self.folder, kind, metric, suffix=".npz")

    def delete(self, kind: str, metric: str) -> bool:
        """Delete what is kept of a kind; return whether there was anything."""
        path = self.path(kind, metric)
        was_there = path.is_file()
        path.unlink(missing_ok=True)
        self._likelihoods_path(kind, metric).unlink(missing_ok=True)
        if path.parent.is_dir():
            # Under the lock nobody writes: what is unfinished was broken off.
            remove_unfinished(path.parent)
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
        return was_there
