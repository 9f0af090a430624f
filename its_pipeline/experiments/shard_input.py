"""A shard's input: one Parquet file with all that its experiments' answers follow from.

What belongs here: the file's rows, one a person, and reading them. What does not: who is in it and
how everybody's days get there (`shard_plan`), or evaluating them (`shard_work`).

A group of rows is a chunk: what is computed, stored, and lost at a time. What all people share lies
in the file's key-value metadata.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.files.parquet import unfinished_file

if TYPE_CHECKING:
    import pandas as pd

CHUNK_PEOPLE: Final = 50
"""People in a chunk: some two seconds of one core, and half a megabyte."""

SHARES: Final = ("share_morning", "share_afternoon", "share_evening", "share_night")
#: Columns of daily outcomes, one number a day.
DAY_COLUMNS: Final = {
    "day": pa.date32(),
    "value": pa.float64(),
    "n_events": pa.int32(),
    **{name: pa.float64() for name in SHARES},
}
PEOPLE_SCHEMA: Final = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("interventions", pa.string(), nullable=False),
        pa.field("rejected", pa.string()),
        pa.field("outcomes", pa.list_(pa.string()), nullable=False),
        pa.field("n_days", pa.list_(pa.int32()), nullable=False),
        *(pa.field(name, pa.list_(kind), nullable=False) for name, kind in DAY_COLUMNS.items()),
        pa.field("digest", pa.string(), nullable=False),
        pa.field("known", pa.string()),
    ]
)
"""``interventions``: as JSON, see `intervention_rows.people_in_log`; ``rejected``: metric to rows
of UTC day, rule and number; ``outcomes``, ``n_days``: of which, and how many, days follow each
other in the columns of days; ``digest``: of all before it and of what is shared; ``known``:
experiments' newest verdicts by key."""
LOOKS: Final = pa.field("looks", pa.string())
"""Taken so far, as JSON; put beside a chunk when it is handed out, see `shard_looks`."""
#: Read once, whole and soon: measured numbers neither repeat nor compress.
_WRITING: Final[dict[str, Any]] = {
    "compression": "lz4",
    "use_dictionary": False,
    "write_statistics": False,
    # A flipped bit would be another series, and its answer would be taken for this one's.
    "write_page_checksum": True,
}
_SHARED: Final = "shared"
_ABOUT: Final = "about"


@dataclass(frozen=True)
class StoreIdentity:
    """What tells whether a store is the one that something was planned with.

    Attributes
    ----------
    data
        Of everything but the log: daily outcomes, who was forgotten, what all share, and the day.
    sequence
        The log's newest version.
    """

    data: str
    sequence: int

    @property
    def whole(self) -> str:
        """Both in one text."""
        return f"{self.sequence} {self.data}"


@dataclass(frozen=True)
class InputAbout:
    """What a shard's input says of itself.

    Attributes
    ----------
    store
        What the store was like when it was written.
    select
        ``stale``: people whose verdicts stand are not in it. ``all``: everybody is.
    experiments
        How many the shard has.
    unchanged
        Those of people who are not in it.
    """

    store: StoreIdentity
    select: str
    experiments: int
    unchanged: int


class ShardInput:
    """An open input file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    OSError, ValueError
        It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False)
        metadata = self._file.metadata.metadata or {}
        try:
            self.shared = metadata[_SHARED.encode()].decode()
            about = json.loads(metadata[_ABOUT.encode()])
        except KeyError as error:
            raise ValueError(f"{path} is no shard's input: it lacks {error}") from error
        self.n_people: int = self._file.metadata.num_rows
        self.about = InputAbout(**{**about, "store": StoreIdentity(**about["store"])})

    def chunks(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Yield the people, a chunk at a time; only some columns, where they are given."""
        for number in range(self._file.num_row_groups):
            yield self._file.read_row_group(number, columns=columns, use_threads=False)


def whole_input(path: Path) -> ShardInput:
    """Open an input file and read it to its end.

    Raises
    ------
    OSError, ValueError
        It cannot be opened, or anything of it is not as it was written.
    """
    content = ShardInput(path)
    for _ in content.chunks():
        pass
    return content


def write_input(path: Path, shared: str, about: InputAbout, people: Iterable[pa.Table]) -> None:
    """Write an input file, or replace it.

    Parameters
    ----------
    path
        Where.
    shared
        What all people share, see `shard_shared.SharedInput`.
    about
        What the file says of itself.
    people
        Rows of `PEOPLE_SCHEMA`.
    """
    with (
        unfinished_file(path) as unfinished,
        pq.ParquetWriter(unfinished, PEOPLE_SCHEMA, **_WRITING) as writer,
    ):
        for table in people:
            writer.write_table(table.cast(PEOPLE_SCHEMA), row_group_size=CHUNK_PEOPLE)
        writer.add_key_value_metadata({_SHARED: shared, _ABOUT: json.dumps(asdict(about))})


def digests(people: pa.Table, shared_digest: str) -> list[str]:
    """Return of each person a digest of all that their verdicts follow from but the date.

    Parameters
    ----------
    people
        Columns of `PEOPLE_SCHEMA` but ``digest`` and ``known``.
    shared_digest
        Of what all share.
    """
    texts = [people[name].to_pylist() for name in ("interventions", "rejected", "outcomes")]
    days = {name: _flat(people[name]) for name in ("n_days", *DAY_COLUMNS)}
    found = []
    for row, said in enumerate(zip(*texts, strict=True)):
        digest = hashlib.blake2b(shared_digest.encode(), digest_size=16)
        digest.update(json.dumps(said).encode())
        for offsets, values in days.values():
            digest.update(values[offsets[row] : offsets[row + 1]].tobytes())
        found.append(digest.hexdigest())
    return found


def series_of(people: pa.Table) -> dict[tuple[str, str], pd.DataFrame]:
    """Return everybody's series by person and outcome, as `events.daily.read_series` gives them."""
    import numpy as np
    import pandas as pd

    days = {name: _flat(people[name]) for name in DAY_COLUMNS}
    found = {}
    said = zip(
        *(people[name].to_pylist() for name in ("user_id", "outcomes", "n_days")), strict=True
    )
    for row, (user_id, outcomes, n_days) in enumerate(said):
        start = days["day"][0][row]
        for outcome, count in zip(outcomes, n_days, strict=True):
            own = {name: values[start : start + count] for name, (_, values) in days.items()}
            own["day"] = own["day"].astype("datetime64[D]").astype("datetime64[ns]")
            own["n_events"] = own["n_events"].astype(np.int64)
            found[user_id, outcome] = pd.DataFrame(own)
            start += count
    return found


def known_of(person: Mapping[str, Any]) -> dict[str, Any]:
    """Return the verdicts known of a person's experiments, by key."""
    return {} if person["known"] is None else json.loads(person["known"])


def _flat(column: pa.ChunkedArray) -> tuple[Any, Any]:
    """Return a list column as offsets and one array of all values."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    values = array.flatten()
    if pa.types.is_date32(values.type):
        values = values.cast(pa.int32())
    offsets = array.offsets.to_numpy()
    return offsets - offsets[0], values.to_numpy(zero_copy_only=False)
