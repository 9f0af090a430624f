"""A schedule as people write it on a command line and read it in a table.

What belongs here: periods and lots from text, and a schedule in a line of text. What does not: the
declaration itself (`schedule`), or files (`calendar_files`). Importing this module loads the
standard library alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from its_pipeline.schedules.cadence import DAYS, Cadence, session_on
from its_pipeline.schedules.mechanism import Balance, Mechanism
from its_pipeline.schedules.schedule import Period, Schedule, as_date

TO = ".."
"""Between the first and the last day of a period."""

_MOST_PERIODS = 4
_MOST_DAYS = 6


def read_periods(texts: Iterable[str]) -> Schedule:
    """Return the schedule that is on in periods such as `2026-03-01..2026-03-14`, in any order.

    Parameters
    ----------
    texts
        `first..last`, both **INCLUSIVE**; `first..` where it goes on; one day alone. Days are
        dates, or numbers of sessions.

    Raises
    ------
    ValueError
        If a text is none of these, or periods overlap.
    """
    periods = [_period(text.strip()) for text in texts]
    return Schedule(tuple(sorted(periods, key=lambda period: period.from_on)))


def read_named_periods(texts: Iterable[str]) -> dict[str, Schedule]:
    """Return schedules by name from texts such as `walk=2026-03-01..2026-03-14`.

    Parameters
    ----------
    texts
        `name=period`, the period as in `read_periods`; texts of one name are one schedule.

    Raises
    ------
    ValueError
        If a text has no name or no period, or the periods of a name break a rule.
    """
    periods: dict[str, list[str]] = {}
    for text in texts:
        name, separator, period = (part.strip() for part in text.partition("="))
        if not (name and separator):
            raise ValueError(
                "another intervention should be NAME=first..last, NAME=first.. or NAME=day, such "
                f"as walk=2026-03-01.., but got {text!r}"
            )
        periods.setdefault(name, []).append(period)
    return {name: read_periods(found) for name, found in periods.items()}


def read_lot(text: str, unit_days: int = 1, longest_run: int | None = None) -> Mechanism:
    """Return the lot that days were drawn by; whoever says so vouches that it was in time.

    Parameters
    ----------
    text
        `total`: as many units on as off in all; `block:8`: in every eight days; `none`: any number.
    unit_days
        Days that were drawn at once.
    longest_run
        Most units alike in a row.

    Raises
    ------
    ValueError
        If the text is none of these, or a rule of the lot is broken.
    """
    word, separator, days = (part.strip() for part in text.partition(":"))
    if word == "block" and days.isdecimal():
        return Mechanism(
            unit_days=unit_days, balance="block", block_days=int(days), longest_run=longest_run
        )
    if separator or word not in ("total", "none"):
        raise ValueError(
            "a lot should be total, block:DAYS such as block:8, or none, for how many units had to "
            f"be on, but got {text!r}"
        )
    balance: Balance = "total" if word == "total" else "none"
    return Mechanism(unit_days=unit_days, balance=balance, longest_run=longest_run)


def schedule_text(
    schedule: Schedule, time_zone: str | None = None, calendar: Cadence = DAYS
) -> str:
    """Return a schedule in a line of text.

    Parameters
    ----------
    schedule
        The schedule.
    time_zone
        IANA name of the person's zone; it decides whether a lot was drawn ahead of its days. None
        where the schedule's own instant is in it already.
    calendar
        The unit of time of what it is a schedule of: sessions are told by their numbers.
    """
    parts = [_days_text(schedule, calendar)]
    if schedule.mechanism is not None:
        in_time = (schedule.in_zone(time_zone) if time_zone else schedule).is_randomised
        parts.append(
            "drawn by lot" + ("" if in_time else f", but not ahead of its first {calendar.step}")
        )
    if schedule.done_otherwise:
        otherwise = [calendar.told(day) for day in schedule.done_otherwise]
        parts.append(f"done otherwise on {_listed(otherwise)}")
    return "; ".join(parts)


def period_text(period: Period, calendar: Cadence = DAYS) -> str:
    """Return a period in words.

    Parameters
    ----------
    period
        The period.
    calendar
        The unit of time of its days.
    """
    if period.to_on is None:
        return f"from {calendar.told(period.from_on)} on"
    if period.to_on == period.from_on:
        return calendar.told(period.from_on)
    return f"{calendar.told(period.from_on)} to {calendar.told(period.to_on)}"


def _period(text: str) -> Period:
    first, separator, last = (part.strip() for part in text.partition(TO))
    try:
        from_on = _day_or_session("first day", first)
        if not separator:
            return Period(from_on, from_on)
        to_on = _day_or_session("last day", last) if last else None
    except ValueError:
        raise ValueError(
            "a period on should be first..last, first.. or one day, with dates like 2026-03-14 or "
            f"numbers of sessions, but got {text!r}"
        ) from None
    return Period(from_on, to_on)


def _day_or_session(name: str, text: str) -> date:
    return session_on(int(text)) if text.isdecimal() and len(text) < 5 else as_date(name, text)


def _days_text(schedule: Schedule, calendar: Cadence) -> str:
    periods = schedule.on_periods
    if schedule.drawn_from_on is not None and schedule.drawn_to_on is not None:
        last_on = schedule.drawn_to_on
        n_on = sum(
            calendar.between(period.from_on, period.to_on or last_on) + 1 for period in periods
        )
        n_days = calendar.between(schedule.drawn_from_on, last_on) + 1
        span = f"{calendar.told(schedule.drawn_from_on)} to {calendar.told(last_on)}"
        return f"{n_on} of {n_days} {calendar.step}s on, {span}"
    told = [period_text(period, calendar) for period in periods]
    return "on " + _listed(told, _MOST_PERIODS)


def _listed(texts: list[str], most: int = _MOST_DAYS) -> str:
    if len(texts) <= most:
        return ", ".join(texts)
    return f"{', '.join(texts[: most - 1])} and {len(texts) - most + 1} more"
