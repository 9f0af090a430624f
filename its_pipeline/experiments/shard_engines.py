"""Where chunks are computed: in this process, in worker processes, or on a Ray cluster.

What belongs here: having chunks computed, a bounded number at a time, and what comes of one whose
process is lost. What does not: the computing (`shard_work`), Ray itself (`shard_ray`), or what
becomes of the answers (`shard_runs`).
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from its_pipeline.experiments.parallel import through_workers, workers_for
from its_pipeline.experiments.shard_chunks import Chunk, Lost, start
from its_pipeline.experiments.shard_work import ChunkResult, evaluate_chunk, given_up
from its_pipeline.processes.errors import JobFailedError, JobTimeoutError, WorkerLostError

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

LOCAL: Final = "local"
RAY: Final = "ray"

_log = logging.getLogger(__name__)


class Engine(Protocol):
    """Something that has chunks computed."""

    def __call__(self, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, ChunkResult | Lost]]:
        """Yield each chunk with its answer as it is done, a bounded number in hand.

        `chunks` may have more to give after it had nothing: it is asked as long as any is in hand.
        """
        ...


def run_chunks(
    settings: Settings, chunks: Iterable[Chunk], experiments: int
) -> Iterator[tuple[int, ChunkResult]]:
    """Have chunks computed; yield each answer with its chunk's number, as it is done.

    A chunk whose process is lost is computed anew, one person at a time, each with that number;
    whoever loses a process alone has crashed.

    Parameters
    ----------
    settings
        The installation, which says where.
    chunks
        Taken a few at a time.
    experiments
        How many there are about: as many worker processes are started as they deserve.

    Raises
    ------
    OSError
        Of the machine and not of an experiment (`files.damage.MACHINE_ERRORS`).
    ConnectionError, WorkerUnavailableError
        There is no cluster, or no worker process could start.
    """
    feed = _Feed(chunks)
    for chunk, found in _engine(settings, experiments)(feed):
        if isinstance(found, ChunkResult):
            yield chunk.number, found
        elif chunk.people.num_rows > 1:
            _log.warning("chunk %d is computed one by one: %s", chunk.number, found.reason)
            feed.again(chunk.one_by_one())
        else:
            yield chunk.number, given_up(chunk.people, chunk.settings, found.reason)


class _Feed(Iterator[Chunk]):
    """Chunks, and those that have to be computed again."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self._chunks = iter(chunks)
        self._again: deque[Chunk] = deque()

    def again(self, chunks: Iterable[Chunk]) -> None:
        self._again.extend(chunks)

    def __next__(self) -> Chunk:
        return self._again.popleft() if self._again else next(self._chunks)


def _engine(settings: Settings, experiments: int) -> Engine:
    if settings.engine == RAY:
        from its_pipeline.experiments.shard_ray import RayEngine

        return RayEngine(settings.ray_address)
    workers = workers_for(settings, experiments)
    return _Workers(workers) if workers else _in_turn


def _in_turn(chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, ChunkResult]]:
    """Compute chunks in this process."""
    for chunk in chunks:
        yield chunk, evaluate_chunk(chunk.people, chunk.settings)


@dataclass(frozen=True)
class _Workers:
    """Worker processes of this machine, one a core."""

    count: int

    def __call__(self, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, ChunkResult | Lost]]:
        in_hand: dict[str, Chunk] = {}
        names = _Names(chunks, in_hand)
        for name, _, future in through_workers(start, (), names, in_hand.__getitem__, self.count):
            chunk = in_hand.pop(name)
            try:
                yield chunk, future.result()
            except JobFailedError as error:
                if error.errno is None:
                    raise
                raise OSError(error.errno, os.strerror(error.errno)) from error
            except (WorkerLostError, JobTimeoutError) as error:
                yield chunk, Lost(f"{type(error).__name__}: {error}")


class _Names(Iterator[str]):
    """A name for each chunk that is taken in hand."""

    def __init__(self, chunks: Iterable[Chunk], in_hand: dict[str, Chunk]) -> None:
        self._chunks = iter(chunks)
        self._in_hand = in_hand
        self._given = 0

    def __next__(self) -> str:
        chunk = next(self._chunks)
        self._given += 1
        name = str(self._given)
        self._in_hand[name] = chunk
        return name
