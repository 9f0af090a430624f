"""How many experiments stand, in the few words that pools need of each.

What belongs here: outlines of newest verdicts, read many at once, and remembered of result sets,
which never change. What does not: whole verdicts (`verdict`, `experiment_store`), or what is made
of them (`experiments.kinds`).

Whoever holds the lock of the kinds may remember what was read, in one file beside them. It has rows
of the sets that there are now alone: who left is in no set, so in none of its rows either.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.schedules.cadence import DAYS, Cadence
from its_pipeline.stores.experiment_store import ExperimentStore
from its_pipeline.stores.verdict import Verdict

_FILE: Final = ".outlines.parquet"
_SET: Final = "result_set"


class Outline(NamedTuple):
    """What pools need of an experiment's newest verdict; each field as in `Verdict`."""

    key: str
    user_id: str
    intervention_id: str
    status: str
    reason_code: str
    fingerprint: str | None
    outcome_metric: str
    started_on: str
    n_pre: int
    n_post: int
    is_on_and_off: bool
    by_lot: bool
    likelihood: str
    cadence: str

    @property
    def calendar(self) -> Cadence:
        """The unit of time."""
        return Cadence.of(self.cadence)

    @classmethod
    def of(cls, verdict: Verdict) -> Outline:
        """Return a verdict's outline."""
        return cls(*(getattr(verdict, name) for name in cls._fields))


def read_outlines(
    store: ExperimentStore, keys: Iterable[str], remembered_in: Path, *, remember: bool = False
) -> dict[str, Outline]:
    """Return the outlines of those experiments that have a verdict, by key.

    Parameters
    ----------
    store
        Where verdicts lie.
    keys
        The experiments.
    remembered_in
        The folder of the kinds.
    remember
        Whether to write down what was read; its lock is held.
    """
    wanted = list(keys)
    found = _in_sets(store, remembered_in, remember)
    loose = store.with_own_verdict(wanted)
    outlines = {}
    for key in wanted:
        if key in loose:
            verdict = store.verdict(key)
            if verdict is not None:
                outlines[key] = Outline.of(verdict)
        elif key in found:
            outlines[key] = found[key]
    return outlines


def _in_sets(store: ExperimentStore, folder: Path, remember: bool) -> dict[str, Outline]:
    """Return the outlines of all standing rows of all sets, of each experiment the newest."""
    path = folder / _FILE
    known = read_or_set_aside(path, _remembered, store.root.parent) or {}
    sets: dict[str, list[Outline]] = {}
    found: dict[str, Outline] = {}
    for name, read in store.sets.standing():
        sets[name] = known[name] if name in known else [_outline(text) for text in read()]
        for outline in sets[name]:
            found.setdefault(outline.key, outline)
    if remember and sets.keys() != known.keys():
        _write(path, sets)
    return found


def _outline(verdict: str) -> Outline:
    plain: dict[str, Any] = json.loads(verdict)
    # As `Verdict` has them where an earlier version did not say.
    defaults = {"is_on_and_off": False, "by_lot": False, "likelihood": "normal"}
    told = {"cadence": DAYS.name, "n_pre": 0, "n_post": 0, **defaults, **plain}
    return Outline(*(told[name] for name in Outline._fields))


def _remembered(path: Path) -> dict[str, list[Outline]]:
    import pyarrow.parquet as pq

    table = pq.read_table(path, use_threads=False)
    if table.column_names != [_SET, *Outline._fields]:
        # Of another version: read again.
        return {}
    columns = [column.to_pylist() for column in table.columns]
    found: dict[str, list[Outline]] = {}
    for name, *values in zip(*columns, strict=True):
        found.setdefault(name, []).append(Outline._make(values))
    return found


def _write(path: Path, sets: Mapping[str, list[Outline]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from its_pipeline.files.parquet import unfinished_file

    if not any(sets.values()):
        path.unlink(missing_ok=True)
        return
    names = Outline._fields
    columns: dict[str, list[Any]] = {_SET: [], **{name: [] for name in names}}
    for result_set, outlines in sets.items():
        columns[_SET] += [result_set] * len(outlines)
        for name, values in zip(names, zip(*outlines, strict=True), strict=False):
            columns[name] += values
    with unfinished_file(path) as unfinished:
        pq.write_table(pa.table(columns), unfinished)
