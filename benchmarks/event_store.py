"""What the event benchmarks share: a lake of simulated valid events, peak memory, tables.

Not a benchmark itself.
"""

from __future__ import annotations

import os
import resource
import shutil
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from benchmarks._table import machine, rows_as_markdown, write_table
from its_pipeline.events.people import Person
from its_pipeline.events.schema import EVENT_SCHEMA, pc
from its_pipeline.events.simulator import simulate
from its_pipeline.events.sources.simulated import SimulatedSource
from its_pipeline.stores.lake import VALID_EVENTS, Lake

START_ON = date(2026, 1, 5)
DAYS = 90
EVENTS_A_DAY = 20
"""Of `many_people`: 4 sessions and 4 other events around each."""

DRAWN_EVENTS = 10_000_000

T = TypeVar("T")


def many_people(count: int) -> tuple[Person, ...]:
    """Return `count` people of mixed effects, noise and zones."""
    zones = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "UTC")
    return tuple(
        Person(
            f"user{number:06d}",
            zones[number % len(zones)],
            "simulated in bulk",
            immediate=float(number % 5) * 2.0 - 4.0,
            rho=0.1 * (number % 7),
            missing_share=0.2 * (number % 3) / 2,
            sessions_per_day=4,
            other_events=4,
        )
        for number in range(count)
    )


def simulated_lake(root: Path, events: int, seed: int = 1) -> tuple[Lake, float, int]:
    """Simulate about `events` events and lay them down as valid events.

    More than `DRAWN_EVENTS` are made of copies of so many under other people's names.

    Returns
    -------
    The lake, the seconds that simulating took (without copies), and the exact number of events.
    """
    copies = max(1, round(events / DRAWN_EVENTS))
    people = many_people(max(1, round(events / copies / (DAYS * EVENTS_A_DAY * 0.9))))
    began = time.perf_counter()
    simulation = simulate(people, root / "simulated", seed=seed, start_on=START_ON, days=DAYS)
    seconds = time.perf_counter() - began
    lake = Lake(root / "lake")
    source = SimulatedSource(root / "simulated")
    for day in source.day_versions():
        with source.read_day(day) as read:
            drawn = [_sorted(batch) for batch in read.batches]
        copied = (_renamed(table, copy) for copy in range(copies) for table in drawn)
        lake.write(VALID_EVENTS, day, EVENT_SCHEMA, copied)
    shutil.rmtree(root / "simulated")
    return lake, seconds, simulation.events * copies


def _sorted(batch: pa.RecordBatch | pa.Table) -> pa.Table:
    order = pc.sort_indices(batch, [("user_id", "ascending"), ("occurred_at", "ascending")])
    return pa.table(batch.take(order).columns, names=EVENT_SCHEMA.names).cast(EVENT_SCHEMA)


def _renamed(table: pa.Table, copy: int) -> pa.Table:
    if copy == 0:
        return table
    for name in ("event_id", "user_id"):
        place = EVENT_SCHEMA.get_field_index(name)
        renamed = pc.binary_join_element_wise(f"c{copy:02d}", table.column(place), "-")
        table = table.set_column(place, EVENT_SCHEMA.field(name), renamed)
    return table


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Run `work`; return its seconds and its result."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def peak_memory_mb() -> float:
    """Return this process's peak resident memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def in_child(work: Callable[[], tuple[float, ...]]) -> tuple[float, ...]:
    """Run `work` in a forked child; return its numbers and, last, the child's peak memory in MB."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        numbers = (*work(), peak_memory_mb())
        os.write(writing, " ".join(str(number) for number in numbers).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise RuntimeError(f"the measured process ended with status {status}")
    return tuple(float(number) for number in text.split())


def show(name: str, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table under a title and keep it as `tables/<name>.md`."""
    write_table(name, f"# {title}\n\n{machine()}\n\n{rows_as_markdown(header, rows)}")
