"""Simulation-based calibration: ranks of truths drawn from the prior are uniform.

For every parameter and the counterfactual effect, for both likelihoods (Talts et al. 2018,
arXiv:1804.06788). The engine standardises a series by its own pre-period, which has no prior, so
truths and series are made in standardised units and go through the engine's own packing, sampler
and coefficient draws. Writes tables/sbc.md and tables/sbc.png.

    python -m benchmarks.sbc --simulations 500
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks._table import TABLES, machine, markdown, write_table
from its_pipeline.its import AnalysisSpec, models, priors
from its_pipeline.its.designs.base import build_design
from its_pipeline.its.designs.change import CHANGE
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.inference.nuts import SamplerSettings
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.noise.ar1 import AR1
from its_pipeline.its.sensitivity.estimate import counterfactual_contrast
from its_pipeline.its.series import prepare_series

DAYS, MISSING = 48, (4, 5, 17, 30, 31, 32, 40)
RANKS, BINS, THIN = 99, 20, 20
CHAINS, DRAWS, TUNE = 4, 495, 500


def _problem() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[str]]:
    days = pd.date_range("2024-01-01", periods=DAYS, freq="D")
    values = np.random.default_rng(0).normal(size=DAYS)
    outcome = pd.Series(values, index=days).drop(days[list(MISSING)])
    spec = AnalysisSpec()
    series = prepare_series(outcome, days[DAYS // 2], spec)
    design = build_design(series, spec, Covariates(), CHANGE)
    rows = series.fit_rows
    effect = counterfactual_contrast(series, design)
    names = [f"coefficient {i}" for i in range(design.matrix.shape[1])]
    names[:4] = ["level", "trend", "level change", "slope change"]
    matrix = np.ascontiguousarray(design.matrix[rows])
    return matrix, series.steps[rows], design.prior_sd, effect, names


def ranks(task: tuple[str, int]) -> dict[str, int]:
    """Draw a truth and a series, sample, and return the truth's rank for every quantity."""
    likelihood, index = task
    rng = np.random.default_rng([7, index, len(likelihood)])
    matrix, steps, prior_sd, effect, names = _problem()
    theta = prior_sd * rng.standard_normal(len(prior_sd))
    rho = 2.0 * rng.beta(priors.RHO_ALPHA, priors.RHO_BETA) - 1.0
    sigma = abs(priors.SIGMA_SCALE * rng.standard_t(priors.SIGMA_DF))
    nu = priors.NU_SHIFT + rng.gamma(priors.NU_SHAPE) / priors.NU_RATE
    shocks = rng.standard_normal(len(steps))
    if likelihood == "student_t":
        shocks = rng.standard_t(nu, size=len(steps))
    noise = shocks.copy()
    for i in range(1, len(steps)):
        phi = rho ** int(steps[i] - steps[i - 1])
        noise[i] = phi * noise[i - 1] + np.sqrt(1.0 - phi**2) * shocks[i]
    y = matrix @ theta + sigma * noise
    settings = SamplerSettings(DRAWS, TUNE, CHAINS, seed=index, target_accept=0.9)
    truths = {"rho": rho, "sigma": sigma, "counterfactual effect": float(effect @ theta)}
    truths |= dict(zip(names, theta, strict=True))
    if likelihood == "student_t":
        truths["nu"] = nu
    problem = Problem(matrix, y, steps, prior_sd)
    sampled = models.likelihood(likelihood).sample(problem, AR1, settings, cores=1)
    noise = {**AR1.parameters(sampled.points, 1.0), **sampled.parameters}
    draws = {name: values.ravel() for name, values in noise.items()}
    draws["counterfactual effect"] = sampled.coefficients @ effect
    draws |= {name: sampled.coefficients[:, i] for i, name in enumerate(names)}
    return {name: int(np.sum(draws[name][::THIN] < truth)) for name, truth in truths.items()}


def main() -> None:
    """Simulate, test each histogram, print the table, draw the picture."""
    parser = argparse.ArgumentParser(description="Simulation-based calibration.")
    parser.add_argument("--simulations", type=int, default=500)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    parts = [f"# Simulation-based calibration\n\n{machine()}. {options.simulations} truths from "]
    parts[0] += f"the prior, {BINS} bins, {DAYS - len(MISSING)} of {DAYS} days observed.\n"
    found: dict[str, pd.DataFrame] = {}
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for likelihood in ("normal", "student_t"):
            tasks = [(likelihood, i) for i in range(options.simulations)]
            frame = pd.DataFrame(pool.map(ranks, tasks, chunksize=10))
            found[likelihood] = frame
            rows = []
            for name in frame.columns:
                counts = np.histogram(frame[name], bins=BINS, range=(-0.5, RANKS + 0.5))[0]
                rows.append({"quantity": name, "p": float(stats.chisquare(counts).pvalue)})
            table = pd.DataFrame(rows)
            smallest = float(table["p"].min() * len(table))
            verdict = "uniform" if smallest > 0.01 else "NOT uniform"
            parts.append(
                f"## {likelihood}\n\nSmallest chi-square p, times the {len(table)} quantities: "
                f"{min(1.0, smallest):.3f} ({verdict}; the limit is .01).\n\n"
                + markdown(table.assign(p=table["p"].map("{:.3f}".format)))
            )
    write_table("sbc", "\n".join(parts))
    picture(found, TABLES / "sbc.png")


def picture(found: dict[str, pd.DataFrame], path: Path) -> None:
    """Draw the rank histograms."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    names = ["rho", "sigma", "nu", "level change", "slope change", "counterfactual effect"]
    figure, axes = plt.subplots(
        len(found),
        len(names),
        figsize=(14, 4.6),
        sharey=True,
        squeeze=False,
        constrained_layout=True,
    )
    for row, (likelihood, frame) in zip(axes, found.items(), strict=True):
        for axis, name in zip(row, names, strict=True):
            if name not in frame:
                axis.set_axis_off()
                continue
            axis.hist(frame[name], bins=BINS, range=(-0.5, RANKS + 0.5), color="#4477aa")
            axis.axhline(len(frame) / BINS, color="black", linewidth=0.8)
            axis.set_title(f"{name}, {likelihood}", fontsize=9)
    figure.supxlabel("rank of the truth among 99 draws")
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
