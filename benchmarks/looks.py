"""A look every day: how often some look says "helped" or "made it worse" where nothing was changed.

What belongs here: daily looks over 60 days after baselines of 28 and 90, on simulated and on real
days, by each plan of looking and without any; power, and the days that looking saves. What does
not: windows in halves and single looks (`placebo`), or plans ahead of an experiment (`plans`).

    python -m benchmarks.looks --every 1 --series 150 --processes 2 --write
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks._noise import NOISES, noise_of
from benchmarks._table import machine, markdown, write_table
from benchmarks.placebo import DATA, MACHINES, SURE, clustered
from its_pipeline.experiments.placebo_windows import pretended_windows
from its_pipeline.its import AnalysisSpec, InsufficientData, InvalidSeries
from its_pipeline.its.days_ahead import NoiseNodes
from its_pipeline.its.decisions.boundaries import ALPHA, always_valid_multiplier, boundaries
from its_pipeline.its.decisions.information import information_given
from its_pipeline.its.decisions.looks import LEAST_GROWTH, normal_score, unlike
from its_pipeline.its.exact import integrate_posterior
from its_pipeline.its.fitting import prepared_fit
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.posterior import MixtureMarginal
from its_pipeline.its.sensitivity.estimate import TOLERANCE
from its_pipeline.schedules.look_plans import ALWAYS_VALID, LOOK_PLANS

BASELINES = (28, 90)
HORIZON = 60
EFFECTS = (0.0, 1.0, 2.0)
_MOST_OF_A_SERIES = 3
Z_SURE = normal_score(SURE)


@dataclass(frozen=True)
class Days:
    """One series on which nothing was changed.

    Parameters
    ----------
    kind, unit
        "people's" or a noise's name; whose it is, the unit of the standard error.
    n_baseline
        Calendar days before the pretended intervention.
    values
        Observed days.
    start
        First post day, INCLUSIVE.
    effects
        True effects that are added, in sds of the baseline.
    """

    kind: str
    unit: str
    n_baseline: int
    values: pd.Series
    start: pd.Timestamp
    effects: tuple[float, ...]


def real_days(every: int, every_effect: int) -> Iterator[Days]:
    """Yield stretches of people's days; cash machines are no people."""
    days = pd.read_parquet(DATA)
    days = days[~days["source"].isin(MACHINES)]
    for n_baseline in BASELINES:
        found = list(_stretches(days, n_baseline))[::every]
        for number, (unit, values, start) in enumerate(found):
            effects = EFFECTS if number % every_effect == 0 else (0.0,)
            yield Days("people's", unit, n_baseline, values, start, effects)


def _stretches(
    days: pd.DataFrame, n_baseline: int
) -> Iterator[tuple[str, pd.Series, pd.Timestamp]]:
    """Yield stretches whose two sides are both usable, none overlapping another."""
    for (source, person, _), rows in days.groupby(["source", "person", "outcome"], sort=True):
        values = rows.set_index("day")["value"].sort_index()
        values = values[np.isfinite(values.to_numpy())]
        index = pd.DatetimeIndex(values.index)
        values = pd.Series(values.to_numpy(dtype=float), index)
        found = pretended_windows(
            index.to_numpy(), values.to_numpy(), n_baseline + HORIZON, baseline_days=n_baseline
        )
        for window in islice(found, _MOST_OF_A_SERIES):
            first, last = pd.Timestamp(window.start_on), pd.Timestamp(window.end_on)
            inside = values[(index >= first) & (index <= last)]
            yield f"{source} {person}", inside, pd.Timestamp(window.middle_on)


def simulated_days(series: int, every_effect: int) -> Iterator[Days]:
    """Yield series of each noise and baseline."""
    for number, (kind, rho) in enumerate(NOISES.items()):
        for n_baseline in BASELINES:
            for seed in range(series):
                rng = np.random.default_rng([number, n_baseline, seed])
                n = n_baseline + HORIZON
                noise = noise_of(rho, n, rng)
                index = pd.date_range("2024-01-01", periods=n)
                values = pd.Series(50.0 + 10.0 * noise, index)
                effects = EFFECTS if seed % every_effect == 0 else (0.0,)
                yield Days(kind, str(seed), n_baseline, values, index[n_baseline], effects)


def judge(days: Days) -> list[dict[str, object]]:
    """Look at one series every day, with each effect added."""
    sd = float(days.values[days.values.index < days.start].std())
    is_after = days.values.index >= days.start
    rows = []
    for effect in days.effects:
        rows += _look_daily(days, days.values + effect * sd * is_after, effect)
    return rows


def _look_daily(days: Days, values: pd.Series, effect: float) -> list[dict[str, object]]:
    spec = AnalysisSpec()
    until_on = (days.start + pd.Timedelta(HORIZON - 1, "D")).date()
    probabilities, shares, errors, numbers = [], [], [], []
    for last in values.index[values.index >= days.start]:
        known = values[values.index <= last]
        try:
            fit, _ = prepared_fit(known, days.start, spec, None, NORMAL)
        except (InsufficientData, InvalidSeries):
            # Fewer than eight days since the start: the experiment would wait.
            continue
        mixture, _ = integrate_posterior(fit, TOLERANCE, only_headline=True)
        told = MixtureMarginal(mixture, 0, fit.series.scale)
        information = information_given(
            NoiseNodes.of_mixture(mixture),
            fit.series,
            known,
            days.start,
            spec,
            until_on,
            until_on,
        )
        is_last = last == values.index[-1]
        if shares and information.now - shares[-1] < LEAST_GROWTH and not is_last:
            continue
        probabilities.append(told.above(0.0))
        shares.append(information.now)
        errors.append(told.sd)
        numbers.append((last - days.start).days + 1)
    about = {"kind": days.kind, "unit": days.unit, "baseline": days.n_baseline, "effect": effect}
    prior_sd = float(values[values.index < days.start].std())
    return rows_of_looks(about, probabilities, shares, errors, numbers, prior_sd)


def rows_of_looks(
    about: dict[str, object],
    probabilities: Sequence[float],
    shares: Sequence[float],
    errors: Sequence[float],
    numbers: Sequence[int],
    prior_sd: float,
) -> list[dict[str, object]]:
    """Return what each plan of looking says of a course of looks.

    Parameters
    ----------
    about
        What is said of the series.
    probabilities, shares, errors, numbers
        Of each look: probability of a positive effect, information, the effect's sd, and the days
        since the start.
    prior_sd
        Sd of effects that are usual.
    """
    kept = unlike(shares)
    z = np.array([normal_score(probabilities[at]) for at in kept])
    days = [numbers[at] for at in kept]
    needed = {"every look at P > .95": np.full(len(z), Z_SURE)}
    needed["last look at P > .95"] = np.append(np.full(len(z) - 1, np.inf), Z_SURE)
    for plan, spending in LOOK_PLANS.items():
        # One by one they come to the same, see the tests of `next_look`.
        if plan == ALWAYS_VALID:
            x = (prior_sd / np.array([errors[at] for at in kept])) ** 2
            needed[plan] = always_valid_multiplier(x, 2.0 * ALPHA)
        else:
            needed[plan] = boundaries([shares[at] for at in kept], ALPHA, spending).z
    return [_row(about, plan, z, bound, days) for plan, bound in needed.items()]


def _row(
    about: dict[str, object], plan: str, z: np.ndarray, needed: np.ndarray, numbers: list[int]
) -> dict[str, object]:
    helped = z >= needed
    return {
        **about,
        "plan": plan,
        "helped": bool(helped.any()),
        "worse": bool((-z >= needed).any()),
        "days": numbers[int(np.argmax(helped))] if helped.any() else HORIZON,
    }


def summary(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each kind of days, baseline and plan of looking."""
    rows = []
    for (kind, baseline, plan), group in results.groupby(["kind", "baseline", "plan"], sort=False):
        null = group[group["effect"] == 0.0]
        one, two = (group[group["effect"] == effect] for effect in EFFECTS[1:])
        saved = HORIZON - two.loc[two["helped"], "days"]
        rows.append(
            {
                "days": kind,
                "baseline": baseline,
                "plan": plan,
                "series": len(null),
                'false "helped" (se)': clustered(null["helped"].astype(float), null["unit"]),
                'false "worse" (se)': clustered(null["worse"].astype(float), null["unit"]),
                "power at 1 sd": f"{one['helped'].mean():.2f} (n={len(one)})",
                "at 2 sd": f"{two['helped'].mean():.2f}",
                "median days saved at 2 sd": f"{saved.median():.0f}" if len(saved) else "-",
            }
        )
    return pd.DataFrame(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all and print the table."""
    parser = argparse.ArgumentParser(description="Daily looks on days without any change.")
    parser.add_argument("--every", type=int, default=1, help="only every so manieth real stretch")
    parser.add_argument("--series", type=int, default=150, help="simulated series a cell")
    parser.add_argument("--every-effect", type=int, default=3, help="effects on every so manieth")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="keep the table in tables/")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    chosen = list(simulated_days(options.series, options.every_effect))
    if DATA.exists():
        chosen = [*real_days(options.every, options.every_effect), *chosen]
    rows: list[dict[str, object]] = []
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for found in pool.imap(judge, chosen, chunksize=4):
            rows += found
    text = (
        f"# A look every day for {HORIZON} days, on days without any change\n\n{machine()}; "
        f"{len(chosen)} series, {time.perf_counter() - started:.0f} s. Standard errors with people "
        "as the unit. Power: some look says “helped” where the average effect is one or two sds of "
        f"the baseline.\n\n{markdown(summary(pd.DataFrame(rows)))}"
    )
    if options.write:
        write_table("looks", text)
    else:
        print(text)


if __name__ == "__main__":
    main()
