"""Whether a day is unlike the 28 days ahead of it: a warning, never a verdict.

Compares the summaries kept in the lake's footers. Statistics that cannot be assessed yet say so
and count neither for nor against.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from its_pipeline.events.summary import DaySummary

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

REFERENCE_DAYS = 28
"""Four whole weeks, so that every weekday weighs the same."""
MINIMUM_REFERENCE_DAYS = 7
"""Fewer earlier days than a week are no reference."""

SHARE_JUMP = 0.05
"""A share must move by five percentage points to matter, however significant a smaller move is."""
SHARE_Z = 5.0
"""And by so many standard errors; a check a night on a dozen statistics must stay quiet."""
COUNT_FACTOR = 3.0
"""The number of events may be a third to three times the median day's; weekends differ by less."""
KS_COEFFICIENT = 1.95
"""Two-sample Kolmogorov-Smirnov critical coefficient at 0.001 (Smirnov 1948)."""
KS_MINIMUM = 0.10
"""And the distributions must differ by so much somewhere."""


@dataclass(frozen=True)
class DriftStatistic:
    """One comparison.

    Attributes
    ----------
    name
        What is compared.
    value, reference
        On the day, and over the reference days; NaN where there is none.
    threshold
        What the comparison was held against, in words.
    jumped
        Whether it exceeds the threshold; None where it cannot be assessed.
    """

    name: str
    value: float
    reference: float
    threshold: str
    jumped: bool | None


@dataclass(frozen=True)
class DriftReport:
    """All comparisons of one day.

    Attributes
    ----------
    day
        UTC day.
    reference_days
        Earlier days with events that it was compared with.
    statistics
        The comparisons.
    """

    day: date
    reference_days: int
    statistics: tuple[DriftStatistic, ...]

    @property
    def jumped(self) -> bool | None:
        """Whether any statistic jumped; None where none could be assessed."""
        known = [s.jumped for s in self.statistics if s.jumped is not None]
        return any(known) if known else None


def drift_of_days(settings: Settings, days: Sequence[date]) -> list[DriftReport]:
    """Compare validated days, each with the 28 days ahead of it.

    Raises
    ------
    FileNotFoundError
        If a day was not validated.
    """
    from its_pipeline.ingest.steps import open_lake, read_validation
    from its_pipeline.stores.lake import VALID_EVENTS

    there = open_lake(settings).days(VALID_EVENTS)
    known: dict[date, DaySummary] = {}

    def summary(day: date) -> DaySummary:
        if day not in known:
            known[day] = read_validation(settings, day).summary
        return known[day]

    reports = []
    for day in days:
        first = day - timedelta(days=REFERENCE_DAYS)
        ahead = there[bisect_left(there, first) : bisect_left(there, day)]
        reports.append(compare(summary(day), [summary(other) for other in ahead]))
    return reports


def compare(today: DaySummary, earlier: Sequence[DaySummary]) -> DriftReport:
    """Compare a day's summary with earlier ones; days without any event are left out."""
    reference = [summary for summary in earlier if summary.read]
    enough = len(reference) >= MINIMUM_REFERENCE_DAYS
    statistics = [_count(today, reference, enough)]
    statistics.append(
        _share("share rejected", today, reference, enough, lambda s: (s.rejected, s.read))
    )
    for name in sorted(today.nulls):
        statistics.append(_share(f"share empty {name}", today, reference, enough, _nulls_of(name)))
    statistics.append(_distribution(today, reference, enough))
    return DriftReport(today.day, len(reference), tuple(statistics))


def _nulls_of(name: str) -> Callable[[DaySummary], tuple[int, int]]:
    return lambda summary: (summary.nulls.get(name, 0), summary.valid)


def _count(today: DaySummary, reference: Sequence[DaySummary], enough: bool) -> DriftStatistic:
    threshold = f"between 1/{COUNT_FACTOR:g} and {COUNT_FACTOR:g} times the median day"
    usual = float(median(s.read for s in reference)) if reference else math.nan
    jumped = None
    if enough:
        jumped = not usual / COUNT_FACTOR <= today.read <= usual * COUNT_FACTOR
    return DriftStatistic("events", float(today.read), usual, threshold, jumped)


def _share(
    name: str,
    today: DaySummary,
    reference: Sequence[DaySummary],
    enough: bool,
    counted: Callable[[DaySummary], tuple[int, int]],
) -> DriftStatistic:
    threshold = f"within {SHARE_JUMP:.0%} points or {SHARE_Z:g} standard errors"
    part, whole = counted(today)
    parts = sum(counted(s)[0] for s in reference)
    wholes = sum(counted(s)[1] for s in reference)
    value = part / whole if whole else math.nan
    usual = parts / wholes if wholes else math.nan
    jumped = None
    if enough and whole and wholes:
        pooled = (part + parts) / (whole + wholes)
        error = math.sqrt(pooled * (1 - pooled) * (1 / whole + 1 / wholes))
        difference = abs(value - usual)
        jumped = difference > SHARE_JUMP and difference > SHARE_Z * error
    return DriftStatistic(name, value, usual, threshold, jumped)


def _distribution(
    today: DaySummary, reference: Sequence[DaySummary], enough: bool
) -> DriftStatistic:
    """Compare the score's distribution: the largest distance of the two cumulative histograms."""
    ours = np.asarray(today.score_bins, dtype=float)
    theirs = np.sum([s.score_bins for s in reference], axis=0) if reference else np.zeros_like(ours)
    n, m = float(ours.sum()), float(theirs.sum())
    if not (enough and n and m):
        words = f"Kolmogorov-Smirnov distance at most {KS_MINIMUM:g}"
        return DriftStatistic("score distribution", math.nan, math.nan, words, None)
    distance = float(np.abs(np.cumsum(ours) / n - np.cumsum(theirs) / m).max())
    limit = max(KS_MINIMUM, KS_COEFFICIENT * math.sqrt((n + m) / (n * m)))
    threshold = f"Kolmogorov-Smirnov distance at most {limit:.3f}"
    return DriftStatistic("score distribution", distance, 0.0, threshold, distance > limit)
