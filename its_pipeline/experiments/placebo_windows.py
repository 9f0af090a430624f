"""The windows of the placebo audit: stretches of a person's own days on which nothing was changed.

What belongs here: which days are out of the question, and which stretches of the others are looked
at. What does not: any model, or what the stretches come to (`audit`). Nothing was changed in the
middle of a window, so an interval for the effect that leaves out 0 is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from its_pipeline.events.intervention import Intervention

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Calendar days of a window; the placebo study in benchmarks/ has the same rule from here.
LENGTHS: Final = (28, 60, 90, 180)
MOST_WINDOWS: Final = 10
"""Windows of one length from one series."""
LEAST_DAYS: Final = 8
LEAST_SHARE: Final = 0.4
"""Observed days each side must have, and their share of the side."""
LEAST_VALUES: Final = 5
MOST_COMMON: Final = 0.6
"""A side is nearly constant with fewer distinct values than this, or when one value makes up more
than this share of it."""
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class PretendedWindow:
    """One stretch of days with an intervention that never was.

    Attributes
    ----------
    n_days
        Its calendar days.
    start_on, middle_on, end_on
        First day, the pretended intervention's first day, last day; all INCLUSIVE.
    """

    n_days: int
    start_on: date
    middle_on: date
    end_on: date


def acted_days(interventions: Iterable[Intervention]) -> list[tuple[date, date]]:
    """Return the days on which something acted, or may have: first and last, both INCLUSIVE.

    Every logged intervention of the person counts, on whatever metric: what is good for sleep may
    be good for mood. So does a withdrawn one, which may have been tried. One that has no end acts
    for good; one that has goes on acting for as many days as its effect needs to come (washout),
    because an effect is not known to go faster than it came, or to go (carryover).

    Parameters
    ----------
    interventions
        One person's.
    """
    return [_acted(each) for each in interventions]


def _acted(each: Intervention) -> tuple[date, date]:
    # Days off between days on are no usual days either.
    otherwise = () if each.schedule is None else each.schedule.done_otherwise
    first_on = min(each.started_on, *otherwise) if otherwise else each.started_on
    if each.ended_on is None:
        return first_on, date.max
    last_on = max(each.ended_on, *otherwise) if otherwise else each.ended_on
    lasting_days = max(each.washout_days, each.carryover_days)
    if (date.max - last_on).days < lasting_days:
        return first_on, date.max
    return first_on, last_on + lasting_days * _DAY


def pretended_windows(
    days: NDArray[np.datetime64],
    values: NDArray[np.float64],
    n_days: int,
    acted: Iterable[tuple[date, date]] = (),
    baseline_days: int | None = None,
) -> Iterator[PretendedWindow]:
    """Yield windows of one length: one after the other, none overlapping another or a day in use.

    Parameters
    ----------
    days, values
        Shape ``(n,)``: a person's observed days of one metric, increasing, and the outcome.
    n_days
        Calendar days of a window.
    acted
        Days that no window may hold, see `acted_days`.
    baseline_days
        Of the calendar days those ahead of the pretended intervention; half by default.
    """
    import numpy as np

    seen = np.isfinite(values)
    number = days[seen].astype("datetime64[D]").astype(np.int64)
    values = values[seen]
    taken = sorted((_number(first), _number(last)) for first, last in acted)
    half, found = n_days // 2 if baseline_days is None else baseline_days, 0
    start = int(number[0]) if len(number) else 0
    while found < MOST_WINDOWS:
        at = int(np.searchsorted(number, start))
        if at == len(number) or number[at] + n_days - 1 > number[-1]:
            return
        start = int(number[at])
        end = start + n_days
        blocked = [last for first, last in taken if first < end and last >= start]
        if blocked:
            start = max(blocked) + 1
            continue
        cut, stop = np.searchsorted(number, (start + half, end))
        if is_usable(values[at:cut], half) and is_usable(values[cut:stop], n_days - half):
            yield PretendedWindow(n_days, *map(_day, (start, start + half, end - 1)))
            found += 1
            start = end
        else:
            start += 1


def is_usable(side: NDArray[np.float64], n_days: int) -> bool:
    """Tell whether one side of a window has enough days, and values that differ enough.

    Parameters
    ----------
    side
        Observed values of the side.
    n_days
        Its calendar days.
    """
    import numpy as np

    if len(side) < max(LEAST_DAYS, LEAST_SHARE * n_days):
        return False
    _, counts = np.unique(side, return_counts=True)
    return len(counts) >= LEAST_VALUES and counts.max() <= MOST_COMMON * len(side)


def _number(day: date) -> int:
    """Return a date as days since 1970-01-01, as NumPy counts them."""
    return (day - date(1970, 1, 1)).days


def _day(number: int) -> date:
    return date(1970, 1, 1) + number * _DAY
