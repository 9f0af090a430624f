"""Simulation-based calibration of counts and yes/no: ranks of truths from the prior are uniform.

What belongs here: truths, noise and outcomes drawn from the model's own priors, and what the
weighed draws say of them (Talts et al. 2018, arXiv:1804.06788). What does not: noises that people
are imagined to have (`outcomes`), or normal errors (`sbc`).

How long intervals are for noise that is tamer than the prior is no error of the computing; whether
they hold what the prior itself makes is. The predictor's centre and scale, which the engine takes
from the days off, have no prior, so they are those of one series. Outcomes that no computer counts
or that are all alike are drawn anew: what is conditioned on are the data.

    python -m benchmarks.sbc_linked --simulations 300 --write
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from dataclasses import replace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks._table import machine, rows_as_markdown, write_table
from its_pipeline.its import AnalysisSpec, models, priors
from its_pipeline.its.fitting import prepared_fit
from its_pipeline.its.likelihoods.latent import weighed
from its_pipeline.its.likelihoods.latent_grid import LARGEST_SD, SMALLEST_SD
from its_pipeline.its.likelihoods.linked import LinkedLikelihood
from its_pipeline.its.linked import bounded
from its_pipeline.its.noise.ar1_white import AR1_WHITE
from its_pipeline.its.series import PRE
from its_pipeline.its.targets import effect_contrasts

KINDS = {"poisson": 2.0, "negative_binomial": 2.0, "binomial": 0.3}
"""Likelihoods, and the usual rate or probability whose scale they have."""
LENGTHS = (28, 60, 120)
BINS = 20
LARGEST_COUNT = 10_000.0
NAMES = ("mean change", "level change", "trend", "time constant", "sd that lasts", "dispersion")


def below(task: tuple[str, int, int]) -> dict[str, Any]:
    """Draw a truth and a series of it; return the share of draws below it for every quantity."""
    name, n, number = task
    likelihood = models.likelihood(name)
    assert isinstance(likelihood, LinkedLikelihood)
    rng = np.random.default_rng([number, n, list(KINDS).index(name)])
    days = pd.date_range("2026-01-01", periods=n)
    usual = np.random.default_rng(0)
    rate = KINDS[name]
    values = usual.poisson(rate, n) if likelihood.is_count else usual.random(n) < rate
    outcome = pd.Series(np.asarray(values, dtype=float), days)
    fit, _ = prepared_fit(outcome, days[n // 2], AnalysisSpec(likelihood=name), None, likelihood)
    series = fit.series
    seen = likelihood.observations(series.values, None, series.phase == PRE)
    problem = bounded(fit.problem, seen)
    contrast = effect_contrasts(series, fit.design)
    while True:
        sds = problem.prior.sd[rng.choice(len(problem.prior.weights), p=problem.prior.weights)]
        theta = sds * rng.standard_normal(len(sds))
        low, high = np.log(priors.LINKED_TAU_SHORTEST), np.log(priors.TAU_LONGEST)
        log_tau = rng.uniform(low, high)
        sd = abs(priors.SIGMA_SCALE * rng.standard_t(priors.SIGMA_DF))
        dispersion = abs(priors.DISPERSION_SCALE * rng.standard_t(priors.SIGMA_DF))
        both = np.hypot(sd, dispersion / seen.scale) if seen.dispersed else sd
        if not SMALLEST_SD < both < LARGEST_SD:
            continue
        noise = {"phi": np.exp(-np.exp(-log_tau)), "share_new": 0.0, "sigma": 0.0}
        noise |= {"latent_sd": seen.scale * sd, "dispersion": dispersion}
        eta = seen.shift + seen.scale * (problem.design @ theta)
        drawn = {key: np.array([value]) for key, value in noise.items()}
        y = likelihood.replicate(rng, eta[None], AR1_WHITE, drawn, seen.trials)[0]
        if y.max() < LARGEST_COUNT and np.ptp(y) > 0.0:
            break
    # What is drawn has the centre and the scale that it was drawn with; a guess has no prior.
    own = likelihood.observations(y, None, series.phase == PRE)
    start = (own.centre + own.scale * own.start - seen.centre) / seen.scale
    found = weighed(problem, replace(seen, y=y, start=start), contrast, series.steps, number)
    draws = found.alike(found.coefficients @ contrast[0])
    of_draws = {
        "mean change": draws.coefficients @ contrast[0],
        "level change": draws.coefficients @ contrast[1],
        "trend": draws.coefficients[:, 1],
        "time constant": draws.phi,
        "sd that lasts": draws.sd,
        "dispersion": draws.dispersion,
    }
    truths = dict(zip(NAMES, (contrast[0] @ theta, contrast[1] @ theta, theta[1]), strict=False))
    truths |= {"time constant": noise["phi"], "sd that lasts": sd, "dispersion": dispersion}
    told: dict[str, Any] = {"likelihood": name, "n": n, "worth": found.worth}
    lower, upper = np.quantile(of_draws["mean change"], (0.025, 0.975))
    told["holds"] = bool(lower <= truths["mean change"] <= upper)
    for quantity, truth in truths.items():
        if quantity != "dispersion" or seen.dispersed:
            told[quantity] = float(np.mean(of_draws[quantity] < truth))
    return told


def table(found: pd.DataFrame) -> str:
    """Return coverage of the mean change and the p value of each histogram of ranks."""
    rows = []
    for (name, n), cell in found.groupby(["likelihood", "n"], sort=False):
        row = [name, n, len(cell), f"{cell['holds'].mean():.3f}", f"{cell['worth'].median():.0f}"]
        for quantity in NAMES:
            known = cell[quantity].dropna()
            if known.empty:
                row.append("")
                continue
            counts = np.histogram(known, bins=BINS, range=(0.0, 1.0))[0]
            row.append(f"{stats.chisquare(counts).pvalue:.3f}")
        rows.append(row)
    head = ["likelihood", "n", "series", "95 % interval holds", "draws' worth, median"]
    return rows_as_markdown([*head, *(f"{name}, p" for name in NAMES)], rows)


def main() -> None:
    """Simulate and print; with ``--write`` the table is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=300)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    tasks = [(k, n, i) for k in KINDS for n in options.lengths for i in range(options.simulations)]
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        found = pd.DataFrame(pool.map(below, tasks, chunksize=10))
    text = (
        f"## Counts and yes/no drawn from the model's own priors\n\n{machine()}. "
        f"{options.simulations} truths each, {BINS} bins of the truth's rank; the change on the "
        f"link scale.\n\n{table(found)}\n"
    )
    print(text)
    if options.write:
        write_table("sbc_linked", text)


if __name__ == "__main__":
    main()
