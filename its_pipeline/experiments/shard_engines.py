"""Where chunks are computed: in this process, in worker processes, or on a cluster.

What belongs here: having chunks computed, a bounded number at a time, and what comes of one whose
process is lost. What does not: the computing (`shard_work`), or what becomes of the answers
(`shard_runs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from its_pipeline.experiments.shard_work import ChunkResult, ChunkSettings, evaluate_chunk

if TYPE_CHECKING:
    import pyarrow as pa

    from its_pipeline.settings import Settings


@dataclass(frozen=True)
class Chunk:
    """Some people to be evaluated together.

    Attributes
    ----------
    number
        Of the caller, to tell chunks apart.
    people
        Rows of `shard_input.PEOPLE_SCHEMA` with their looks.
    """

    number: int
    people: pa.Table


def run_chunks(
    settings: Settings, with_: ChunkSettings, chunks: Iterable[Chunk]
) -> Iterator[tuple[int, ChunkResult]]:
    """Have chunks computed; yield each answer with its chunk's number, as it is done.

    Parameters
    ----------
    settings
        The installation, which says where.
    with_
        What all chunks are evaluated with.
    chunks
        Taken a few at a time.
    """
    for chunk in chunks:
        yield chunk.number, evaluate_chunk(chunk.people, with_)
