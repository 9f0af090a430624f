"""A chunk as it is handed out to whatever computes it.

What belongs here: what crosses to another process or machine, and what a process loads before its
first chunk. What does not: which processes there are (`shard_engines`), or the computing itself
(`shard_work`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from its_pipeline.experiments.shard_work import ChunkSettings, evaluate_chunk

if TYPE_CHECKING:
    import pyarrow as pa

    from its_pipeline.processes.process import Handler


@dataclass(frozen=True)
class Chunk:
    """Some people to be evaluated together.

    Attributes
    ----------
    number
        Of the caller, to tell chunks apart.
    people
        Rows of `shard_input.PEOPLE_SCHEMA` with their looks.
    settings
        What they are evaluated with.
    """

    number: int
    people: pa.Table
    settings: ChunkSettings

    def one_by_one(self) -> list[Chunk]:
        """Return its people as chunks of their own, of the same number."""
        return [
            replace(self, people=self.people.slice(row, 1)) for row in range(self.people.num_rows)
        ]


@dataclass(frozen=True)
class Lost:
    """What is known of a chunk whose process died, again and again, or hung.

    Attributes
    ----------
    reason
        Why there is no answer.
    """

    reason: str


def start() -> Handler:
    """Load and compile what chunks need, on one core, and return what computes them."""
    from its_pipeline.its import warm_up
    from its_pipeline.its.inference.nuts import use_cores

    use_cores(1)
    warm_up()
    return lambda chunk, _: evaluate_chunk(chunk.people, chunk.settings)
