"""Planning shards: who has to be evaluated, and the input of that, in one pass over the store.

What belongs here: joining the log, the days, the rejected events and the results of everybody, a
shard at a time, in little memory, and telling whose verdicts stand. What does not: the input file
itself (`shard_input`), or evaluating it (`shard_runs`).
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import pyarrow as pa

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.keys import experiment_key
from its_pipeline.events.schema import pc
from its_pipeline.events.shards import Shard
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.shard_days import people_days
from its_pipeline.experiments.shard_input import (
    DAY_COLUMNS,
    PEOPLE_SCHEMA,
    InputAbout,
    digests,
    write_input,
)
from its_pipeline.experiments.shard_shared import SharedInput
from its_pipeline.experiments.shard_spill import Spill
from its_pipeline.stores.result_rows import STANDING

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

SHARDS_FOLDER: Final = "shards"
"""Folder of the store for the inputs of shards, and for what is known of each."""
_PEOPLE_AT_A_TIME: Final = 5_000

Select = Literal["stale", "all"]


@dataclass(frozen=True)
class PlannedShard:
    """What there is to do in a shard.

    Attributes
    ----------
    shard
        Which.
    experiments
        How many it has.
    unchanged
        Those of people whose verdicts stand.
    people
        How many have to be evaluated; with none there is no input file.
    """

    shard: Shard
    experiments: int
    unchanged: int
    people: int


def input_path(settings: Settings, shard: Shard) -> Path:
    """Return where a shard's input lies."""
    return settings.store_root / SHARDS_FOLDER / f"{shard.slug}.parquet"


def store_identity(settings: Settings, shared: SharedInput) -> str:
    """Return what tells whether a store's data are those that something was planned with.

    The log's newest version, the file of daily outcomes, who was forgotten, what all share, and the
    day: as long as they are the same, planning anew would plan the same.
    """
    from its_pipeline.events.intervention_rows import newest_sequence
    from its_pipeline.events.interventions import InterventionLog

    log = InterventionLog(settings.resolved_intervention_log_url)
    try:
        with log.engine.connect() as connection:
            sequence = newest_sequence(connection)
    finally:
        log.close()
    files = (settings.daily_outcomes_path, settings.store_root / "forgotten" / "people.json")
    known = []
    for path in files:
        status = path.stat() if path.is_file() else None
        known.append(None if status is None else [status.st_size, status.st_mtime_ns])
    return json.dumps([sequence, known, shared.digest(), shared.day_on])


def plan_shards(
    settings: Settings,
    shards: Sequence[Shard],
    *,
    select: Select = "stale",
    keys: Collection[str] | None = None,
    decided_at: str | None = None,
    write: bool = True,
) -> list[PlannedShard]:
    """Write the inputs of shards, in one pass over everybody's data.

    Parameters
    ----------
    settings
        The installation.
    shards
        Which; all of the same number of shards.
    select
        ``stale``: only people of whom something can have changed.
    keys
        Only people with one of these experiments.
    decided_at
        The instant that stands for the clock; default now.
    write
        False: only tell how much there is to do.

    Returns
    -------
    list[PlannedShard]
        In the order of `shards`.
    """
    shared = SharedInput.of_store(settings, decided_at)
    identity = store_identity(settings, shared)
    folder = settings.store_root / SHARDS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    planned = []
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder) as spilled:
        log, days = _spilled(settings, shards, shared, Path(spilled))
        rejected = _rejected(settings, shared)
        for shard in shards:
            people = _people_of(log.of(shard.number), days.of(shard.number), rejected)
            people = people.append_column("digest", pa.array(digests(people, shared.digest())))
            planned.append(
                _plan(settings, shard, people, shared, identity, select, keys, write=write)
            )
    return planned


def _spilled(
    settings: Settings, shards: Sequence[Shard], shared: SharedInput, folder: Path
) -> tuple[Spill, Spill]:
    """Return everybody's interventions and days, by shard."""
    numbers = {shard.number for shard in shards}
    counts = {shard.count for shard in shards}
    if len(counts) != 1:
        raise ValueError(f"shards should be of one number of shards, got {sorted(counts)}")
    [count] = counts
    forgotten = Forgotten(settings.store_root)

    def number_of(user_id: str) -> int:
        number = Shard.of_person(user_id, count).number
        return number if number in numbers and user_id not in forgotten else -1

    log, outcomes = Spill(folder, "log"), set()
    for page in _pages(settings, shared):
        outcomes.update(*page["needs"])
        page["shard"] = [number_of(user_id) for user_id in page["user_id"]]
        table = pa.table(page, _LOG_SCHEMA)
        log.add(table.filter(pc.greater_equal(table["shard"], 0)))
    days = Spill(folder, "days")
    of_all = lambda users: [number_of(user_id) for user_id in users]  # noqa: E731
    for table in people_days(settings.daily_outcomes_path, outcomes, of_all):
        days.add(table)
    return log, days


_LOG_SCHEMA: Final = pa.schema(
    {
        "user_id": pa.string(),
        "shard": pa.int32(),
        "interventions": pa.string(),
        "needs": pa.list_(pa.string()),
        "keys": pa.list_(pa.string()),
        "complete_on": pa.list_(pa.string()),
    }
)


def _pages(settings: Settings, shared: SharedInput) -> Iterator[dict[str, list[Any]]]:
    """Yield people of the log: columns of `_LOG_SCHEMA` without the shard."""
    from its_pipeline.events.intervention_rows import people_in_log
    from its_pipeline.events.interventions import InterventionLog

    complete: dict[str, str] = {}
    of_metrics = {
        name: metric.analysis.comparisons or () for name, metric in shared.outcome_metrics().items()
    }
    page: dict[str, list[Any]] = defaultdict(list)
    log = InterventionLog(settings.resolved_intervention_log_url)
    try:
        for user_id, rows in people_in_log(log.engine, _PEOPLE_AT_A_TIME):
            needs: set[str] = set()
            ends = []
            for row in rows:
                metric, zone = row["outcome_metric"], row["time_zone"]
                needs |= {metric, *of_metrics.get(metric, ())}
                if "comparisons" in row["analysis"]:
                    needs.update(json.loads(row["analysis"]).get("comparisons") or ())
                if zone not in complete:
                    complete[zone] = shared.last_complete_day(zone).isoformat()
                ends.append(complete[zone])
            page["user_id"].append(user_id)
            page["interventions"].append(json.dumps(rows, separators=(",", ":")))
            page["needs"].append(sorted(needs))
            page["keys"].append([experiment_key(user_id, row["intervention_id"]) for row in rows])
            page["complete_on"].append(ends)
            if len(page["user_id"]) == _PEOPLE_AT_A_TIME:
                yield page
                page = defaultdict(list)
    finally:
        log.close()
    if page:
        yield page


def _rejected(settings: Settings, shared: SharedInput) -> dict[str, str]:
    """Return what was rejected of whom, as a shard's input holds it."""
    from its_pipeline.experiments.rejections import Rejections

    rejections = Rejections(settings.lake_dir)
    found: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for name, metric in sorted(shared.outcome_metrics().items()):
        for user_id, rows in rejections.counts(metric).items():
            found[user_id][name] = sorted(
                [None if day is None else day.isoformat(), rule, count] for day, rule, count in rows
            )
    return {user_id: json.dumps(said) for user_id, said in found.items()}


def _people_of(
    log: pa.Table | None, days: pa.Table | None, rejected: Mapping[str, str]
) -> pa.Table:
    """Return a shard's people with their interventions and days, by identifier."""
    logged = _LOG_SCHEMA.remove(1).empty_table() if log is None else log.sort_by("user_id")
    users = logged["user_id"].to_pylist()
    names = ("user_id", "outcomes", "n_days", *DAY_COLUMNS)
    no_days = pa.schema([PEOPLE_SCHEMA.field(name) for name in names]).empty_table()
    observed = no_days if days is None else days
    place = {user_id: row for row, user_id in enumerate(observed["user_id"].to_pylist())}
    own = observed.take(pa.array([place.get(user_id) for user_id in users], pa.int64()))
    columns: dict[str, Any] = {name: logged[name] for name in logged.column_names}
    columns["rejected"] = pa.array([rejected.get(user_id) for user_id in users], pa.string())
    columns |= {name: _without_nulls(own[name]) for name in names[1:]}
    return pa.table(columns)


def _without_nulls(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a list column with empty lists where there were none."""
    empty = pa.array([[]], column.type)
    return pc.coalesce(column, empty[0]) if column.null_count else column


def _plan(
    settings: Settings,
    shard: Shard,
    people: pa.Table,
    shared: SharedInput,
    identity: str,
    select: Select,
    keys: Collection[str] | None,
    *,
    write: bool,
) -> PlannedShard:
    """Write one shard's input, if anything is to be done."""
    wanted = None if keys is None else set(keys)

    def counted(people: pa.Table) -> int:
        return sum(
            wanted is None or key in wanted for own in people["keys"].to_pylist() for key in own
        )

    if wanted is not None:
        chosen = [not wanted.isdisjoint(own) for own in people["keys"].to_pylist()]
        people = people.filter(pa.array(chosen, pa.bool_()))
    experiments = counted(people)
    standing = Standing(settings, shard)
    is_stale = pa.array(
        [select == "all" or not standing.holds(person) for person in _told(people)], pa.bool_()
    )
    unchanged = counted(people.filter(pc.invert(is_stale)))
    people = people.filter(is_stale)
    planned = PlannedShard(shard, experiments, unchanged, people.num_rows)
    if write and people.num_rows:
        known = standing.verdicts(people["keys"].to_pylist())
        people = people.append_column("known", pa.array(known, pa.string()))
        about = InputAbout(identity, select, experiments, unchanged)
        table = people.select(PEOPLE_SCHEMA.names)
        write_input(input_path(settings, shard), shared.to_json(), about, [table])
    elif write:
        input_path(settings, shard).unlink(missing_ok=True)
    return planned


def _told(people: pa.Table) -> Iterator[tuple[str, list[str], list[str]]]:
    names = ("digest", "keys", "complete_on")
    return zip(*(people[name].to_pylist() for name in names), strict=True)


class Standing:
    """How a shard's experiments stand by the result sets.

    Parameters
    ----------
    settings, shard
        The installation, and which.
    """

    def __init__(self, settings: Settings, shard: Shard) -> None:
        self._sets = open_store(settings).sets
        self._shard = shard
        self._sets.are_whole(shard)
        columns = ["key", "fingerprint", "input_digest", "holds_on", "of_analysis"]
        table = self._sets.small_table(shard, columns)
        self._places = set()
        self._rows = {}
        for key, fingerprint, *said in zip(*(table[n].to_pylist() for n in columns), strict=True):
            self._places.add((key, fingerprint))
            if fingerprint == STANDING:
                self._rows[key] = said

    def holds(self, person: tuple[str, Sequence[str], Sequence[str]]) -> bool:
        """Tell whether a person's verdicts are what evaluating them now would give.

        Parameters
        ----------
        person
            The digest of their input, their experiments, and the last complete day of each.
        """
        digest, keys, complete_on = person
        for key, on in zip(keys, complete_on, strict=True):
            input_digest, holds_on, fingerprint = self._rows.get(key, (None, None, None))
            if input_digest != digest or holds_on not in ("", on):
                return False
            if fingerprint is not None and (key, fingerprint) not in self._places:
                return False
        return True

    def verdicts(self, of_people: Sequence[Sequence[str]]) -> list[str | None]:
        """Return people's known verdicts as JSON by key, without those whose analysis is lost."""
        if not self._rows:
            return [None] * len(of_people)
        table = self._sets.small_table(self._shard, ["verdict"])
        said = zip(
            *(table[name].to_pylist() for name in ("key", "fingerprint", "verdict")), strict=True
        )
        verdicts = {key: verdict for key, fingerprint, verdict in said if fingerprint == STANDING}
        found: list[str | None] = []
        for keys in of_people:
            own = [
                f"{json.dumps(key)}:{verdicts[key]}"
                for key in keys
                if key in verdicts and self._is_there(key, verdicts[key])
            ]
            found.append(f"{{{','.join(own)}}}" if own else None)
        return found

    def _is_there(self, key: str, verdict: str) -> bool:
        fingerprint = self._rows[key][2]
        if fingerprint is None:
            # Of a row that was gathered: it does not say which analysis it is made of.
            told = json.loads(verdict)
            fingerprint = None if told["diagnostics"] is None else told["fingerprint"]
        return fingerprint is None or (key, fingerprint) in self._places
