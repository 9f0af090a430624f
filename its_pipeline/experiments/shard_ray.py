"""Chunks as tasks of a Ray cluster: the one place that knows Ray.

What belongs here: reaching the cluster, handing out tasks, and telling a lost process from an
error. What does not: what a task computes (`shard_work`). Ray is the optional extra ``ray``.

A node needs Ray and this package in the versions of whoever hands out the tasks, and nothing else:
no folder of the store, no database, no Dagster.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from its_pipeline.experiments.shard_chunks import Chunk, Lost, start
from its_pipeline.experiments.shard_work import ChunkResult, ChunkSettings

_IN_HAND: Final = 2
"""Chunks a core of the cluster: one is computed, and the next one is there when it is done."""
_LOOK_UP_SECONDS: Final = 0.05
_RETRIES: Final = 2
"""How often Ray computes a task again whose process or node was lost."""
_ONE_CORE: Final = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}


class RayEngine:
    """A cluster, or this machine as one.

    Parameters
    ----------
    address
        The cluster's; None: Ray is started on this machine, and ended afterwards.

    Raises
    ------
    ModuleNotFoundError
        Ray is not installed.
    ConnectionError
        No cluster is at the address.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._ray = _ray()

    def __call__(self, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, ChunkResult | Lost]]:
        """Yield each chunk with its answer as it is done."""
        ray = self._ray
        is_ours = not ray.is_initialized()
        if is_ours:
            ray.init(
                address=self._address,
                log_to_driver=False,
                logging_level=logging.WARNING,
                include_dashboard=False if self._address is None else None,
                runtime_env={"env_vars": _ONE_CORE},
            )
        compute = ray.remote(num_cpus=1, max_retries=_RETRIES)(_compute)
        shared: dict[ChunkSettings, Any] = {}
        running: dict[Any, Chunk] = {}
        left = iter(chunks)

        def hand_out(most: int) -> None:
            for chunk in islice(left, max(most - len(running), 0)):
                if chunk.settings not in shared:
                    shared[chunk.settings] = ray.put(chunk.settings)
                running[compute.remote(chunk.people, shared[chunk.settings])] = chunk

        try:
            while True:
                most = self._most()
                hand_out(most)
                if not running:
                    return
                # Many at a time: asking of thousands of tasks takes milliseconds.
                done, _ = ray.wait(
                    list(running), num_returns=len(running), timeout=_LOOK_UP_SECONDS
                )
                for task in done:
                    chunk, answer = running.pop(task), self._answer(task)
                    # Ahead of the answer's being put in place: no core waits for that.
                    hand_out(most)
                    yield chunk, answer
        finally:
            for task in running:
                ray.cancel(task, force=True)
            if is_ours:
                ray.shutdown()

    def _most(self) -> int:
        """Return how many tasks to have in hand: nodes come and go."""
        return max(_IN_HAND * int(self._ray.cluster_resources().get("CPU", 0)), _IN_HAND)

    def _answer(self, task: Any) -> ChunkResult | Lost:
        errors = self._ray.exceptions
        try:
            return self._ray.get(task)
        except errors.RayTaskError as error:
            # Raised in the task: of the machine, or of ours.
            raise (error.cause or error) from error
        except (
            errors.WorkerCrashedError,
            errors.NodeDiedError,
            errors.OutOfMemoryError,
            errors.ObjectLostError,
        ) as error:
            return Lost(f"{type(error).__name__}: {error}".splitlines()[0])


def _compute(people: Any, settings: ChunkSettings) -> ChunkResult:
    """Compute a chunk in a process of the cluster."""
    return _warm()(Chunk(0, people, settings), lambda _: None)


@lru_cache(maxsize=1)
def _warm() -> Any:
    return start()


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "ITS_ENGINE is ray, but Ray is not installed: install its-pipeline[ray] here and on "
            "every node, or set ITS_ENGINE=local"
        ) from error
