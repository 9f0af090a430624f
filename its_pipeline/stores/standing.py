"""How all experiments of a store stand, read in one pass over its result sets and folders.

What belongs here: the newest verdict of every experiment, as tables of a few columns, and counts of
them. What does not: one experiment's verdict (`experiment_store`), or what is made of all
(`experiments.evidence`).

No object an experiment is made here: of 100,000, the columns alone are some hundred megabytes, so
they come a few thousand rows at a time.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Final

import pyarrow as pa

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.schema import pc
from its_pipeline.events.shards import Shard
from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.files.names import name_of_path
from its_pipeline.stores.experiment_store import VERDICT_FILE, ExperimentStore
from its_pipeline.stores.result_rows import STANDING, compact_json
from its_pipeline.stores.verdict import Verdict

#: Rows of a table.
ROWS_AT_ONCE: Final = 4096
#: Statuses of what somebody has to look at.
FAILED: Final = ("crashed", "not_converged")
#: Of a row of a set, what is told of an experiment beside its analysis.
COLUMNS: Final = ("key", "user_id", "verdict")
_SCHEMA: Final = pa.schema([(name, pa.string()) for name in COLUMNS])


def standing_tables(store: ExperimentStore, shard: Shard | None = None) -> Iterator[pa.Table]:
    """Yield the newest verdicts of all experiments, each once, without those of forgotten people.

    Parameters
    ----------
    store
        Where they lie.
    shard
        Only of this shard's people.

    Yields
    ------
    pyarrow.Table
        Columns `COLUMNS`, the verdict as JSON; at most `ROWS_AT_ONCE` rows.
    """
    forgotten = Forgotten(store.root.parent)
    seen: set[str] = set()

    def is_new(key: str, user_id: str) -> bool:
        is_first = key not in seen
        seen.add(key)
        return is_first and (shard is None or shard.has(user_id)) and user_id not in forgotten

    # What lies in folders is newer than what lies in sets.
    for table in chain([_loose_table(store, shard)], _tables_of_sets(store, shard)):
        keys, users = (table.column(name).to_pylist() for name in ("key", "user_id"))
        kept = pa.array(map(is_new, keys, users), pa.bool_())
        found = table.filter(kept)
        for start in range(0, found.num_rows, ROWS_AT_ONCE):
            yield found.slice(start, ROWS_AT_ONCE)


def standing_verdicts(store: ExperimentStore, shard: Shard | None = None) -> Iterator[Verdict]:
    """Yield the newest verdicts of all experiments, see `standing_tables`."""
    for table in standing_tables(store, shard):
        for text in table.column("verdict").to_pylist():
            yield Verdict.from_dict(json.loads(text))


def overview_of(store: ExperimentStore, most: int) -> tuple[Counter[str], list[Verdict]]:
    """Return how many experiments have which status, and the first that failed.

    Verdicts of others are not read further than to their status.

    Parameters
    ----------
    store
        Where they lie.
    most
        Of those that crashed or did not converge, so many are returned.
    """
    counts: Counter[str] = Counter()
    failed: list[Verdict] = []
    for table in standing_tables(store):
        verdicts = table.column("verdict")
        found = pc.struct_field(pc.extract_regex(verdicts, pattern=_STATUS), "status")
        counts.update(found.to_pylist())
        if len(failed) < most:
            texts = verdicts.filter(pc.is_in(found, value_set=pa.array(FAILED))).to_pylist()
            failed += [Verdict.from_dict(json.loads(text)) for text in texts[: most - len(failed)]]
    return counts, failed


#: In the JSON of a verdict no other field of this name comes first; quotes in texts are escaped.
_STATUS: Final = r'^.*?"status":\s?"(?P<status>[a-z_]+)"'


def _tables_of_sets(store: ExperimentStore, shard: Shard | None) -> Iterator[pa.Table]:
    """Yield the rows of sets that say how experiments stand, of the newest set first."""
    for table in store.sets.small_tables([*COLUMNS, "fingerprint"], shard):
        rows = table.filter(pc.equal(table.column("fingerprint"), STANDING))
        yield rows.select(COLUMNS).cast(_SCHEMA)


def _loose_table(store: ExperimentStore, shard: Shard | None) -> pa.Table:
    """Return what folders say."""
    rows = []
    people = store.root.glob("[!.]*")
    for path in chain.from_iterable(
        folder.glob(f"[!.]*/{VERDICT_FILE}")
        for folder in people
        if shard is None or shard.has(name_of_path(folder))
    ):
        told = read_or_set_aside(
            path, lambda file: json.loads(file.read_bytes()), store.root.parent
        )
        if told is not None:
            rows.append((told["key"], told["user_id"], compact_json(told)))
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(dict(zip(COLUMNS, map(list, columns), strict=True)), _SCHEMA)
