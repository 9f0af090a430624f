"""Sleep that is exported in pieces: put together to nights, of the better device, by day of waking.

What belongs here: pieces with a stage, from any app. What does not: apps that export a night as one
record, which need none of this.

Pieces of one device with less than three hours between them are one sleep; its day is the local day
on which it ended. Where several devices saw a day's sleep, one counts: one that knows stages before
one that does not, then the one that saw more sleep.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from its_pipeline.events.exported import Reading
from its_pipeline.exports.measures import hours
from its_pipeline.exports.times import instant_text

Stage = Literal["in_bed", "asleep", "core", "deep", "rem", "awake"]

GAP: Final = timedelta(hours=3)
"""Who is up for longer between two pieces has slept twice."""

ASLEEP: Final = frozenset({"asleep", "core", "deep", "rem"})
STAGED: Final = frozenset({"core", "deep", "rem"})

SLEEP_MEASURES: Final = (
    hours("asleep", "sleep"),
    hours("deep", "deep_sleep"),
    hours("rem", "rem_sleep"),
    hours("core", "core_sleep"),
    hours("awake", "awake"),
    hours("in_bed", "in_bed"),
)


class Piece(NamedTuple):
    """A piece of a night: one stage, from when to when, of which device."""

    source: str
    started: datetime
    ended: datetime
    stage: Stage
    time_zone: str
    place: str


@dataclass(frozen=True)
class _Sleep:
    """Pieces of one device that belong together."""

    pieces: tuple[Piece, ...]

    @property
    def source(self) -> str:
        return self.pieces[0].source

    def hours(self, stages: Iterable[str]) -> float:
        """Return how long the stages lasted; what two pieces have in common counts once."""
        total, until = timedelta(), None
        for piece in self.pieces:
            if piece.stage in stages:
                start = piece.started if until is None else max(piece.started, until)
                if piece.ended > start:
                    total += piece.ended - start
                    until = piece.ended
        return total / timedelta(hours=1)

    def woke(self) -> Piece:
        """Return the piece of sleep (or, without any, in bed) that ended last."""
        asleep = [piece for piece in self.pieces if piece.stage in ASLEEP]
        return max(asleep or self.pieces, key=lambda piece: piece.ended)

    def day(self) -> date:
        woke = self.woke()
        return woke.ended.astimezone(ZoneInfo(woke.time_zone)).date()

    def rank(self) -> tuple[bool, float, float]:
        return (
            any(piece.stage in STAGED for piece in self.pieces),
            self.hours(ASLEEP),
            self.hours({"in_bed"}),
        )


def sleep_readings(
    pieces: list[Piece], metric_name: Callable[[str], str], left_out: Counter[tuple[str, str]]
) -> Iterator[Reading]:
    """Return the readings of nights.

    Parameters
    ----------
    pieces
        All pieces of the export, in any order; a repeated one counts once.
    metric_name
        From a measure's name to the metric's.
    left_out
        Counts pieces of devices that another one was preferred to.
    """
    by_day: dict[date, dict[str, list[_Sleep]]] = defaultdict(lambda: defaultdict(list))
    for sleep in _sleeps(pieces):
        by_day[sleep.day()][sleep.source].append(sleep)
    for _, sources in sorted(by_day.items()):
        best = max(sources, key=lambda source: (_best(sources[source]), source))
        for source, sleeps in sources.items():
            if source != best:
                count = sum(len(sleep.pieces) for sleep in sleeps)
                left_out[metric_name("sleep_hours"), source] += count
        for sleep in sources[best]:
            yield from _readings(sleep, metric_name)


def _best(sleeps: list[_Sleep]) -> tuple[bool, float, float]:
    ranks = [sleep.rank() for sleep in sleeps]
    return (any(r[0] for r in ranks), sum(r[1] for r in ranks), sum(r[2] for r in ranks))


def _sleeps(pieces: list[Piece]) -> Iterator[_Sleep]:
    together: list[Piece] = []
    until = None
    for piece in sorted(set(pieces)):
        new_source = not together or together[0].source != piece.source
        if together and (new_source or (until is not None and piece.started - until > GAP)):
            yield _Sleep(tuple(together))
            together, until = [], None
        together.append(piece)
        until = piece.ended if until is None else max(until, piece.ended)
    if together:
        yield _Sleep(tuple(together))


def _readings(sleep: _Sleep, metric_name: Callable[[str], str]) -> Iterator[Reading]:
    woke = sleep.woke()
    started = min(piece.started for piece in sleep.pieces)
    stages = {piece.stage for piece in sleep.pieces}
    for measure in SLEEP_MEASURES:
        wanted = ASLEEP if measure.field == "asleep" else {measure.field}
        if not wanted & stages:
            continue
        yield Reading(
            metric_name(measure.name),
            f"{sleep.hours(wanted):.9g}",
            instant_text(started),
            instant_text(woke.ended),
            instant_text(woke.ended),
            woke.time_zone,
            sleep.source,
            woke.place,
        )
