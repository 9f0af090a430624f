"""The cadence of a series: how far its steps lie apart, and which of its steps a date belongs to.

What belongs here: the cadences there are, finding one from dates, and the arithmetic of steps. What
does not: what a model makes of it (`its.cadence`), or which metric has which
(`experiments.preparation`). Importing this module loads the standard library alone.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AUTO: Final = "auto"
NAMED: Final[dict[str, tuple[str, int]]] = {
    "day": ("day", 1),
    "irregular": ("day", 1),
    "session": ("day", 1),
    "week": ("day", 7),
    "month": ("month", 1),
    "quarter": ("month", 3),
    "year": ("month", 12),
}
"""Cadences with a name, each with its unit and how many of them a step is long. Sessions are laid
on days that stand for them, and dates without any order keep the day as their unit."""

SESSION_ZERO: Final = date(2000, 1, 1)
"""The day that stands for session 0; session 1 is the day after."""
MOST_SESSIONS: Final = 9000
"""Largest number of a session: its day must be over (`SESSION_ZERO` + 9,000 days is in 2024)."""

FEWEST_DATES: Final = 4
"""Fewer dates say nothing of a cadence: three gaps alike are the least that is a rule."""
LEAST_GAP: Final = 4
"""Dates with a nearer pair are days: a weekly date that moves for a holiday moves by three days at
most."""
LONGEST_IN_DAYS: Final = 56
"""A constant step of up to eight weeks is told in days; a longer one may be a month's, a year's."""
SPARSE_DAYS: Final = 7
"""Dates without a rule that lie further apart than this on average are irregular: not even one a
week, so that days of the week cannot be told apart."""

_FIRST_DAY, _LAST_DAY = date(1678, 1, 1), date(2261, 12, 31)
"""What instants in nanoseconds (pandas) can hold."""
_DAY_WORD: Final = re.compile(r"\b([Dd])ay(s?)\b")
_OWN: Final = re.compile(r"([1-9][0-9]{0,2})-(day|month)")


@dataclass(frozen=True)
class Cadence:
    """How far the steps of a series lie apart.

    Parameters
    ----------
    name
        In `NAMED`, or a step of its own such as "14-day" or "6-month".
    unit, length
        "day" or "month", and how many of them a step is long.
    """

    name: str
    unit: str
    length: int

    @classmethod
    def of(cls, name: Any) -> Cadence:
        """Return the cadence of a name.

        Parameters
        ----------
        name
            As in `Cadence`.

        Raises
        ------
        ValueError
            If there is no cadence of that name.
        """
        if isinstance(name, str) and name in NAMED:
            return cls(name, *NAMED[name])
        own = _OWN.fullmatch(name) if isinstance(name, str) else None
        if own is None:
            raise ValueError(
                f"cadence must be one of {AUTO}, {', '.join(NAMED)}, or a number of days or "
                f"months such as 14-day or 6-month, but got {name!r}"
            )
        unit, length = own[2], int(own[1])
        for known, what in NAMED.items():
            if what == (unit, length):
                raise ValueError(f"cadence {name!r} has a name: say {known}")
        return cls(name, unit, length)

    @property
    def step(self) -> str:
        """Name of one step, for texts: "week", "14-day period"; irregular dates are days."""
        if self.name == "irregular":
            return "day"
        return self.name if self.name in NAMED else f"{self.name} period"

    @property
    def is_daily(self) -> bool:
        """Whether a step is a calendar day."""
        return self.step == "day"

    @property
    def is_sessions(self) -> bool:
        """Whether steps are numbered and their days only stand for them."""
        return self.name == "session"

    @property
    def freq(self) -> str:
        """The same for pandas: "D", "7D", "3MS"."""
        unit = "D" if self.unit == "day" else "MS"
        return unit if self.length == 1 else f"{self.length}{unit}"

    def later(self, day: date, steps: int) -> date:
        """Return the day a number of steps later (earlier where it is negative).

        Parameters
        ----------
        day
            A day; of months, its day of the month is kept where the month has it.
        steps
            How many; where the calendar ends, the day is its end.
        """
        if self.unit == "day":
            wanted = day.toordinal() + steps * self.length
            return date.fromordinal(min(max(wanted, _FIRST_DAY.toordinal()), _LAST_DAY.toordinal()))
        months = day.year * 12 + day.month - 1 + steps * self.length
        months = min(max(months, _FIRST_DAY.year * 12), _LAST_DAY.year * 12 + 11)
        year, month = divmod(months, 12)
        return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))

    def between(self, day: date, other: date) -> int:
        """Return how many whole steps lie from one day to another; negative where it is earlier.

        Parameters
        ----------
        day, other
            The days.
        """
        if self.unit == "day":
            return (other - day).days // self.length
        months = (other.year - day.year) * 12 + other.month - day.month
        return (months - (other.day < day.day)) // self.length

    def told(self, day: date) -> str:
        """Return how people name a step's day: its date, or "session 12"."""
        return f"session {session_of(day)}" if self.is_sessions else f"{day:%Y-%m-%d}"

    def worded(self, text: str) -> str:
        """Return a text of ours about days as one about steps: "few days" as "few weeks".

        Parameters
        ----------
        text
            Without anybody's own words in it.
        """
        if self.is_daily:
            return text
        return _DAY_WORD.sub(lambda found: _capital(self.step, found[1]) + found[2], text)


DAYS: Final = Cadence("day", "day", 1)
"""The unit of time of most series."""


def _capital(word: str, like: str) -> str:
    return word[:1].upper() + word[1:] if like.isupper() else word


def read_session(name: str, text: str) -> date:
    """Return the day that stands for a session of which somebody wrote the number.

    Parameters
    ----------
    name
        What they were asked for, for the error.
    text
        What they wrote.

    Raises
    ------
    ValueError
        If it is no number of a session.
    """
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{name} should be the number of a session like 12 but got {text!r}")
    return session_on(int(text))


def session_on(number: int) -> date:
    """Return the day that stands for a session, e.g. for the dates of a `Schedule`.

    Parameters
    ----------
    number
        Of the session.

    Raises
    ------
    ValueError
        If it is no whole number in [0, 9000].
    """
    if isinstance(number, bool) or int(number) != number or not 0 <= number <= MOST_SESSIONS:
        raise ValueError(
            f"a session must be a whole number in [0, {MOST_SESSIONS}] but got {number!r}"
        )
    return SESSION_ZERO + timedelta(days=int(number))


def session_of(day: date) -> int:
    """Return the number of the session that a day stands for."""
    return (date(day.year, day.month, day.day) - SESSION_ZERO).days


@dataclass(frozen=True)
class Steps:
    """The steps of one series: which of them a date lies in, and the date that names each.

    Use `of` to make one.

    Parameters
    ----------
    cadence
        How long they are.
    origin
        First day of step 0 in days since 1970; for months the calendar's own are taken.
    latest
        How many days into its step the latest of the series' dates lies.
    is_whole
        Whether its dates are first days of months, which stand for the whole of them.
    """

    cadence: Cadence
    origin: int = 0
    latest: int = 0
    is_whole: bool = False

    @classmethod
    def of(cls, cadence: Cadence, days: NDArray[np.datetime64]) -> Steps:
        """Return the steps that some dates, at least one, lie in.

        Parameters
        ----------
        cadence
            How long they are.
        days
            The dates.
        """
        import numpy as np

        days = days.astype("datetime64[D]")
        if cadence.unit == "day":
            # A date that moved for a holiday stays in its week: the usual weekday is the middle.
            usual = int(np.bincount(days.astype(np.int64) % cadence.length).argmax())
            return cls(cadence, usual - cadence.length // 2, cadence.length // 2)
        within = cls(cadence)._within(days)
        return cls(cadence, 0, int(within.max()), is_whole=bool((within == 0).all()))

    def numbers(self, days: NDArray[np.datetime64]) -> NDArray[np.int64]:
        """Return the numbers of the steps that dates lie in."""
        import numpy as np

        unit = "D" if self.cadence.unit == "day" else "M"
        return (days.astype(f"datetime64[{unit}]").astype(np.int64) - self.origin) // (
            self.cadence.length
        )

    def labels(self, numbers: NDArray[np.int64]) -> NDArray[np.datetime64]:
        """Return the dates that name steps: their usual weekday, or their first day."""
        scaled = numbers * self.cadence.length + self.origin
        if self.cadence.unit == "month":
            return scaled.astype("datetime64[M]").astype("datetime64[D]")
        return (scaled + self.latest).astype("datetime64[D]")

    def first_on(self, day: date) -> date:
        """Return the first step that counts as on from a day on, INCLUSIVE.

        A first day of a month stands for all of it, so the month that holds the day is on; any
        other date stands for itself, so the first step with a date on the day or later is.
        """
        at = _one(day)
        late = not self.is_whole and int(self._within(at)[0]) > self.latest
        return self._label(int(self.numbers(at)[0]) + late)

    def last_on(self, day: date) -> date:
        """Return the last step that counts as on until a day, INCLUSIVE."""
        at = _one(day)
        number = int(self.numbers(at)[0])
        if not self.is_whole:
            after = self._start(number + 1) - self._start(number)
            number -= int(self._within(at)[0]) < min(self.latest, int(after.astype(int)) - 1)
        return self._label(number)

    def _label(self, number: int) -> date:
        import numpy as np

        return self.labels(np.array([number]))[0].item()

    def _start(self, number: int) -> np.datetime64:
        import numpy as np

        shift = self.latest if self.cadence.unit == "day" else 0
        return self.labels(np.array([number]))[0] - np.timedelta64(shift, "D")

    def _within(self, days: NDArray[np.datetime64]) -> NDArray[np.int64]:
        """Return how many days into their steps dates lie."""
        import numpy as np

        shift = self.latest if self.cadence.unit == "day" else 0
        starts = self.labels(self.numbers(days)) - np.timedelta64(shift, "D")
        return (days - starts).astype(np.int64)


def _one(day: date) -> NDArray[np.datetime64]:
    import numpy as np

    return np.array([day], dtype="datetime64[D]")


def find_cadence(days: NDArray[np.datetime64]) -> Cadence:
    """Return the cadence of a series, found from its dates.

    Days, where two dates lie nearer than `LEAST_GAP`. Else the step that most neighbours are apart
    and that no two dates share: weeks, a constant number of days, calendar months, quarters, years
    (whatever day in them), a constant number of months. Without any, sparse dates are irregular and
    others days.

    Parameters
    ----------
    days
        The dates of the observations, each once, increasing.
    """
    import numpy as np

    days = days.astype("datetime64[D]")
    if len(days) < FEWEST_DATES:
        return Cadence.of("day")
    gaps = np.diff(days).astype(np.int64)
    if gaps.min() < LEAST_GAP:
        return Cadence.of("day")
    usual, common = _usual(gaps), int(np.gcd.reduce(gaps))
    in_days = Cadence("", "day", usual)
    if usual == 7 and _alone(in_days, days):
        return Cadence.of("week")
    if 7 < usual == common <= LONGEST_IN_DAYS:
        return Cadence.of(f"{usual}-day")
    for name in ("month", "quarter", "year"):
        cadence = Cadence.of(name)
        numbers = np.diff(Steps(cadence).numbers(days))
        if numbers.min() > 0 and _usual(numbers) == 1:
            return cadence
    months = np.diff(days.astype("datetime64[M]").astype(np.int64))
    if months.min() > 1 and _usual(months) == int(np.gcd.reduce(months)):
        return Cadence.of(f"{_usual(months)}-month")
    if 7 < usual == common < 1000:
        return Cadence.of(f"{usual}-day")
    return Cadence.of("irregular" if gaps.mean() > SPARSE_DAYS else "day")


def _usual(gaps: NDArray[np.int64]) -> int:
    """Return the gap that at least half of them do not exceed (their lower median)."""
    import numpy as np

    return int(np.partition(gaps, (len(gaps) - 1) // 2)[(len(gaps) - 1) // 2])


def _alone(cadence: Cadence, days: NDArray[np.datetime64]) -> bool:
    """Tell whether no two dates lie in one step."""
    import numpy as np

    return bool((np.diff(Steps.of(cadence, days).numbers(days)) > 0).all())
