"""Everybody's interventions, days and rejected events, a shard at a time, from one pass over each.

What belongs here: joining them by person in little memory, whatever the size of the store. What
does not: whose verdicts stand (`shard_standing`), or the file that comes of it (`shard_input`).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.keys import experiment_key
from its_pipeline.events.schema import pc
from its_pipeline.events.shards import Shard
from its_pipeline.experiments.shard_days import only_needed, people_days
from its_pipeline.experiments.shard_input import DAY_COLUMNS, PEOPLE_SCHEMA, digests
from its_pipeline.experiments.shard_shared import SharedInput
from its_pipeline.experiments.shard_spill import Spill

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

_PEOPLE_AT_A_TIME: Final = 5_000


class People:
    """The people of some shards, read from the log and the daily outcomes when this is made.

    Parameters
    ----------
    settings
        The installation.
    shards
        Which; all of the same number of shards.
    shared
        What all share.
    folder
        Where rows that do not fit into memory are put; whoever made it deletes it.
    """

    def __init__(
        self, settings: Settings, shards: Sequence[Shard], shared: SharedInput, folder: Path
    ) -> None:
        numbers = {shard.number for shard in shards}
        [count] = {shard.count for shard in shards}
        forgotten = Forgotten(settings.store_root)
        self._digest = shared.digest()
        self._log, self._days = Spill(folder, "log"), Spill(folder, "days")

        def numbers_of(users: Sequence[str]) -> list[int]:
            found = (Shard.of_person(user_id, count).number for user_id in users)
            return [
                number if number in numbers and user_id not in forgotten else -1
                for user_id, number in zip(users, found, strict=True)
            ]

        outcomes: set[str] = set()
        for page in _pages(settings, shared):
            outcomes.update(*page["needs"])
            table = pa.table({**page, "shard": numbers_of(page["user_id"])}, _LOG_SCHEMA)
            self._log.add(table.filter(pc.greater_equal(table["shard"], 0)))
        for table in people_days(settings.daily_outcomes_path, outcomes, numbers_of):
            self._days.add(table)
        self._rejected = _rejected(settings, shared)

    def of(self, shard: Shard) -> pa.Table:
        """Return a shard's people by identifier.

        Returns
        -------
        pyarrow.Table
            Columns of `shard_input.PEOPLE_SCHEMA` but ``known``; ``keys`` of their experiments, and
            ``complete_on``, the last complete day of each.
        """
        log, days = self._log.of(shard.number), self._days.of(shard.number)
        people = _people_of(log, days, self._rejected)
        return people.append_column("digest", pa.array(digests(people, self._digest), pa.string()))


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
            told = [[None if on is None else on.isoformat(), *said] for on, *said in rows]
            found[user_id][name] = sorted(told, key=json.dumps)
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
    return only_needed(pa.table(columns))


def _without_nulls(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a list column with empty lists where there were none."""
    empty = pa.array([[]], column.type)
    return pc.coalesce(column, empty[0]) if column.null_count else column
