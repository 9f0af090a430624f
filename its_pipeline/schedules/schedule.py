"""When an intervention acted: its days on, and by which lot they were drawn if they were.

What belongs here: the declaration and the rules a single schedule must keep. What does not: the
lot's own rules (`mechanism`), which other days it could have drawn (`assignments`), or what a
schedule means for a regression (`its.designs`). Importing this module loads the standard library
alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from its_pipeline.schedules.mechanism import Mechanism, known_fields

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """Days on, both ends **INCLUSIVE**.

    Parameters
    ----------
    from_on
        First day on.
    to_on
        Last day on; None while it goes on.
    """

    from_on: date
    to_on: date | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "from_on", as_date("from_on", self.from_on))
        if self.to_on is not None:
            object.__setattr__(self, "to_on", as_date("to_on", self.to_on))
        if self.to_on is not None and self.to_on < self.from_on:
            raise ValueError(
                f"a period's last day on, {self.to_on}, must not be earlier than its first, "
                f"{self.from_on}; both are INCLUSIVE"
            )


@dataclass(frozen=True)
class Schedule:
    """On which days an intervention acted.

    Use `since`, `periods` or `days` to make one.

    Parameters
    ----------
    on_periods
        In order, with days off between them; the last may go on.
    mechanism
        The lot they were drawn by; None where the person chose.
    drawn_from_on, drawn_to_on
        First and last day that was drawn, **INCLUSIVE**; None: those of the analysed series.
    done_otherwise
        Days on which the person did the other thing than this schedule says.

    Raises
    ------
    ValueError
        Naming the rule and the value.
    """

    on_periods: tuple[Period, ...]
    mechanism: Mechanism | None = None
    drawn_from_on: date | None = None
    drawn_to_on: date | None = None
    done_otherwise: tuple[date, ...] = ()

    def __post_init__(self) -> None:
        if not self.on_periods:
            raise ValueError("a schedule needs at least one day on but got none")
        for before, after in zip(self.on_periods, self.on_periods[1:], strict=False):
            if before.to_on is None:
                raise ValueError(
                    f"only the last period may go on, but the one from {before.from_on} has no "
                    f"last day and another starts on {after.from_on}"
                )
            if after.from_on <= before.to_on:
                raise ValueError(
                    "periods must be in order and must not overlap (both ends are INCLUSIVE) but "
                    f"{before.from_on} to {before.to_on} is followed by one from {after.from_on}"
                )
        object.__setattr__(self, "on_periods", _merged(self.on_periods))
        for name in ("drawn_from_on", "drawn_to_on"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, as_date(name, getattr(self, name)))
        if self.mechanism is None and (self.drawn_from_on or self.drawn_to_on):
            raise ValueError("drawn_from_on and drawn_to_on are for schedules with a mechanism")
        if self.drawn_from_on is not None and self.first_on < self.drawn_from_on:
            raise ValueError(
                f"{self.first_on} is on but lies before the first day drawn, {self.drawn_from_on}"
            )
        if self.drawn_to_on is not None and (
            self.last_on is None or self.last_on > self.drawn_to_on
        ):
            raise ValueError(
                f"{self.last_on or 'an open period'} is on but lies after the last day drawn, "
                f"{self.drawn_to_on}"
            )
        otherwise = tuple(sorted({as_date("done_otherwise", d) for d in self.done_otherwise}))
        object.__setattr__(self, "done_otherwise", otherwise)

    @classmethod
    def since(cls, first_on: Any) -> Schedule:
        """Return what a bare date means: on from that day, INCLUSIVE, for good.

        Parameters
        ----------
        first_on
            Date-like.
        """
        return cls((Period(as_date("first_on", first_on)),))

    @classmethod
    def periods(cls, on_periods: Iterable[Sequence[Any]]) -> Schedule:
        """Return a reversal: on in each period, off between them.

        Parameters
        ----------
        on_periods
            Pairs of first and last day on, both **INCLUSIVE**; the last pair's second may be None.
        """
        pairs = list(on_periods)
        wrong = [p for p in pairs if isinstance(p, str) or not hasattr(p, "__len__") or len(p) != 2]
        if wrong:
            raise ValueError(f"a period is a pair (first day, last day or None) but got {wrong[0]}")
        return cls(tuple(Period(first, last) for first, last in pairs))

    @classmethod
    def days(
        cls,
        days_on: Iterable[Any],
        mechanism: Mechanism | None = None,
        *,
        drawn_from_on: Any = None,
        drawn_to_on: Any = None,
        done_otherwise: Iterable[Any] = (),
    ) -> Schedule:
        """Return single days on, by lot where a mechanism is given.

        Parameters
        ----------
        days_on
            Date-likes, in any order.
        mechanism
            The lot.
        drawn_from_on, drawn_to_on
            First and last day that was drawn, **INCLUSIVE**.
        done_otherwise
            Days on which the person did the other thing.
        """
        found = sorted({as_date("days_on", day) for day in days_on})
        periods: list[Period] = []
        for day in found:
            if periods and periods[-1].to_on == day - _DAY:
                periods[-1] = replace(periods[-1], to_on=day)
            else:
                periods.append(Period(day, day))
        return cls(
            tuple(periods),
            mechanism,
            drawn_from_on,
            drawn_to_on,
            tuple(as_date("done_otherwise", day) for day in done_otherwise),
        )

    @property
    def first_on(self) -> date:
        """First day on."""
        return self.on_periods[0].from_on

    @property
    def last_on(self) -> date | None:
        """Last day on; None while it goes on."""
        return self.on_periods[-1].to_on

    @property
    def is_single_change(self) -> bool:
        """Whether it is on from one day on for good, and nothing else is said of it."""
        return self == Schedule.since(self.first_on)

    @property
    def starts_on(self) -> date:
        """First day that it says something of: the first one drawn, or on."""
        return self.drawn_from_on or self.first_on

    @property
    def ends_on(self) -> date | None:
        """Last day that was drawn, or else the last one on; None while it goes on."""
        return self.drawn_to_on or self.last_on

    @property
    def is_randomised(self) -> bool:
        """Whether the days were drawn by lot before the first of them, by the clock of `drawn_at`.

        See `in_zone`.
        """
        if self.mechanism is None:
            return False
        drawn_at = self.mechanism.drawn_at
        return drawn_at is None or drawn_at.date() < self.starts_on

    def in_zone(self, time_zone: str) -> Schedule:
        """Return the same schedule with the instant of its lot in the zone its days are meant in.

        Parameters
        ----------
        time_zone
            IANA name of the person's zone.
        """
        drawn_at = None if self.mechanism is None else self.mechanism.drawn_at
        return self.with_drawn_at(drawn_at and drawn_at.astimezone(ZoneInfo(time_zone)))

    def with_drawn_at(self, at: datetime | None) -> Schedule:
        """Return the same schedule with another instant of its lot; itself where there is no lot.

        Parameters
        ----------
        at
            When it was drawn, with a time zone, or None.
        """
        if self.mechanism is None:
            return self
        return replace(self, mechanism=replace(self.mechanism, drawn_at=at))

    def is_on(self, day: date) -> bool:
        """Tell whether a day is on as the schedule says."""
        return any(
            period.from_on <= day and (period.to_on is None or day <= period.to_on)
            for period in self.on_periods
        )

    def as_done(self, until_on: date) -> Schedule | None:
        """Return what the person really did, up to a day; None where that was never on.

        Parameters
        ----------
        until_on
            Last day that is told; an open period ends there.
        """
        if not self.done_otherwise:
            return self
        first = min(self.first_on, self.done_otherwise[0])
        n = (until_on - first).days + 1
        otherwise = set(self.done_otherwise)
        days = [first + i * _DAY for i in range(n)]
        done = [day for day in days if self.is_on(day) != (day in otherwise)]
        return Schedule.days(done) if done else None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-able values."""
        found: dict[str, Any] = {
            "on_periods": [
                [p.from_on.isoformat(), None if p.to_on is None else p.to_on.isoformat()]
                for p in self.on_periods
            ]
        }
        if self.mechanism is not None:
            found["mechanism"] = self.mechanism.to_dict()
        for name in ("drawn_from_on", "drawn_to_on"):
            if getattr(self, name) is not None:
                found[name] = getattr(self, name).isoformat()
        if self.done_otherwise:
            found["done_otherwise"] = [day.isoformat() for day in self.done_otherwise]
        return found

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Schedule:
        """Build a schedule from `to_dict`'s output.

        Parameters
        ----------
        values
            What `to_dict` returned.

        Raises
        ------
        ValueError
            If a name is unknown, or a value breaks its rule.
        """
        given = known_fields(cls, values, "a schedule")
        if given.get("on_periods") is None:
            raise ValueError("a schedule needs on_periods, pairs of first and last day on")
        given["on_periods"] = cls.periods(_listed("on_periods", given["on_periods"])).on_periods
        mechanism = given.get("mechanism")
        if isinstance(mechanism, Mapping):
            given["mechanism"] = Mechanism.from_dict(mechanism)
        elif mechanism is not None and not isinstance(mechanism, Mechanism):
            raise ValueError(
                "mechanism must be an object with the rules of the lot, or null where the person "
                f"chose the days, but got {mechanism!r}"
            )
        given["done_otherwise"] = tuple(
            _listed("done_otherwise", given.get("done_otherwise") or ())
        )
        return cls(**given)


def as_date(name: str, value: Any) -> date:
    """Return a date-like as a date.

    Parameters
    ----------
    name
        What it is, for the error.
    value
        A date, a midnight without time zone (datetime, pandas or NumPy timestamp), or ISO text.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    elif hasattr(value, "astype") and hasattr(value, "dtype"):
        value = value.astype("datetime64[us]").item()
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, datetime) and value.tzinfo is None and value == _midnight(value):
            return value.date()
    except ValueError:
        pass
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise ValueError(f"{name} must be a local date such as 2026-05-01 but got {value!r}")


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def _merged(periods: tuple[Period, ...]) -> tuple[Period, ...]:
    """Return periods with those that follow each other without a day off made one."""
    found = [periods[0]]
    for period in periods[1:]:
        if found[-1].to_on is not None and period.from_on == found[-1].to_on + _DAY:
            found[-1] = Period(found[-1].from_on, period.to_on)
        else:
            found.append(period)
    return tuple(found)


def _listed(name: str, value: Any) -> list[Any]:
    """Return a list or tuple as a list, or raise ValueError that names the field."""
    if not isinstance(value, list | tuple):
        what = {"on_periods": "pairs of first and last day on"}.get(name, "dates")
        raise ValueError(f"a schedule's {name} must be a list of {what} but got {value!r}")
    return list(value)
