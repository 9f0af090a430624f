"""On which rows of a series one intervention acted: its days on, its phases, its switches.

What belongs here: a schedule laid on the calendar of one series. What does not: what a person may
declare (`schedules`), or the columns that are made of it (`designs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from its_pipeline.schedules.schedule import Schedule

MOST_GROUPS = 6
"""Phases on that have an effect of their own in the model; where there are more, neighbouring ones
share one."""


@dataclass(frozen=True)
class Exposure:
    """One intervention on the rows of a series.

    Parameters
    ----------
    name
        Of the intervention; empty for the one that is asked about.
    steps
        Time steps from its first day on, shape (n,).
    is_on
        Rows on which it acted as scheduled, shape (n,), bool.
    """

    name: str
    steps: np.ndarray
    is_on: np.ndarray

    @classmethod
    def of(
        cls, name: str, schedule: Schedule, calendar: pd.DatetimeIndex, steps: np.ndarray
    ) -> Exposure:
        """Lay a schedule on a calendar, whose steps from its first day on are known."""
        days = calendar.to_numpy().astype("datetime64[D]")
        is_on = np.zeros(len(days), dtype=bool)
        for period in schedule.on_periods:
            within = days >= np.datetime64(period.from_on)
            if period.to_on is not None:
                within &= days <= np.datetime64(period.to_on)
            is_on |= within
        return cls(name, steps, is_on)

    @classmethod
    def since(cls, steps: np.ndarray, name: str = "") -> Exposure:
        """Return one that is on from step 0 on, for good."""
        return cls(name, steps, steps >= 0)

    @property
    def runs(self) -> list[slice]:
        """Phases in order, on and off, as slices of rows."""
        edges = np.flatnonzero(np.diff(self.is_on.astype(int))) + 1
        bounds = [0, *edges.tolist(), len(self.is_on)]
        return [slice(a, b) for a, b in pairwise(bounds)]

    @property
    def is_one_change(self) -> bool:
        """Whether it is off up to one day, and on from then on."""
        runs = self.runs
        return len(runs) == 2 and bool(self.is_on[-1])

    def groups(self) -> np.ndarray:
        """Return numbers of the groups of phases that may differ in effect, shape (n,); -1 off.

        Each phase on is a group of its own up to `MOST_GROUPS`; of more, neighbours are put
        together, as evenly as can be.
        """
        found = np.full(len(self.is_on), -1)
        on = [run for run in self.runs if self.is_on[run.start]]
        n_groups = min(len(on), MOST_GROUPS)
        for number, run in enumerate(on):
            found[run] = number * n_groups // len(on)
        return found

    def is_left_out(self, washout: int, carryover: int) -> np.ndarray:
        """Mark rows too near to a switch, shape (n,), bool.

        Parameters
        ----------
        washout
            Rows from the first day on that are left out.
        carryover
            Rows from every switch on, in either direction, that are left out.
        """
        found = (self.steps >= 0) & (self.steps < washout)
        for run in self.runs[1:]:
            found[run.start : min(run.start + carryover, run.stop)] = True
        return found
