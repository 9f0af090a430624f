"""Designs: the same person, days and true effect, by when the intervention was on.

What belongs here: the designs, the series, and the table that `docs/guides/which-design.md` cites.
What does not: how well intervals hold (`calibration`, `placebo`). Each design meets the same noise;
nothing but the days on differs. Prints Markdown, and with --write keeps tables/designs.md.

    python -m benchmarks.designs --series 60 --write
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks._table import machine, markdown, write_table
from its_pipeline.its.errors import InsufficientData
from its_pipeline.its.headline import headline
from its_pipeline.its.posterior import Marginal
from its_pipeline.its.spec import AnalysisSpec
from its_pipeline.schedules.assignments import draw_schedule
from its_pipeline.schedules.mechanism import Mechanism
from its_pipeline.schedules.schedule import Schedule

LEVEL: Final = 50.0
SD: Final = 10.0
FIRST_ON: Final = date(2024, 1, 1)
LENGTHS: Final = (60, 90)
SURE: Final = 0.95
#: A unit of the blocks by lot, in days.
BLOCK: Final = 5
CARRYOVER_DAYS: Final = 1


@dataclass(frozen=True)
class Planned:
    """The days on of what is asked about, and those of what else the person does."""

    schedule: Schedule
    others: Mapping[str, Schedule] = field(default_factory=dict)


def phases(n: int, count: int) -> Planned:
    """Return `count` phases of equal length, off first."""
    bounds = [round(n * number / count) for number in range(count + 1)]
    on = [
        (_day(bounds[number]), _day(bounds[number + 1] - 1) if number < count - 1 else None)
        for number in range(1, count, 2)
    ]
    return Planned(Schedule.periods(on))


def days_by_lot(n: int, seed: int) -> Schedule:
    """Return days by lot, half on in every block of six, at most three alike in a row."""
    lot = Mechanism(balance="block", block_days=6, longest_run=3, seed=seed)
    return draw_schedule(lot, FIRST_ON, n, None)


def blocks_by_lot(n: int, seed: int) -> Schedule:
    """Return blocks of five days by lot, half of them on, at most two alike in a row."""
    lot = Mechanism(unit_days=BLOCK, balance="total", longest_run=2, seed=seed)
    return draw_schedule(lot, FIRST_ON, n, None)


def both_since(n: int, _: int) -> Planned:
    """Return one from a third of the days on, and another from two thirds on."""
    return Planned(Schedule.since(_day(n // 3)), {"the other": Schedule.since(_day(2 * n // 3))})


def both_by_lot(n: int, seed: int) -> Planned:
    """Return two interventions, each with days by a lot of its own."""
    return Planned(days_by_lot(n, seed), {"the other": days_by_lot(n, seed + 100_000)})


DESIGNS: Final[dict[str, Callable[[int, int], Planned]]] = {
    "A-B, one change": lambda n, _: phases(n, 2),
    "A-B-A-B": lambda n, _: phases(n, 4),
    "A-B-A-B-A-B": lambda n, _: phases(n, 6),
    f"blocks of {BLOCK} days by lot": lambda n, seed: Planned(blocks_by_lot(n, seed)),
    "days by lot": lambda n, seed: Planned(days_by_lot(n, seed)),
    "two at once, A-B each": both_since,
    "two at once, days by lot each": both_by_lot,
}


def noise(kind: str, n: int, index: int) -> np.ndarray:
    """Return the noise of one person's days, of sd 1, the same for every design, shape (n,)."""
    rng = np.random.default_rng([n, sum(kind.encode()), index])
    if kind == "steady":
        return _ar1(0.3, rng, n)
    # Half of the variance lasts for weeks, half is new every day.
    return np.sqrt(0.5) * (_ar1(0.97, rng, n) + rng.standard_normal(n))


def judged(planned: Planned, errors: np.ndarray) -> dict[str, float]:
    """Return what one person's days say under a design, in sds of the noise.

    Parameters
    ----------
    planned
        The days on.
    errors
        Of one person, shape (n,).
    """
    n = len(errors)
    on = _is_on(planned.schedule, n)
    base = errors + sum(_is_on(other, n) for other in planned.others.values())
    late = np.concatenate([[0.0], on[:-1]])
    starts = np.flatnonzero(np.diff(on) == 1.0) + 1
    # Something else begins with the switch on that is nearest to the middle, and stays.
    elsewhere = np.arange(n) >= starts[np.argmin(np.abs(starts - n / 2))]
    told = _told(base + on, planned)
    found = {
        "width": (told.quantile(0.975) - told.quantile(0.025)) / SD,
        "seen": told.above(0.0) > SURE,
        "false": _told(base, planned).above(0.0) > SURE,
        "coincidence": _told(base + elsewhere, planned).above(0.0) > SURE,
        "delayed": _told(base + 0.5 * on + 0.5 * late, planned).mean / SD,
    }
    try:
        kept = _told(base + on, planned, CARRYOVER_DAYS)
        found["width_left_out"] = (kept.quantile(0.975) - kept.quantile(0.025)) / SD
    except InsufficientData:
        found["width_left_out"] = np.inf
    return found


def table(n_series: int) -> pd.DataFrame:
    """Return a row for each kind of noise, length and design."""
    rows = []
    for kind in ("steady", "drifting"):
        for n in LENGTHS:
            for name, planned in DESIGNS.items():
                found = pd.DataFrame(
                    [judged(planned(n, i), noise(kind, n, i)) for i in range(n_series)]
                )
                rows.append(
                    {
                        "noise": kind,
                        "days": n,
                        "design": name,
                        "median width (sd)": f"{found['width'].median():.2f}",
                        "effect seen": _percent(found["seen"]),
                        "no effect, said to help": _percent(found["false"]),
                        "something else began, said to help": _percent(found["coincidence"]),
                        "estimate of a delayed effect (sd)": f"{found['delayed'].mean():.2f}",
                        f"width, {CARRYOVER_DAYS} day left out (sd)": (
                            f"{found['width_left_out'].median():.2f}"
                        ),
                    }
                )
                print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def _told(values: np.ndarray, planned: Planned, carryover_days: int = 0) -> Marginal:
    days = pd.date_range(FIRST_ON, periods=len(values), freq="D")
    outcome = pd.Series(LEVEL + SD * values, index=days)
    spec = AnalysisSpec(carryover_days=carryover_days)
    return headline(outcome, planned.schedule, spec, others=planned.others)


def _is_on(schedule: Schedule, n: int) -> np.ndarray:
    return np.array([float(schedule.is_on(_day(number))) for number in range(n)])


def _day(number: int) -> date:
    return FIRST_ON + timedelta(days=number)


def _ar1(rho: float, rng: np.random.Generator, n: int) -> np.ndarray:
    found = np.empty(n)
    found[0] = rng.standard_normal()
    shocks = np.sqrt(1.0 - rho**2) * rng.standard_normal(n)
    for t in range(1, n):
        found[t] = rho * found[t - 1] + shocks[t]
    return found


def _percent(values: pd.Series) -> str:
    return f"{values.mean():.0%}"


def main() -> None:
    """Judge every design, and print the table."""
    parser = argparse.ArgumentParser(description="The same days under every design.")
    parser.add_argument("--series", type=int, default=60, help="people a row")
    parser.add_argument("--write", action="store_true", help="keep it as tables/designs.md")
    options = parser.parse_args()
    started = time.perf_counter()
    found = table(options.series)
    text = (
        f"# Designs\n\n{machine()}; {options.series} simulated people a row, the same ones for "
        f"every design of a length, {time.perf_counter() - started:.0f} s. A true effect of one "
        'sd of the noise, "seen" where P(benefit) > .95. Steady: AR(1) with .3; drifting: half of '
        "the variance is an AR(1) with .97, half is new every day. Something else: one sd for "
        "good, beginning with the switch on nearest to the middle, with no effect of what is "
        "asked about. Delayed: half of the effect comes, and goes, a day late.\n\n"
        f"{markdown(found)}"
    )
    if options.write:
        write_table("designs", text)
    else:
        print(text)


if __name__ == "__main__":
    main()
