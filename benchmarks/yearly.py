"""The yearly season on real days: long histories with a pretended intervention, each way.

What belongs here: windows of all days before a pretended date and 90 from it on, what the model
says of each with 90 days of baseline, with all of them, and with other yearly seasons, and tables.
What does not: windows cut in the middle (`placebo`). Nothing was changed, so 95 % of the intervals
should hold 0. Also asked: how often an effect of one sd is seen, and how often the interval holds
0 where a yearly wave of one sd is added to the days, which is no effect either.

    python -m benchmarks.yearly --every 2 --write
    python -m benchmarks.yearly --every 4 --choice --write
    python -m benchmarks.yearly --every 2 --days 90 458 --write
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks._table import TABLES, machine, markdown
from benchmarks.placebo import DATA, MACHINES, SURE, clustered
from benchmarks.placebo_methods import HIGHEST, LOWEST
from benchmarks.placebo_windows import Window
from its_pipeline.experiments.placebo_windows import is_usable
from its_pipeline.its import AnalysisSpec, priors
from its_pipeline.its.designs.base import DesignMatrix, build_design
from its_pipeline.its.designs.change import CHANGE
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.designs.yearly import yearly_columns
from its_pipeline.its.fitting import fit_of
from its_pipeline.its.inference.quadrature import integrate
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.noise.ar1_white import AR1_WHITE
from its_pipeline.its.scale_mixture import ScaleMixture
from its_pipeline.its.series import prepare_series
from its_pipeline.its.spec import FEWEST_DAYS_WITH_A_YEAR
from its_pipeline.its.targets import effect_contrasts

HORIZON_DAYS = USUAL_DAYS = 90
LONGEST_DAYS = 1095
"""Of a baseline of all days: three years."""
_STRIDE_DAYS = 10
_YEAR_DAYS = 365.25
_GOLDEN = 0.618034
"""Phases of the added waves, spread evenly over the year however many windows there are."""


@dataclass(frozen=True)
class Season:
    """A yearly season: waves a year, and the sds of its prior, the small one first of two."""

    harmonics: int
    sds: tuple[float, ...]


SHORT, WITHOUT, OURS = "90 days", "all days, no yearly season", "all days, as the product"
CHOICE = {
    WITHOUT: Season(0, ()),
    **{
        f"{harmonics} x {' or '.join(map(str, sds))}": Season(harmonics, sds)
        for harmonics, sds in (
            (1, (0.1,)),
            (1, (0.3,)),
            (1, (1.0,)),
            (1, (0.1, 1.0)),
            (2, (0.3,)),
            (2, (0.1, 1.0)),
        )
    },
}


def long_windows(
    days: pd.DataFrame,
    fewest: int = FEWEST_DAYS_WITH_A_YEAR,
    longest: int = LONGEST_DAYS,
    horizon: int = HORIZON_DAYS,
) -> Iterator[Window]:
    """Yield windows whose days after the dates do not overlap; those before them may.

    Both sides, and the 90 days before the date, keep the placebo study's rule.

    Parameters
    ----------
    days
        Columns source, person, outcome, day, value.
    fewest, longest
        Calendar days of a baseline; as many as there are between them.
    horizon
        Calendar days from the date on.
    """
    for (source, person, outcome), rows in days.groupby(["source", "person", "outcome"], sort=True):
        values = rows.set_index("day")["value"].sort_index()
        values = values[np.isfinite(values.to_numpy())]
        values.index = index = pd.DatetimeIndex(values.index)
        date = index[0] + _days(fewest)
        while date + _days(horizon - 1) <= index[-1]:
            until = date + _days(horizon)
            inside = values[(index >= date - _days(longest)) & (index < until)]
            n_ahead = (date - inside.index[0]).days if len(inside) else 0
            usual = inside[(inside.index < date) & (inside.index >= date - _days(USUAL_DAYS))]
            sides = (
                (inside[inside.index < date], n_ahead),
                (usual, USUAL_DAYS),
                (inside[inside.index >= date], horizon),
            )
            is_long = n_ahead >= fewest
            if is_long and all(is_usable(side.to_numpy(float), n) for side, n in sides):
                about = str(source), str(person), str(outcome)
                yield Window(*about, n_ahead + horizon, inside, date)
                date = until
            else:
                date += _days(_STRIDE_DAYS)


def _days(n: int) -> pd.Timedelta:
    return pd.Timedelta(days=n)


def asked(window: Window, number: int) -> dict[str, pd.Series]:
    """Return a window as it is, with one sd on the days from the date on, and with a wave of one.

    The sd is that of the 90 days before the date, for every method.
    """
    values, date = window.values, window.intervention_on
    index = pd.DatetimeIndex(values.index)
    scale = usual_sd(window)
    turn = (index - date).days.to_numpy() / _YEAR_DAYS + _GOLDEN * number
    return {
        "null": values,
        "one": values + scale * (index >= date),
        "wave": values + scale * np.sin(2.0 * np.pi * turn),
    }


def usual_sd(window: Window) -> float:
    """Return the sd of the 90 days before the date."""
    values, date = window.values, window.intervention_on
    usual = values[(values.index < date) & (values.index >= date - _days(USUAL_DAYS))]
    return float(usual.std(ddof=1))


def judge(window: Window, number: int, methods: list[str]) -> list[dict[str, Any]]:
    """Return a row a method: whether intervals hold 0, P(effect > 0), and widths in usual sds."""
    rows = []
    sd = usual_sd(window)
    for method in methods:
        row: dict[str, Any] = {
            "source": window.source,
            "person": window.person,
            "outcome": window.outcome,
            "method": method,
        }
        for question, values in asked(window, number).items():
            lower, upper, positive = answer(method, values, window.intervention_on)
            row |= {
                f"{question}_holds": lower <= 0.0 <= upper,
                f"{question}_positive": positive,
                f"{question}_width": (upper - lower) / sd,
                # Gneiting & Raftery 2007, J. Am. Stat. Assoc. 102, 359, section 6.2.
                f"{question}_score": (upper - lower + 40.0 * max(lower, -upper, 0.0)) / sd,
            }
        rows.append(row)
    return rows


def answer(method: str, values: pd.Series, date: pd.Timestamp) -> tuple[float, float, float]:
    """Return one method's interval of the average effect, and P(effect > 0)."""
    spec = AnalysisSpec()
    if method == SHORT:
        values = values[values.index >= date - _days(USUAL_DAYS)]
    series = prepare_series(values, date, spec)
    season = CHOICE.get(method)
    if season is not None:
        series = replace(series, has_yearly_season=False)
    design = build_design(series, spec, Covariates(), CHANGE)
    if season is not None and season.harmonics:
        design = with_season(design, pd.DatetimeIndex(series.days), season)
    problem = fit_of(series, design, AR1_WHITE, NORMAL).problem
    found = integrate(problem, AR1_WHITE, effect_contrasts(series, design)[:1])
    lower, upper = (series.scale * found.quantile(at) for at in (LOWEST, HIGHEST))
    return lower, upper, 1.0 - found.cdf(0.0)


def with_season(design: DesignMatrix, days: pd.DatetimeIndex, season: Season) -> DesignMatrix:
    """Return a design with another yearly season, which nothing but the fit can be told of."""
    waves = np.column_stack(list(yearly_columns(days, season.harmonics).values()))
    none = np.zeros_like(waves)
    weights = (priors.SMALL_WEIGHT, 1.0 - priors.SMALL_WEIGHT) if season.sds[1:] else (1.0,)
    prior, k = design.prior, waves.shape[1]
    return replace(
        design,
        matrix=np.hstack([design.matrix, waves]),
        intervention=np.hstack([design.intervention, none]),
        back=np.hstack([design.back, np.zeros((len(design.back), k))]),
        prior=ScaleMixture(
            np.vstack(
                [np.hstack([prior.sd, np.full((len(prior.sd), k), sd)]) for sd in season.sds]
            ),
            np.concatenate([weight * prior.weights for weight in weights]),
        ),
    )


def summary(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row a method, on people's days and on machines'."""
    rows = []
    days = results["source"].isin(MACHINES).map({True: "machines'", False: "people's"})
    for (whose, method), group in results.groupby([days, "method"], sort=False):
        people = group["person"]
        rows.append(
            {
                "days": whose,
                "windows": len(group),
                "people": people.nunique(),
                "method": method,
                "holds 0 (se)": clustered(group["null_holds"], people),
                'false "helped" (se)': clustered(group["null_positive"] > SURE, people),
                'false "worse" (se)': clustered(group["null_positive"] < 1.0 - SURE, people),
                "width in sd (se)": clustered(group["null_width"], people),
                "interval score (se)": clustered(group["null_score"], people),
                "power at 1 sd (se)": clustered(group["one_positive"] > SURE, people),
                "holds 0 with a wave (se)": clustered(group["wave_holds"], people),
                "width with a wave (se)": clustered(group["wave_width"], people),
                "score with a wave (se)": clustered(group["wave_score"], people),
            }
        )
    return pd.DataFrame(rows).sort_values("days", kind="stable", ascending=False)


def left_out(results: pd.DataFrame) -> pd.DataFrame:
    """Return for each source which season the others would choose, and how it does on this one.

    By the mean over people of the log of the score, on the days as they are and with a wave: a few
    people's scores are tens of times the others'.
    """
    rows = []
    scores = np.log(results["null_score"]) + np.log(results["wave_score"])
    results = results.assign(score=scores)[results["method"].isin(CHOICE)]
    for source in results["source"].unique():
        others, own = results[results["source"] != source], results[results["source"] == source]
        by_person = others.groupby(["method", "person"])["score"].mean()
        chosen = str(by_person.groupby("method").mean().idxmin())
        told = {"left out": source, "people": own["person"].nunique(), "chosen": chosen}
        for name, method in (("with it", chosen), ("without", WITHOUT)):
            part = own[own["method"] == method]
            for question, words in (("null", ""), ("wave", " and a wave")):
                held, width = part[f"{question}_holds"].mean(), part[f"{question}_width"].mean()
                told[f"holds 0, {name}{words}"] = f"{held:.3f}"
                told[f"width, {name}{words}"] = f"{width:.2f}"
        rows.append(told)
    return pd.DataFrame(rows)


def main() -> None:
    """Run the methods, print the tables, write the files."""
    parser = argparse.ArgumentParser(description="The yearly season on long real series.")
    parser.add_argument("--every", type=int, default=1, help="only every so manieth window")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--days", type=int, nargs=2, help="before and from the date on, exactly")
    parser.add_argument("--choice", action="store_true", help="other seasons too")
    parser.add_argument("--write", action="store_true", help="keep the tables in tables/")
    options = parser.parse_args()
    if not options.data.exists():
        raise SystemExit(f"no {options.data}: pass the daily series with --data")
    methods = [SHORT, *(CHOICE if options.choice else [WITHOUT]), OURS]
    started = time.perf_counter()
    before, after = options.days or (None, HORIZON_DAYS)
    sides = (FEWEST_DAYS_WITH_A_YEAR, LONGEST_DAYS) if before is None else (before, before)
    found = long_windows(pd.read_parquet(options.data), *sides, after)
    chosen = islice(found, 0, None, options.every)
    rows = [row for number, each in enumerate(chosen) for row in judge(each, number, methods)]
    results = pd.DataFrame(rows)
    name = "yearly_choice" if options.choice else "yearly"
    length = f"All days before, at least {FEWEST_DAYS_WITH_A_YEAR}, and {after} after"
    if before is not None:
        name, length = f"{name}_{before}_{after}", f"{before} days before and {after} after"
    text = (
        f"# A yearly season{': which' if options.choice else ''}\n\n{length}. {machine()}; every "
        f"{options.every}. window, {time.perf_counter() - started:.0f} s. Standard errors with "
        f"people as the unit.\n\n{markdown(summary(results))}"
    )
    if options.choice:
        text += f"\nOne source left out:\n\n{markdown(left_out(results))}"
    print(text)
    if options.write:
        (TABLES / f"{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
