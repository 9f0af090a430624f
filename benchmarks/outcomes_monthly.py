"""Monthly counts of a population: the rate ratio beside a Poisson regression's.

What belongs here: simulated months like those of the tutorials on interrupted time series (Bernal,
Cummins & Gasparrini 2017, Int. J. Epidemiol. 46, 348: about 850 events a month, 36 months before
and 23 after, rates of a population that grows), with and without a trend that the intervention has
no part in. What does not: people's days (`outcomes`).

    python -m benchmarks.outcomes_monthly --series 50 --write
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks._table import machine, rows_as_markdown, write_table
from its_pipeline.its import AnalysisSpec, analyze

MONTHS, BASELINE = 59, 36
RATIO, EVENTS = 0.89, 850.0
TRENDS = (0.0, 0.0005, -0.0005, 0.0015, -0.0015)
"""Change of the log rate a month."""
_GROWTH = 0.0006
_SEASON = ((0.05, 0.06), (0.0, 0.02))
"""Cosine and sine of the log rate, once and twice a year."""


def _waves(month: np.ndarray) -> np.ndarray:
    turns = [2.0 * np.pi * k * month / 12.0 for k in (1, 2)]
    return np.column_stack([wave(turn) for turn in turns for wave in (np.cos, np.sin)])


def compared(number: int, trend: float) -> dict[str, float]:
    """Return the log rate ratio of one series by a regression and by ours."""
    import statsmodels.api as sm

    rng = np.random.default_rng([number, MONTHS])
    month = np.arange(MONTHS)
    post = month >= BASELINE
    person_years = 1.0 + _GROWTH * month
    eta = np.log(EVENTS * person_years) + trend * (month - BASELINE / 2.0)
    eta = eta + _waves(month) @ np.ravel(_SEASON) + np.log(RATIO) * post
    events = rng.poisson(np.exp(eta)).astype(float)
    columns = np.column_stack([np.ones(MONTHS), post, month, _waves(month)])
    family, offset = sm.families.Poisson(), np.log(person_years)
    usual = sm.GLM(events, columns, family=family, offset=offset).fit(scale="X2")
    days = pd.date_range("2002-01-01", periods=MONTHS, freq="MS")
    started = time.process_time()
    found = analyze(
        pd.Series(events, days),
        days[BASELINE],
        AnalysisSpec(likelihood="negative_binomial"),
        denominator=pd.Series(person_years, days),
        audited=False,
    )
    seconds = time.process_time() - started
    assert found.effects is not None
    told = found.effects.ratio
    assert told is not None
    return {
        "usual": usual.params[1],
        "usual_holds": abs(usual.params[1] - np.log(RATIO)) < 1.96 * usual.bse[1],
        "usual_width": RATIO * 2.0 * 1.96 * usual.bse[1],
        "ours": np.log(told.mean),
        "holds": told.ci_lower <= RATIO <= told.ci_upper,
        "width": told.ci_upper - told.ci_lower,
        "seconds": seconds,
    }


def main() -> None:
    """Print the table, and keep it with ``--write``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=50, help="a trend")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    rows = []
    for trend in TRENDS:
        found = pd.DataFrame([compared(number, trend) for number in range(given.series)])
        rows.append(
            [
                f"{12.0 * trend:+.1%} a year",
                len(found),
                f"{np.exp(found['usual'].mean()):.4f}",
                f"{np.exp(found['ours'].mean()):.4f}",
                f"{np.exp((found['ours'] - found['usual']).abs().median()) - 1.0:.4f}",
                f"{found['usual_holds'].mean():.2f}",
                f"{found['holds'].mean():.2f}",
                f"{found['usual_width'].mean():.3f}",
                f"{found['width'].mean():.3f}",
                f"{1000.0 * found['seconds'].median():.0f}",
            ]
        )
    head = ["trend", "series", "Poisson regression", "ours", "apart in a series, median"]
    head += ["regression holds", "ours holds", "regression's width", "our width"]
    head += ["CPU ms an analysis"]
    text = (
        f"## Monthly counts of a population, true rate ratio {RATIO:g}\n\n{EVENTS:g} events a "
        f"month, {BASELINE} + {MONTHS - BASELINE} months. {machine()}\n\n"
        f"{rows_as_markdown(head, rows)}"
    )
    print(text)
    if given.write:
        write_table("outcomes_monthly", text)


if __name__ == "__main__":
    main()
