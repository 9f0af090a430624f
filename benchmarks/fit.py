"""Fit: one warm `analyze` against stock CausalPy PiecewiseITS on the same series and draws.

Interleaved, medians, the ratio, effective samples a second, and where the time of ours goes.
Writes tables/fit.md.

    python -m benchmarks.fit --rounds 3
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import arviz as az  # noqa: TID253 - the rival is measured here
import causalpy  # noqa: TID253
import numpy as np
import pandas as pd

from benchmarks._table import machine, markdown, write_table
from benchmarks.calibration_series import Cell, simulate
from its_pipeline.its import AnalysisSpec, analyze, warm_up
from its_pipeline.its.adapters.causalpy import SegmentedAR1White

DRAWS, TUNE, CHAINS = 2000, 1000, 4
CELL = Cell(90, 0.3, 0.0, effect=0.5)


def stock(frame: pd.DataFrame, start: int, sampler: str | None) -> tuple[float, float]:
    """Fit stock CausalPy and return seconds and the effect's bulk ESS."""
    options: dict[str, Any] = {"draws": DRAWS, "tune": TUNE, "chains": CHAINS}
    options |= {"progressbar": False, "random_seed": 1}
    if sampler:
        options["nuts_sampler"] = sampler
    model = causalpy.pymc_models.LinearRegression(sample_kwargs=options)
    return _piecewise(frame, start, model)


def adapted(frame: pd.DataFrame, start: int) -> tuple[float, float]:
    """Fit our model through the CausalPy adapter and return seconds and the effect's bulk ESS."""
    return _piecewise(frame, start, SegmentedAR1White({"draws": DRAWS}))


def _piecewise(frame: pd.DataFrame, start: int, model: Any) -> tuple[float, float]:
    formula = f"y ~ 1 + t + step(t, {start}) + ramp(t, {start}) + C(dow)"
    started = time.perf_counter()
    result = causalpy.PiecewiseITS(frame, formula=formula, model=model)
    post = np.flatnonzero(frame["t"] >= start)
    effect = result.effect.isel(obs_ind=post).mean("obs_ind").to_numpy()
    return time.perf_counter() - started, float(az.ess(effect))


def ours(outcome: pd.Series, day: pd.Timestamp) -> tuple[float, float, dict[str, float]]:
    """Run `analyze` and return seconds, the effect's bulk ESS, and seconds by part."""
    started = time.perf_counter()
    analysis = analyze(outcome, day, AnalysisSpec(draws=DRAWS, tune=TUNE, chains=CHAINS))
    seconds = time.perf_counter() - started
    ess = next(
        p.ess_bulk for p in analysis.diagnostics.parameters if p.name == "counterfactual_effect"
    )
    return seconds, ess, dict(analysis.timing)


def main() -> None:
    """Interleave the contestants and print the table."""
    parser = argparse.ArgumentParser(description="Warm fit against stock CausalPy.")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    warm_up()
    times: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    parts: list[dict[str, float]] = []
    for index in range(options.rounds):
        outcome, day, _ = simulate(CELL, index)
        days = pd.DatetimeIndex(outcome.index)
        frame = pd.DataFrame(
            {"y": outcome.to_numpy(), "t": (days - days[0]).days, "dow": days.dayofweek}
        )
        start = int((day - days[0]).days)
        found = {
            "CausalPy, default sampler": stock(frame, start, None),
            "CausalPy, nutpie": stock(frame, start, "nutpie"),
            "our model through CausalPy": adapted(frame, start),
        }
        # ours is short, so it is repeated within each round
        for _ in range(10):
            seconds, ess, timing = ours(outcome, day)
            times.setdefault("analyze", []).append(seconds)
            rates.setdefault("analyze", []).append(ess / seconds)
            parts.append(timing)
            started = time.perf_counter()
            analyze(outcome, day, AnalysisSpec(), audited=False)
            times.setdefault("analyze, not audited", []).append(time.perf_counter() - started)
            # Its effects are no draws: there is no effective sample size.
            rates.setdefault("analyze, not audited", []).append(float("nan"))
        for name, (seconds, ess) in found.items():
            times.setdefault(name, []).append(seconds)
            rates.setdefault(name, []).append(ess / seconds)
        print({name: round(float(np.median(v)), 3) for name, v in times.items()}, flush=True)
    base = float(np.median(times["CausalPy, default sampler"]))
    rows = []
    for name in sorted(times, key=lambda n: -float(np.median(times[n]))):
        median = float(np.median(times[name]))
        rows.append(
            {
                "": name,
                "median s": f"{median:.3f}",
                "times faster than CausalPy's default": f"{base / median:.1f}",
                "ESS of the effect a second": (
                    "exact" if np.isnan(rates[name]).any() else f"{np.median(rates[name]):.0f}"
                ),
                "fits": len(times[name]),
            }
        )
    seconds = pd.DataFrame(parts).median()
    where = [{"part": name, "ms": f"{1000 * value:.1f}"} for name, value in seconds.items()]
    text = (
        f"# Fit\n\n{machine()}. {CELL.n} days, {CHAINS} x {DRAWS} draws after {TUNE}, effects, "
        "bands, warnings and diagnostics included.\n\n"
        + markdown(pd.DataFrame(rows))
        + "\nWhere the time of `analyze` goes (medians):\n\n"
        + markdown(pd.DataFrame(where))
    )
    write_table("fit", text)


if __name__ == "__main__":
    main()
