"""Pooling: against one-stage MCMC, its calibration, and 100,000 people.

What belongs here: what a pool of many people is held to, and the table of what was found. What does
not: one person's intervals (`calibration`). Writes tables/pooling_agreement.md,
tables/pooling_calibration.md and tables/pooling_scale.md.

    python -m benchmarks.pooling agreement --draws 1500
    python -m benchmarks.pooling calibration --kinds 1000
    python -m benchmarks.pooling scale
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks._noise import ar1
from benchmarks._table import machine, markdown, write_table
from its_pipeline.its import AnalysisSpec, EffectLikelihood, Estimate, pool
from its_pipeline.its.effect_likelihood import of_grid
from its_pipeline.its.exact import ExactPosterior, integrate_posterior
from its_pipeline.its.fitting import prepared_fit
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.pooling import frame
from its_pipeline.its.pooling.estimates import BASELINE_SD
from its_pipeline.its.posterior import Fit
from its_pipeline.its.results import Diagnostics, PosteriorGrid

SPEC = AnalysisSpec(season="none", slope=False)
LENGTHS = (20, 28, 40, 56, 80)
"""Days of the simulated people, half of them before the change."""
MEAN, SPREAD = 0.4, 0.4


def person(n: int, rho: float, effect: float, rng: np.random.Generator) -> tuple[pd.Series, Any]:
    """Return one person's days and the first day of the change; effect in sds of the noise."""
    days = pd.date_range("2024-01-01", periods=n, freq="D")
    values = 50.0 + 10.0 * (ar1(rho, n, rng) + effect * (np.arange(n) >= n // 2))
    return pd.Series(values, days), days[n // 2]


def fitted(outcome: pd.Series, day: Any) -> tuple[Fit, EffectLikelihood]:
    """Return one person's fit, and the likelihood of the average effect in sds of the baseline."""
    fit, _ = prepared_fit(outcome, day, SPEC, None, NORMAL)
    mixture, forecast = integrate_posterior(fit)
    none = Diagnostics(None, np.nan, np.nan, np.nan, 0, np.nan)
    grid = ExactPosterior(fit, mixture, forecast, none).kept()
    return fit, _in_sds(grid)


def _in_sds(grid: PosteriorGrid) -> EffectLikelihood:
    return of_grid(grid, SPEC.noise).scaled(1.0 / grid.scale)


def one_stage(fits: list[Fit], draws: int, tune: int) -> dict[str, np.ndarray]:
    """Sample the whole hierarchy at once: noise of each person, effects, mean and spread.

    Level and trend are integrated out, as a covariance; so is the choice of the trend's scale.
    """
    import pymc as pm
    import pytensor.tensor as pt

    n_people = len(fits)
    by_length = {n: [i for i, f in enumerate(fits) if len(f.problem.outcome) == n] for n in LENGTHS}
    with pm.Model():
        mu = pm.Normal("mu", 0.0, frame.MEAN_SD)
        tau = pm.HalfStudentT("tau", nu=frame.SPREAD_DF, sigma=frame.SPREAD_SCALE)
        e = pm.Deterministic("e", mu + tau * pm.Normal("z", 0.0, 1.0, shape=n_people))
        pm.Deterministic("next", mu + tau * pm.Normal("z_next"))
        log_time = pm.Uniform("log_time", np.log(0.5), np.log(256.0), shape=n_people)
        share = pm.Uniform("share", 0.0, 1.0, shape=n_people)
        sigma = pm.HalfStudentT("sigma", nu=3.0, sigma=1.0, shape=n_people)
        for n, who in by_length.items():
            problems = [fits[i].problem for i in who]
            columns = np.stack([p.design for p in problems])
            away = np.abs(np.subtract.outer(problems[0].steps, problems[0].steps)).astype(float)
            rest = np.stack([p.outcome for p in problems]) - columns[:, :, 2] * e[who][:, None]
            lasting = pt.exp(-away[None] * pt.exp(-log_time[who])[:, None, None])
            share_here = share[who][:, None, None]
            noise = sigma[who][:, None, None] ** 2 * (
                (1.0 - share_here) * lasting + share_here * np.eye(n)
            )
            logs = []
            prior = problems[0].prior
            for sds, weight in zip(prior.sd, prior.weights, strict=True):
                scaled = columns[:, :, :2] * sds[:2]
                lower = pt.linalg.cholesky(noise + scaled @ scaled.swapaxes(1, 2))
                white = pt.linalg.solve_triangular(lower, rest[:, :, None], lower=True, b_ndim=2)
                log_det = pt.log(pt.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
                logs.append(np.log(weight) - 0.5 * (white**2).sum(axis=(1, 2)) - log_det)
            pm.Potential(f"days_{n}", pt.logsumexp(pt.stack(logs), axis=0).sum())
        trace = pm.sample(
            draws, tune=tune, chains=4, cores=2, nuts_sampler="nutpie", random_seed=1,
            target_accept=0.9, progressbar=False,
        )  # fmt: skip
    posterior = trace.posterior
    import arviz

    ess = arviz.ess(trace, var_names=["mu", "tau", "e", "next"])
    least = min(float(ess[name].min()) for name in ("mu", "tau", "e", "next"))
    found = {name: posterior[name].to_numpy().reshape(-1) for name in ("mu", "tau", "next")}
    found |= {f"e{i}": posterior["e"].to_numpy()[..., i].reshape(-1) for i in range(n_people)}
    return {**found, "ess": np.array([least])}


def agreement(options: argparse.Namespace) -> None:
    """Hold two stages against one on the same simulated people."""
    rng = np.random.default_rng(5)
    fits, estimates = [], []
    for i in range(options.people):
        n, rho = LENGTHS[i % len(LENGTHS)], float(rng.uniform(0.0, 0.7))
        outcome, day = person(n, rho, MEAN + SPREAD * rng.standard_normal(), rng)
        fit, likelihood = fitted(outcome, day)
        fits.append(fit)
        estimates.append(Estimate(f"e{i}", likelihood, BASELINE_SD))
    pooled = pool(estimates)
    started = time.perf_counter()
    theirs = one_stage(fits, options.draws, options.tune)
    seconds = time.perf_counter() - started
    ours = {"mu": pooled.mean, "tau": pooled.spread, "next": pooled.next_person}
    ours |= {str(row.Index): row for row in pooled.members.itertuples()}
    rows = []
    for name, told in ours.items():
        draws = theirs[name]
        rows.append(
            {
                "what": name,
                "difference of means (sd)": (told.mean - draws.mean()) / draws.std(),
                "sd ratio": told.sd / draws.std(),
            }
        )
    frame_ = pd.DataFrame(rows)
    few = frame_[~frame_["what"].str.match(r"e\d")]
    members = frame_[frame_["what"].str.match(r"e\d")]
    worst = pd.DataFrame(
        {
            "what": ["members: largest difference", "members: least and largest sd ratio"],
            "difference of means (sd)": [members.iloc[:, 1].abs().max(), np.nan],
            "sd ratio": [members["sd ratio"].min(), members["sd ratio"].max()],
        }
    )
    write_table(
        "pooling_agreement",
        f"# Two stages against one\n\n{machine()}. {options.people} simulated people of 20 to 80 "
        f"days; PyMC with nutpie samples noise, effects, mean and spread at once: 4 x "
        f"{options.draws:,} draws in {seconds:.0f} s, smallest effective size "
        f"{float(theirs['ess'][0]):,.0f}, so a difference of {2 / np.sqrt(theirs['ess'][0]):.3f} "
        "sd may be chance. The pool is right where means agree to .05 sd and sds to 3 %.\n\n"
        + markdown(pd.concat([few, worst]).round(3)),
    )


PARTS = {"agreement": agreement}


def main() -> None:
    """Run one part, print and write its table."""
    parser = argparse.ArgumentParser(description="Pooling many people.")
    parser.add_argument("part", choices=sorted(PARTS))
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--draws", type=int, default=1500)
    parser.add_argument("--tune", type=int, default=600)
    parser.add_argument("--kinds", type=int, default=1000)
    options = parser.parse_args()
    PARTS[options.part](options)


if __name__ == "__main__":
    main()
