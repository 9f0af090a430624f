"""What plans promise against what experiments then show, and what planning costs.

What belongs here: simulated people whose noise is drawn from fits to real series, planned from
their baselines and then looked at every day; the power table of the calibration as plans foretell
it; and the time a plan takes. What does not: false verdicts (`looks`).

    python -m benchmarks.plans --people 1000 --processes 2 --write
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks._noise import ar1
from benchmarks._table import machine, markdown, write_table
from benchmarks.placebo import DATA, MACHINES
from its_pipeline.its import AnalysisSpec, models, plan
from its_pipeline.its.days_ahead import NoiseNodes, variance_ahead
from its_pipeline.its.decisions.boundaries import ALPHA, boundaries
from its_pipeline.its.decisions.looks import LEAST_GROWTH, normal_score, unlike
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.exact import integrate_posterior
from its_pipeline.its.fitting import design_of, fit_of, prepared_fit
from its_pipeline.its.inference.quadrature import integrate
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.planning.plan import prepared_baseline
from its_pipeline.its.posterior import MixtureMarginal
from its_pipeline.its.sensitivity.estimate import TOLERANCE
from its_pipeline.its.series import prepare_series

HORIZONS = (14, 28, 60, 90)
BASELINES = (28, 60)
POWER_TABLE = {
    (28, 0.0): (0.14, 0.48, 0.93),
    (28, 0.3): (0.18, 0.47, 0.89),
    (28, 0.6): (0.17, 0.48, 0.83),
    (60, 0.0): (0.25, 0.72, 0.99),
    (60, 0.3): (0.21, 0.59, 0.97),
    (60, 0.6): (0.17, 0.51, 0.93),
    (90, 0.0): (0.28, 0.89, 1.00),
    (90, 0.3): (0.29, 0.70, 1.00),
    (90, 0.6): (0.26, 0.69, 0.96),
    (180, 0.0): (0.63, 0.97, 1.00),
    (180, 0.3): (0.59, 0.92, 1.00),
    (180, 0.6): (0.35, 0.84, 1.00),
}
"""Of tables/calibration.md: n, rho to the power at .5, 1 and 2 sd, one look, 150 series a cell."""
ONE_SIDED = normal_score(1.0 - ALPHA)
_FEWEST = 40
_FITTED = 120


@dataclass(frozen=True)
class Noise:
    """Noise of one simulated person: its parameters, and the share of days that are observed."""

    parameters: dict[str, float]
    observed_share: float


def noises(people: int) -> list[Noise]:
    """Draw noises from the posteriors of real series' first days."""
    days = pd.read_parquet(DATA)
    days = days[~days["source"].isin(MACHINES)]
    series = []
    for _, rows in days.groupby(["source", "person", "outcome"], sort=True):
        values = rows.set_index("day")["value"].sort_index()
        values = values[np.isfinite(values.to_numpy())]
        values.index = pd.DatetimeIndex(values.index)
        values = values[values.index < values.index[0] + pd.Timedelta(_FITTED, "D")]
        if len(values) >= _FEWEST and values.nunique() >= 10:
            series.append(values)
    rng = np.random.default_rng(0)
    return [_noise(series[i], rng) for i in rng.integers(0, len(series), people)]


def _noise(values: pd.Series, rng: np.random.Generator) -> Noise:
    spec, model = AnalysisSpec(), models.noise_model("ar1_white")
    prepared = prepared_baseline(values, spec)
    fit = fit_of(prepared, design_of(prepared, spec, Covariates(), None), model, NORMAL)
    mixture = integrate(fit.problem, model, np.eye(1, fit.problem.design.shape[1]), TOLERANCE)
    at = rng.choice(len(mixture.weights), p=mixture.weights / mixture.weights.sum())
    named = {name: float(v) for name, v in model.parameters(mixture.points[at]).items()}
    return Noise(named, float(prepared.observed.mean()))


def experiment(numbered: tuple[int, Noise], n_baseline: int) -> list[dict[str, object]]:
    """Plan one person's experiment, live it, and say whether each horizon reached "helped"."""
    number, noise = numbered
    rng = np.random.default_rng([number, n_baseline])
    n = n_baseline + HORIZONS[-1]
    parameters = {name: np.array([value]) for name, value in noise.parameters.items()}
    parameters["sigma"] = np.ones(1)
    errors = models.noise_model("ar1_white").simulate(parameters, rng.normal(size=(1, n)))[0]
    index = pd.date_range("2024-01-01", periods=n)
    values = pd.Series(50.0 + 10.0 * errors, index)[rng.random(n) < noise.observed_share]
    start = index[n_baseline]
    baseline = values[values.index < start]
    if len(baseline) < 14:
        return []
    planned, at_end = plan(baseline), plan(baseline, looks="at_end")
    values = values + planned.effect * (values.index >= start)
    spec = AnalysisSpec()
    z: dict[int, float] = {}
    variances: dict[int, np.ndarray] = {}
    nodes: NoiseNodes | None = None
    for last in values.index[values.index >= start]:
        known = values[values.index <= last]
        if (known.index >= start).sum() < 8:
            continue
        fit, _ = prepared_fit(known, start, spec, None, NORMAL)
        mixture, _ = integrate_posterior(fit, TOLERANCE, only_headline=True)
        # One person's noise for all horizons: what the shares of information are of hardly moves.
        nodes = nodes or NoiseNodes.of_mixture(mixture)
        day = (last - start).days + 1
        z[day] = normal_score(MixtureMarginal(mixture, 0, fit.series.scale).above(0.0))
        variances[day] = variance_ahead(prepare_series(known, start, spec), spec, nodes)
    if nodes is None:
        return []
    rows = []
    for horizon in HORIZONS:
        days = [day for day in z if day <= horizon]
        if not days:
            continue
        shares, kept = [], []
        for day in days:
            share = float(nodes.weights @ (variances[days[-1]] / variances[day]))
            if not shares or share - shares[-1] >= LEAST_GROWTH or day == days[-1]:
                shares.append(share)
                kept.append(day)
        numbers = unlike(shares)
        kept = [kept[at] for at in numbers]
        needed = boundaries([shares[at] for at in numbers], ALPHA).z
        rows.append(
            {
                "baseline": n_baseline,
                "days": horizon,
                "promised": planned.power_at(horizon),
                "realised": bool((np.array([z[day] for day in kept]) >= needed).any()),
                "once_promised": at_end.power_at(horizon),
                "once_realised": bool(z[days[-1]] >= ONE_SIDED),
            }
        )
    return rows


def foretold() -> pd.DataFrame:
    """Return the calibration's power table beside what plans from baselines foretell."""
    rows = []
    for (n, rho), measured in POWER_TABLE.items():
        promised = np.zeros(3)
        n_series = 40
        for seed in range(n_series):
            rng = np.random.default_rng([n, int(10 * rho), seed])
            noise = ar1(rho, n // 2, rng)
            baseline = pd.Series(noise, pd.date_range("2024-01-01", periods=len(noise)))
            planned = plan(baseline, looks="at_end")
            promised += [planned.power_at(n - n // 2, effect) for effect in (0.5, 1.0, 2.0)]
        promised /= n_series
        row: dict[str, object] = {"n": n, "rho": rho}
        for effect, told, seen in zip((0.5, 1.0, 2.0), promised, measured, strict=True):
            row[f"promised at {effect:g} sd"] = f"{told:.2f}"
            row[f"realised at {effect:g} sd"] = f"{seen:.2f}"
        rows.append(row)
    return pd.DataFrame(rows)


def seconds() -> float:
    """Return how long a plan with its days needed takes, from 90 days, median of 30."""
    rng = np.random.default_rng(1)
    taken = []
    for _ in range(31):
        baseline = pd.Series(rng.normal(size=90), pd.date_range("2024-01-01", periods=90))
        started = time.perf_counter()
        _ = plan(baseline).days_needed
        taken.append(time.perf_counter() - started)
    return float(np.median(taken[1:]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all and print the tables."""
    parser = argparse.ArgumentParser(description="Plans against experiments.")
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="keep the table in tables/")
    options = parser.parse_args(arguments)
    if not DATA.exists():
        parser.error(f"{DATA.name} is not there: people's noise is drawn from it")
    milliseconds = 1000.0 * seconds()
    rows: list[dict[str, object]] = []
    people = list(enumerate(noises(options.people)))
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for n_baseline in BASELINES:
            work = partial(experiment, n_baseline=n_baseline)
            for found in pool.imap(work, people, chunksize=4):
                rows += found
    results = pd.DataFrame(rows)
    table = []
    for (baseline, days), group in results.groupby(["baseline", "days"]):
        realised, once = group["realised"].astype(float), group["once_realised"].astype(float)
        table.append(
            {
                "baseline": baseline,
                "days": days,
                "people": len(group),
                "promised": f"{group['promised'].mean():.3f}",
                "realised (se)": f"{realised.mean():.3f} ({realised.sem():.3f})",
                "once at the end: promised": f"{group['once_promised'].mean():.3f}",
                "once at the end: realised (se)": f"{once.mean():.3f} ({once.sem():.3f})",
            }
        )
    parts = [
        f"# Plans against experiments\n\n{machine()}. A plan with its days needed takes "
        f"{milliseconds:.0f} ms (90 days of baseline).",
        "## Promised and realised\n\nSome daily look says “helped”; the true effect is one sd of "
        "the baseline. People whose noise is drawn from fits to real series.",
        markdown(pd.DataFrame(table)),
        "## The calibration's power table, foretold from baselines\n\nOne look at the end.",
        markdown(foretold()),
    ]
    text = "\n\n".join(parts)
    if options.write:
        write_table("plans", text)
    else:
        print(text)


if __name__ == "__main__":
    main()
