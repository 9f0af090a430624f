"""Sorting the rows of everybody by shard, in one pass and in little memory.

What belongs here: runs of rows on disk, and reading one shard's rows of all runs. What does not:
what the rows hold (`shard_input`).
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Final

import pyarrow as pa

RUN_BYTES: Final = 64 * 1024 * 1024
"""Rows in memory, before they are written as one run; sorting them takes as much again."""


class Spill:
    """Rows by shard, in runs of a few hundred megabytes.

    Parameters
    ----------
    folder
        Where runs are written, if there is more than one run's rows; whoever made it deletes it.
    name
        Of the runs' files.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._waiting: list[pa.Table] = []
        self._bytes = 0
        self._runs: list[tuple[pa.ipc.RecordBatchFileReader, dict[int, int]]] = []
        self._rest: dict[int, pa.Table] | None = None

    def add(self, table: pa.Table) -> None:
        """Take in rows; column ``shard`` says where each belongs."""
        if not table.num_rows:
            return
        self._waiting.append(table)
        self._bytes += table.nbytes
        if self._bytes >= RUN_BYTES:
            self._write()

    def of(self, shard: int) -> pa.Table | None:
        """Return a shard's rows, without their column ``shard``; None where there are none."""
        if self._rest is None:
            self._rest = self._by_shard()
        found = [
            pa.Table.from_batches([reader.get_batch(places[shard])])
            for reader, places in self._runs
            if shard in places
        ]
        if shard in self._rest:
            found.append(self._rest[shard])
        return pa.concat_tables(found) if found else None

    def _by_shard(self) -> dict[int, pa.Table]:
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        if not any(table.num_rows for table in waiting):
            return {}
        table = pa.concat_tables(waiting).sort_by("shard")
        shards = table["shard"].to_numpy()
        starts = [0, *((shards[1:] != shards[:-1]).nonzero()[0] + 1).tolist(), len(shards)]
        table = table.drop_columns(["shard"]).combine_chunks()
        return {
            int(shards[start]): table.slice(start, end - start) for start, end in pairwise(starts)
        }

    def _write(self) -> None:
        found = self._by_shard()
        path = self._folder / f"{self._name}-{len(self._runs)}.arrow"
        schema = next(iter(found.values())).schema
        places = {}
        with pa.ipc.new_file(path, schema) as writer:
            for number, (shard, table) in enumerate(found.items()):
                places[shard] = number
                [batch] = table.combine_chunks().to_batches()
                writer.write_batch(batch)
        self._runs.append((pa.ipc.open_file(pa.OSFile(str(path))), places))
