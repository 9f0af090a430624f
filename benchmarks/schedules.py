"""Schedules on days on which nothing was changed: reversal, days and blocks by lot, two at once.

What belongs here: pretended schedules on simulated and on real days, how often 95 % intervals hold
0, how often "helped" and "made it worse" are said, power at one sd, and how often the randomisation
test is at most .05. What does not: the windows of real days (`placebo_windows`), or designs
compared with each other on the same days (`designs`).

    python -m benchmarks.schedules --every 3 --series 150 --processes 2 --write
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks._noise import NOISES, noise_of
from benchmarks._table import machine, markdown, write_table
from benchmarks.placebo import DATA, MACHINES, SURE, clustered
from benchmarks.placebo_windows import LENGTHS, windows
from its_pipeline.its import AnalysisSpec, InsufficientData, InvalidSeries, models
from its_pipeline.its.by_lot import tested_by_lot
from its_pipeline.its.exact import integrate_posterior
from its_pipeline.its.fitting import design_of, prepared_fit
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.posterior import MixtureMarginal
from its_pipeline.its.sensitivity.estimate import TOLERANCE
from its_pipeline.schedules.assignments import draw_schedule
from its_pipeline.schedules.mechanism import Mechanism
from its_pipeline.schedules.schedule import Schedule

DESIGNS = ("ABAB", "days by lot", "blocks of 3 by lot", "two overlapping")
BY_LOT_AT_MOST = 0.05


@dataclass(frozen=True)
class Days:
    """One series on which nothing was changed.

    Parameters
    ----------
    kind, unit
        "people's" or a noise's name; whose it is, the unit of the standard error.
    n
        Calendar days.
    first_on
        Of the window.
    values
        Observed days.
    seed
        Of the lots.
    """

    kind: str
    unit: str
    n: int
    first_on: date
    values: pd.Series
    seed: int


def real_days(every: int) -> Iterator[Days]:
    """Yield people's windows; cash machines are no people."""
    days = pd.read_parquet(DATA)
    days = days[~days["source"].isin(MACHINES)]
    for n in LENGTHS:
        for seed, window in enumerate(list(windows(days, n))[::every]):
            first = (window.intervention_on - pd.Timedelta(days=n // 2)).date()
            yield Days(
                "people's", f"{window.source} {window.person}", n, first, window.values, seed
            )


def simulated_days(series: int) -> Iterator[Days]:
    """Yield series of each noise and length."""
    for number, (kind, rho) in enumerate(NOISES.items()):
        for n in LENGTHS:
            for seed in range(series):
                rng = np.random.default_rng([number, n, seed])
                noise = noise_of(rho, n, rng)
                values = pd.Series(50.0 + 10.0 * noise, pd.date_range("2024-01-01", periods=n))
                yield Days(kind, str(seed), n, date(2024, 1, 1), values, seed)


def schedules(days: Days) -> Iterator[tuple[str, Schedule, dict[str, Schedule]]]:
    """Yield each design's name, its schedule on some days, and others in the same model."""
    n, seed = days.n, days.seed

    def on(i: int) -> date:
        return days.first_on + timedelta(days=i)

    quarter = n / 4
    edges = [int(k * quarter) for k in range(4)]
    yield "ABAB", Schedule.periods([(on(edges[1]), on(edges[2] - 1)), (on(edges[3]), None)]), {}
    ahead = None
    lot = Mechanism(balance="total", longest_run=6, seed=seed)
    yield "days by lot", draw_schedule(lot, days.first_on, n - n % 2, ahead), {}
    block = Mechanism(unit_days=3, balance="total", seed=seed)
    yield "blocks of 3 by lot", draw_schedule(block, days.first_on, n - n % 6, ahead), {}
    other = {"other": Schedule.periods([(on(edges[1]), on(edges[3] - 1))])}
    yield "two overlapping", Schedule.since(on(edges[2])), other


def judge(days: Days, with_lot: bool) -> list[dict[str, object]]:
    """Analyse one series under each design."""
    spec = AnalysisSpec()
    rows = []
    for design, schedule, others in schedules(days):
        is_on = np.array(
            [schedule.is_on(day.date()) for day in pd.DatetimeIndex(days.values.index)]
        )
        row: dict[str, object] = {"kind": days.kind, "unit": days.unit, "n": days.n}
        try:
            sd = float(days.values[~is_on].std())
            for name, outcome in (("null", days.values), ("one", days.values + sd * is_on)):
                fit, known = prepared_fit(outcome, schedule, spec, None, NORMAL, others)
                mixture, _ = integrate_posterior(fit, TOLERANCE, only_headline=True)
                told = MixtureMarginal(mixture, 0, fit.series.scale)
                row[f"{name}_positive"] = told.above(0.0)
                if name == "one":
                    continue
                lower, upper = told.quantile(0.025), told.quantile(0.975)
                row |= {"holds": lower <= 0.0 <= upper, "width": (upper - lower) / sd}
                if with_lot and schedule.mechanism is not None:
                    without = design_of(fit.series, spec, known, None)
                    noise = models.noise_model(spec.noise)
                    tested, why = tested_by_lot(fit.series, without, noise, seed=0)
                    if tested is None:
                        raise ValueError(f"{design}, {days.n} days: {why}")
                    row["p_value"] = tested.p_value
        except (InsufficientData, InvalidSeries):
            # Fewer than eight days on or off, or constant there: the analysis would be refused.
            continue
        rows.append({"design": design, **row})
    return rows


def summary(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each kind of days, design and length."""
    rows = []
    for (kind, design, n), group in results.groupby(["kind", "design", "n"], sort=False):
        unit, tested = group["unit"], group["p_value"].dropna()
        small = (tested <= BY_LOT_AT_MOST).astype(float)
        rows.append(
            {
                "days": kind,
                "design": design,
                "n": n,
                "series": len(group),
                "holds 0 (se)": clustered(group["holds"], unit),
                'false "helped" (se)': clustered(group["null_positive"] > SURE, unit),
                'false "worse" (se)': clustered(group["null_positive"] < 1.0 - SURE, unit),
                "lot's p <= .05 (se)": (
                    clustered(small, unit.loc[tested.index]) if len(tested) else "-"
                ),
                "width in sd": f"{group['width'].mean():.2f}",
                "power at 1 sd": f"{(group['one_positive'] > SURE).mean():.2f}",
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Run all and print the table."""
    parser = argparse.ArgumentParser(description="Schedules on days without any change.")
    parser.add_argument("--every", type=int, default=1, help="only every so manieth real window")
    parser.add_argument("--series", type=int, default=100, help="simulated series a cell")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--without-lot", action="store_true", help="no randomisation tests")
    parser.add_argument("--write", action="store_true", help="keep the table in tables/")
    options = parser.parse_args()
    started = time.perf_counter()
    chosen = list(simulated_days(options.series))
    if DATA.exists():
        chosen = [*real_days(options.every), *chosen]
    rows: list[dict[str, object]] = []
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        work = partial(judge, with_lot=not options.without_lot)
        for found in pool.imap(work, chosen, chunksize=10):
            rows += found
    results = pd.DataFrame(rows)
    text = (
        f"# Schedules on days without any change\n\n{machine()}; {len(chosen)} series, "
        f"{time.perf_counter() - started:.0f} s. Standard errors with people as the unit.\n\n"
        f"{markdown(summary(results))}"
    )
    if options.write:
        write_table("schedules", text)
    else:
        print(text)


if __name__ == "__main__":
    main()
