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
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.schema import pc
from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.stores.experiment_store import VERDICT_FILE, ExperimentStore
from its_pipeline.stores.result_rows import STANDING, compact_json
from its_pipeline.stores.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

#: Rows of a table.
ROWS_AT_ONCE: Final = 4096
#: Of a row of a set, what is told of an experiment beside its analysis.
COLUMNS: Final = ("key", "user_id", "verdict")
_SCHEMA: Final = pa.schema([(name, pa.string()) for name in COLUMNS])


def standing_tables(
    store: ExperimentStore, is_wanted: Callable[[str], bool] = lambda user_id: True
) -> Iterator[pa.Table]:
    """Yield the newest verdicts of all experiments, each once, without those of forgotten people.

    Parameters
    ----------
    store
        Where they lie.
    is_wanted
        Told whose it is, whether an experiment is among them.

    Yields
    ------
    pyarrow.Table
        Columns `COLUMNS`, the verdict as JSON.
    """
    forgotten = Forgotten(store.root.parent)
    seen: set[str] = set()

    def fresh(table: pa.Table) -> pa.Table:
        keys = table.column("key").to_pylist()
        users = table.column("user_id").to_pylist()
        kept = []
        for key, user_id in zip(keys, users, strict=True):
            new = key not in seen and is_wanted(user_id) and user_id not in forgotten
            seen.add(key)
            kept.append(new)
        return table if all(kept) else table.filter(pa.array(kept, pa.bool_()))

    # What lies in folders is newer than what lies in sets, and a set than one of a lower number.
    loose = list(_loose_rows(store))
    if loose:
        yield fresh(pa.table({name: [row[name] for row in loose] for name in COLUMNS}, _SCHEMA))
    for path in store.sets.paths():
        for table in _standing_of(path):
            found = fresh(table)
            if found.num_rows:
                yield found


def standing_verdicts(
    store: ExperimentStore, is_wanted: Callable[[str], bool] = lambda user_id: True
) -> Iterator[Verdict]:
    """Yield the newest verdicts of all experiments, see `standing_tables`."""
    for table in standing_tables(store, is_wanted):
        for text in table.column("verdict").to_pylist():
            yield Verdict.from_dict(json.loads(text))


def count_standing(
    store: ExperimentStore, is_wanted: Callable[[str], bool] = lambda user_id: True
) -> Counter[str]:
    """Return how many experiments have which status."""
    counts: Counter[str] = Counter()
    for table in standing_tables(store, is_wanted):
        found = pc.extract_regex(table.column("verdict"), pattern=_STATUS)
        counts.update(pc.struct_field(found, "status").to_pylist())
    return counts


#: In the JSON of a verdict no other field of this name comes first, and a text's quotes are escaped.
_STATUS: Final = r'^.*?"status":\s?"(?P<status>[a-z_]+)"'


def _standing_of(path: Path) -> Iterator[pa.Table]:
    """Yield the rows of a set that say how experiments stand."""
    file = pq.ParquetFile(path, page_checksum_verification=True)
    read = [*COLUMNS, "fingerprint"]
    for batch in file.iter_batches(ROWS_AT_ONCE, columns=read, use_threads=False):
        rows = pa.Table.from_batches([batch])
        rows = rows.filter(pc.equal(rows.column("fingerprint"), STANDING))
        if rows.num_rows:
            yield rows.select(COLUMNS).cast(_SCHEMA)


def _loose_rows(store: ExperimentStore) -> Iterator[dict[str, str]]:
    for path in store.root.glob(f"[!.]*/[!.]*/{VERDICT_FILE}"):
        told = read_or_set_aside(path, lambda file: json.loads(file.read_bytes()), store.root.parent)
        if told is not None:
            yield {"key": told["key"], "user_id": told["user_id"], "verdict": compact_json(told)}
