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
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks._table import TABLES, machine, markdown, write_table
from its_pipeline.its import AnalysisSpec, priors
from its_pipeline.its.designs.base import build_design
from its_pipeline.its.designs.change import CHANGE
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.fitting import fit_of
from its_pipeline.its.inference.nodes import nodes_of
from its_pipeline.its.inference.nuts import SamplerSettings
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.inference.quadrature import integrate
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.likelihoods.student_t import STUDENT_T
from its_pipeline.its.noise.ar1_white import AR1_WHITE
from its_pipeline.its.series import prepare_series
from its_pipeline.its.targets import effect_contrasts

DAYS, MISSING = 48, (4, 5, 17, 30, 31, 32, 40)
RANKS, BINS, THIN = 99, 20, 20
CHAINS, DRAWS, TUNE = 4, 495, 500


def _problem() -> tuple[Problem, np.ndarray, list[str]]:
    days = pd.date_range("2024-01-01", periods=DAYS, freq="D")
    values = np.random.default_rng(0).normal(size=DAYS)
    outcome = pd.Series(values, index=days).drop(days[list(MISSING)])
    spec = AnalysisSpec()
    series = prepare_series(outcome, days[DAYS // 2], spec)
    design = build_design(series, spec, Covariates(), CHANGE)
    effect = effect_contrasts(series, design)[0]
    names = [f"coefficient {i}" for i in range(design.matrix.shape[1])]
    names[:4] = ["level", "trend", "level change", "slope change"]
    return fit_of(series, design, AR1_WHITE, NORMAL).problem, effect, names


def ranks(task: tuple[str, int]) -> dict[str, int]:
    """Draw a truth and a series, compute, and return the truth's rank for every quantity."""
    likelihood, index = task
    rng = np.random.default_rng([7, index, len(likelihood)])
    problem, effect, names = _problem()
    prior = problem.prior
    sds = prior.sd[rng.choice(len(prior.weights), p=prior.weights)]
    theta = sds * rng.standard_normal(len(sds))
    tau = np.exp(rng.uniform(np.log(priors.TAU_SHORTEST), np.log(priors.TAU_LONGEST)))
    truths = {
        "phi": float(np.exp(-1.0 / tau)),
        "share_new": float(rng.uniform()),
        "sigma": float(abs(priors.SIGMA_SCALE * rng.standard_t(priors.SIGMA_DF))),
    }
    nu = priors.NU_SHIFT + rng.gamma(priors.NU_SHAPE) / priors.NU_RATE
    span = int(problem.steps[-1] - problem.steps[0]) + 1
    shocks = rng.standard_normal(span)
    if likelihood == "student_t":
        shocks = rng.standard_t(nu, size=span)
    errors = _errors(truths, shocks, problem)
    problem = replace(problem, outcome=problem.design @ theta + errors)
    truths["counterfactual effect"] = float(effect @ theta)
    truths |= dict(zip(names, theta, strict=True))
    if likelihood == "student_t":
        truths["nu"] = nu
        settings = SamplerSettings(DRAWS, TUNE, CHAINS, seed=index, target_accept=0.9)
        sampled = STUDENT_T.sample(problem, AR1_WHITE, settings, cores=1)
        found = {**AR1_WHITE.parameters(sampled.points), **sampled.parameters}
        draws = {name: values.ravel()[::THIN] for name, values in found.items()}
        draws["sigma"] = np.exp(sampled.log_sd.ravel()[::THIN])
        coefficients = sampled.coefficients[::THIN]
    else:
        mixture = integrate(problem, AR1_WHITE, effect[None])
        parts = mixture.weights, mixture.points, mixture.log_sd, mixture.component
        nodes = nodes_of(problem, AR1_WHITE, *parts)
        chosen, coefficients = nodes.draw(RANKS, np.random.default_rng([8, index]))
        draws = dict(AR1_WHITE.parameters(nodes.points[chosen]))
        draws["sigma"] = np.exp(nodes.log_sd[chosen])
    draws["counterfactual effect"] = coefficients @ effect
    draws |= {name: coefficients[:, i] for i, name in enumerate(names)}
    # Nodes are points: a truth's rank among equal draws is drawn by lot.
    jitter = np.random.default_rng([9, index])
    return {name: _rank(draws[name], truth, jitter) for name, truth in truths.items()}


def _errors(truths: dict[str, float], shocks: np.ndarray, problem: Problem) -> np.ndarray:
    """Return errors on the observed days: the filter skips the missing ones."""
    phi, share = truths["phi"], truths["share_new"]
    first = 1.0 - share
    errors = np.empty(len(problem.steps))
    state, variance = 0.0, first
    gaps = [0, *np.diff(problem.steps)]
    for row, gap in enumerate(gaps):
        fade = phi ** int(gap)
        state, variance = fade * state, first + fade**2 * (variance - first)
        spread = variance + share
        surprise = np.sqrt(spread) * shocks[row]
        errors[row] = truths["sigma"] * (state + surprise)
        state += variance / spread * surprise
        variance *= share / spread
    return errors


def _rank(draws: np.ndarray, truth: float, rng: np.random.Generator) -> int:
    below, same = int(np.sum(draws < truth)), int(np.sum(draws == truth))
    return below + int(rng.integers(same + 1))


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

    names = [
        "phi",
        "share_new",
        "sigma",
        "nu",
        "level change",
        "slope change",
        "counterfactual effect",
    ]
    figure, axes = plt.subplots(
        len(found),
        len(names),
        figsize=(16, 4.6),
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
