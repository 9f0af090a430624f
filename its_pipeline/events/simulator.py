"""Drawing simulated people's events, seeded and fast, with the planted truth beside them.

What people there are belongs to `people`; defects to `defects`; the records of what was planted to
`simulation`. The result is a folder of Parquet files that `sources.simulated` reads like any other
source.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.counting import drawn_answers
from its_pipeline.events.defects import with_defects
from its_pipeline.events.people import (
    COFFEES_PER_DAY,
    DISTRACTION_MINUTES,
    SLEPT_THROUGH,
    Person,
    Planted,
)
from its_pipeline.events.schema import EVENT_SCHEMA, INSTANT, pc
from its_pipeline.events.simulation import Simulation, Truth, read_simulation, write_simulation
from its_pipeline.files.atomic import finished_folder

SIMULATOR_VERSION = "1"
BLOCK_EVENTS = 1_000_000
"""About so many events are drawn, sorted and written at a time."""

DAY_US = 86_400_000_000
OTHER_TYPES = (
    "SESSION_STARTED",
    "CARD_REVIEWED",
    "MISSION_STARTED",
    "MISSION_COMPLETED",
    "SEARCH_PERFORMED",
    "GRAPH_VIEWED",
)
EVENT_TYPES = ("SESSION_ENDED", *OTHER_TYPES)
ENGAGEMENT = ("LOW", "MEDIUM", "HIGH")
QUALITY = ("RUSHED", "NORMAL", "THOROUGH")
_KEYS = {
    DISTRACTION_MINUTES: "distraction_minutes",
    COFFEES_PER_DAY: "coffees",
    SLEPT_THROUGH: "slept_through",
}
"""Name in `event_data` of each outcome that is told there."""
CONTENT = ("lecture", "cards", "exam")


@dataclass(frozen=True)
class _Drawn:
    """One person's events as arrays, in the order of their local days."""

    occurred_us: np.ndarray
    ingested_us: np.ndarray
    type_index: np.ndarray
    score: np.ndarray
    minutes: np.ndarray
    truths: list[Truth]


def simulate(
    people: Sequence[Person], folder: Path, *, seed: int, start_on: date, days: int
) -> Simulation:
    """Draw the events of `people` over local days `start_on` .. `start_on + days - 1`.

    The folder is replaced whole; if it holds this very simulation, nothing is done.

    Parameters
    ----------
    people
        Whom; ids must differ.
    folder
        Gets `block-*.parquet`, `truth.json` and `simulation.json`.
    seed
        Same seed, same events; one person's events do not depend on the others.

    Raises
    ------
    ValueError
        If two people share an id, or `days` is not positive.
    """
    ids = [person.user_id for person in people]
    if len(set(ids)) != len(ids):
        raise ValueError("two simulated people share a user_id; give each their own")
    if days < 1:
        raise ValueError(f"days must be at least 1 but got {days}")
    version = simulation_version(people, seed, start_on, days)
    if (folder / "simulation.json").is_file():
        found = read_simulation(folder)
        if found.version == version:
            return found
        shutil.rmtree(folder)
    with finished_folder(folder) as unfinished:
        events = 0
        truths: list[Truth] = []
        for number, block in enumerate(_blocks(people, days)):
            path = unfinished / f"block-{number:04d}.parquet"
            count, planted = _write_block(path, block, seed, start_on, days)
            events += count
            truths += planted
        write_simulation(
            unfinished, truths, version=version, events=events, seed=seed, start_on=start_on,
            days=days,
        )  # fmt: skip
    return Simulation(folder, version, events, tuple(truths))


def simulation_version(people: Sequence[Person], seed: int, start_on: date, days: int) -> str:
    """Return a text that identifies the simulation's contents."""
    digest = hashlib.sha256(f"{SIMULATOR_VERSION}|{seed}|{start_on}|{days}".encode())
    for person in people:
        digest.update(repr(dataclasses.astuple(person)).encode())
    return digest.hexdigest()[:16]


def _blocks(people: Sequence[Person], days: int) -> list[list[Person]]:
    blocks: list[list[Person]] = [[]]
    size = 0
    for person in people:
        expected = days * person.sessions_per_day * (1 + person.other_events)
        if blocks[-1] and size + expected > BLOCK_EVENTS:
            blocks.append([])
            size = 0
        blocks[-1].append(person)
        size += expected
    return blocks


def _write_block(
    path: Path, people: Sequence[Person], seed: int, start_on: date, days: int
) -> tuple[int, list[Truth]]:
    """Write people's events with one row group a UTC day; return their number and the truths."""
    drawn = [_draw(person, seed, start_on, days) for person in people]
    table = with_defects(_as_table(people, drawn), people, seed)
    assigned = assigned_days(table)
    order = pc.sort_indices(
        table.append_column("assigned_day", assigned),
        [("assigned_day", "ascending"), ("ingested_at", "ascending"), ("event_id", "ascending")],
    )
    table, assigned = table.take(order), assigned.take(order).to_numpy()
    boundaries = np.flatnonzero(np.diff(assigned)) + 1
    starts = np.concatenate([[0], boundaries]) if len(assigned) else np.array([], dtype=int)
    ends = np.concatenate([boundaries, [len(assigned)]])
    days_in_order = []
    with pq.ParquetWriter(path, table.schema, compression="zstd", store_schema=False) as writer:
        for begin, end in zip(starts, ends, strict=False):
            writer.write_table(table.slice(begin, end - begin), row_group_size=int(end - begin))
            days_in_order.append(_day(int(assigned[begin])).isoformat())
        writer.add_key_value_metadata({"its.days": json.dumps(days_in_order)})
    return table.num_rows, [truth for person in drawn for truth in person.truths]


def assigned_days(table: pa.Table) -> pa.ChunkedArray:
    """Return, per event, the number of the UTC day it is exported with (days since 1970).

    The day it happened; for an implausible time (ahead of 2000, or more than a day after it
    was ingested) the day it was ingested, where the contract then rejects it.
    """
    occurred = table.column("occurred_at").cast(pa.int64())
    ingested = table.column("ingested_at").cast(pa.int64())
    first = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp() * 1e6)
    plausible = pc.and_(
        pc.greater_equal(occurred, first),
        pc.less_equal(pc.subtract(occurred, ingested), DAY_US),
    )
    chosen = pc.if_else(plausible, occurred, ingested)
    return pc.cast(pc.floor(pc.divide(chosen.cast(pa.float64()), float(DAY_US))), pa.int64())


def _day(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=number)


def _draw(person: Person, seed: int, start_on: date, days: int) -> _Drawn:
    """Draw one person's sessions and the events around them."""
    key = int.from_bytes(hashlib.sha256(person.user_id.encode()).digest()[:8], "big")
    rng = np.random.default_rng([seed, key])
    planted = [_planted(each, start_on, days) for each in person.interventions]
    noise = _noise(person, rng, days)
    outcome = _daily(person, noise, [effect for effect, _ in planted], start_on)
    observed = _observed(person, rng, days)
    sessions = rng.integers(person.sessions_per_day - 1, person.sessions_per_day + 2, size=days)
    if person.kind != "measured":
        [(_, on)] = planted
        outcome, effect = drawn_answers(person, rng, noise, on)
        planted, sessions = [(effect, on)], np.ones(days, dtype=int)
    sessions[~observed] = 0
    day_of = np.repeat(np.arange(days), sessions)
    value = outcome[day_of]
    if person.kind == "measured":
        value = value + person.session_sd * rng.standard_normal(len(day_of))
    if person.constant:
        value = np.full(len(day_of), person.level)
    hour = np.clip(rng.normal(person.usual_hour, 2.5, len(day_of)), 5.0, 22.9)
    occurred = _utc_midnights(person, start_on, days)[day_of] + (hour * 3.6e9).astype(np.int64)
    score, minutes, clipped = _values(person, rng, value)
    count = person.other_events
    around = np.repeat(occurred, count) - rng.integers(0, 2_400_000_000, len(occurred) * count)
    occurred_all = np.concatenate([occurred, around])
    delay = rng.integers(1_000_000, 90_000_000, len(occurred_all))
    blank = np.full(len(around), np.nan)
    truths = [
        _truth(person, each, effect, on, observed, clipped, start_on)
        for each, (effect, on) in zip(person.interventions, planted, strict=True)
    ]
    return _Drawn(
        occurred_all,
        occurred_all + delay,
        np.concatenate(
            [np.zeros(len(occurred), np.int32), rng.integers(1, 7, len(around), dtype=np.int32)]
        ),
        np.concatenate([score, blank]),
        np.concatenate([minutes, blank]),
        truths,
    )


def _truth(
    person: Person,
    planted: Planted,
    effect: np.ndarray,
    on: np.ndarray,
    observed: np.ndarray,
    clipped: int,
    start_on: date,
) -> Truth:
    """Return what one intervention planted, given effects, days on and observed, (days,) each."""
    schedule = planted.schedule_from(start_on)
    post = observed & on
    return Truth(
        person.user_id,
        planted.intervention_id,
        planted.story,
        person.outcome_metric,
        person.direction,
        schedule.starts_on,
        planted.immediate,
        planted.slope_per_week,
        float(effect[post].mean()) if post.any() else 0.0,
        int((observed & ~on).sum()),
        int(post.sum()),
        person.expected,
        clipped,
    )


def _planted(planted: Planted, start_on: date, days: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the effect of one intervention by day, and whether it was on, each shape (days,)."""
    schedule = planted.schedule_from(start_on)
    on = np.array([schedule.is_on(start_on + timedelta(days=day)) for day in range(days)])
    since = np.arange(days) - (schedule.first_on - start_on).days
    effect = np.where(on, planted.immediate + planted.slope_per_week * since / 7.0, 0.0)
    return effect, on


def _noise(person: Person, rng: np.random.Generator, days: int) -> np.ndarray:
    """Return AR(1) noise of unit variance, shape (days,)."""
    shocks = rng.standard_normal(days)
    noise = np.empty(days)
    noise[0] = shocks[0]
    scale = np.sqrt(1.0 - person.rho**2)
    for day in range(1, days):
        noise[day] = person.rho * noise[day - 1] + scale * shocks[day]
    return noise


def _daily(
    person: Person, noise: np.ndarray, effects: Sequence[np.ndarray], start_on: date
) -> np.ndarray:
    """Return the daily outcome with the planted effects in it, shape (days,)."""
    t = np.arange(len(noise))
    weekday = (start_on.weekday() + t) % 7
    outcome = (
        person.level
        + person.trend_per_week * t / 7.0
        + person.weekend * (weekday >= 5)
        + person.sd * noise
        + sum(effects, np.zeros(len(t)))
    )
    if person.outlier_week is not None:
        first, shift = person.outlier_week
        outcome[first : first + 7] += shift
    return outcome


def _observed(person: Person, rng: np.random.Generator, days: int) -> np.ndarray:
    observed = np.ones(days, dtype=bool)
    missing = round(person.missing_share * days)
    observed[rng.choice(days, size=missing, replace=False)] = False
    return observed


def _utc_midnights(person: Person, start_on: date, days: int) -> np.ndarray:
    """Return, per local day, what to add a local hour of the day to, in UTC microseconds.

    The offset is that of local noon; sessions lie between 5 and 23 o'clock, clear of the hours in
    which clocks change.
    """
    zone = ZoneInfo(person.time_zone)
    midnights = np.empty(days, dtype=np.int64)
    for number in range(days):
        day = start_on + timedelta(days=number)
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone)
        midnights[number] = int(noon.timestamp()) * 1_000_000 - 12 * 3_600_000_000
    return midnights


def _values(
    person: Person, rng: np.random.Generator, value: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return sessions' scores, the numbers told with them, and how many values were clipped.

    Scores are rounded up or down at random so that their mean is exact.
    """
    dither = rng.random(len(value))
    if person.outcome_metric in _KEYS:
        clipped = int(((value < 0.0) | (value > 1440.0)).sum())
        score = np.floor(55.0 + 5.0 * rng.standard_normal(len(value)) + dither)
        return np.clip(score, 0, 100), np.round(np.clip(value, 0, 1440), 2), clipped
    clipped = int(((value < 0.0) | (value > 99.0)).sum())
    return np.clip(np.floor(value + dither), 0, 100), np.full(len(value), np.nan), clipped


def _as_table(people: Sequence[Person], drawn: Sequence[_Drawn]) -> pa.Table:
    """Turn drawn arrays into the contract's columns."""
    sizes = [len(d.occurred_us) for d in drawn]
    who = pa.array(np.repeat(np.arange(len(people)), sizes))
    number = np.concatenate([np.arange(size) for size in sizes])
    kind = np.concatenate([d.type_index for d in drawn])
    users = pa.array([p.user_id for p in people]).take(who)
    score = np.concatenate([d.score for d in drawn])
    minutes = np.concatenate([d.minutes for d in drawn])
    has_minutes = ~np.isnan(minutes)
    data = pa.nulls(len(kind), pa.string())
    if has_minutes.any():
        texts = pa.array(np.round(minutes, 2), mask=~has_minutes).cast(pa.string())
        names = [_KEYS.get(person.outcome_metric, "") for person in people]
        before = pa.array([f'{{"{name}": ' for name in names]).take(who)
        data = pc.binary_join_element_wise(before, texts, "}", "")
    ended = kind == 0
    level = np.where(score >= 60, 2, np.where(score >= 45, 1, 0))
    columns = {
        "event_id": pc.binary_join_element_wise(users, pa.array(number).cast(pa.string()), "-"),
        "user_id": users,
        "occurred_at": pa.array(np.concatenate([d.occurred_us for d in drawn])).cast(INSTANT),
        "event_type": pa.array(EVENT_TYPES).take(pa.array(kind)),
        "time_zone": pa.array([p.time_zone for p in people]).take(who),
        "session_performance_score": pa.array(score, mask=np.isnan(score)),
        "engagement_level": pa.array(ENGAGEMENT).take(pa.array(level, mask=~ended)),
        "completion_quality": pa.array(QUALITY).take(
            pa.array(number % 3, mask=~(ended | (kind == 4)))
        ),
        "content_type": pa.array(CONTENT).take(pa.array(number % 3)),
        "difficulty_level": pa.nulls(len(kind), pa.string()),
        "experiment_phase": pa.nulls(len(kind), pa.string()),
        "event_data": data,
        "ingested_at": pa.array(np.concatenate([d.ingested_us for d in drawn])).cast(INSTANT),
    }
    return pa.table(columns).select(EVENT_SCHEMA.names)
