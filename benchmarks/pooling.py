"""Pooling: against one-stage MCMC, its calibration, and 100,000 people.

What belongs here: what a pool of many people is held to, and the table of what was found. What does
not: one person's intervals (`calibration`). Writes tables/pooling_agreement.md,
tables/pooling_calibration.md, tables/pooling_scale.md and
tables/pooling_cases.md.

    python -m benchmarks.pooling agreement --draws 4000 --seeds 4
    python -m benchmarks.pooling calibration --kinds 1000
    python -m benchmarks.pooling scale
    python -m benchmarks.pooling cases
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks._noise import ar1
from benchmarks._table import machine, markdown, write_table
from its_pipeline.its import (
    AnalysisSpec,
    EffectLikelihood,
    Estimate,
    InsufficientData,
    InvalidSeries,
    Schedule,
    pool,
    series,
)
from its_pipeline.its.effect_likelihood import of_grid
from its_pipeline.its.exact import ExactPosterior, integrate_posterior
from its_pipeline.its.fitting import prepared_fit
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.noise.ar1_white import AutoregressivePlusWhiteNoise
from its_pipeline.its.pooling import frame
from its_pipeline.its.pooling.between_case import between_case
from its_pipeline.its.pooling.between_case_reml import between_case_reml
from its_pipeline.its.pooling.estimates import BASELINE_SD
from its_pipeline.its.posterior import Fit
from its_pipeline.its.results import Diagnostics

SPEC = AnalysisSpec(season="none", slope=False)
LENGTHS = (20, 28, 40, 56, 80)
"""Days of the simulated people, half of them before the change."""
MEAN, SPREAD = 0.4, 0.4
UNJUDGED = Diagnostics(None, np.nan, np.nan, np.nan, 0, np.nan)


def person(n: int, rho: float, effect: float, rng: np.random.Generator) -> tuple[pd.Series, Any]:
    """Return one person's days and the first day of the change; effect in sds of the noise."""
    days = pd.date_range("2024-01-01", periods=n, freq="D")
    values = 50.0 + 10.0 * (ar1(rho, n, rng) + effect * (np.arange(n) >= n // 2))
    return pd.Series(values, days), days[n // 2]


def fitted(outcome: pd.Series, day: Any) -> tuple[Fit, EffectLikelihood]:
    """Return one person's fit, and the likelihood of the average effect in sds of the baseline."""
    fit, _ = prepared_fit(outcome, day, SPEC, None, NORMAL)
    mixture, forecast = integrate_posterior(fit)
    grid = ExactPosterior(fit, mixture, forecast, UNJUDGED).kept()
    return fit, of_grid(grid, SPEC.noise).scaled(1.0 / grid.scale)


def one_stage(fits: list[Fit], draws: int, tune: int, seed: int) -> dict[str, np.ndarray]:
    """Sample the whole hierarchy at once: level, trend and noise of each, effects, mean, spread.

    Returns
    -------
    dict
        Draws of "mu", "tau", "next" and "e", shape (chains, draws), (chains, draws, people) of "e".
    """
    pm: Any = import_module("pymc")
    pt: Any = import_module("pytensor.tensor")

    n_people = len(fits)
    who = np.concatenate([np.full(len(f.problem.outcome), i) for i, f in enumerate(fits)])
    is_first = np.concatenate([f.problem.steps == f.problem.steps[0] for f in fits])
    columns = np.concatenate([f.problem.design for f in fits])
    outcome = np.concatenate([f.problem.outcome for f in fits])
    prior = fits[0].problem.prior
    with pm.Model():
        mu = pm.Normal("mu", 0.0, frame.MEAN_SD)
        tau = pm.HalfStudentT("tau", nu=frame.SPREAD_DF, sigma=frame.SPREAD_SCALE)
        e = pm.Deterministic("e", mu + tau * pm.Normal("z", 0.0, 1.0, shape=n_people))
        pm.Deterministic("next", mu + tau * pm.Normal("z_next"))
        level = pm.Normal("level", 0.0, prior.sd[0, 0], shape=n_people)
        trend = pm.NormalMixture(
            "trend", w=prior.weights, mu=np.zeros(2), sigma=prior.sd[:, 1], shape=n_people
        )
        log_time = pm.Uniform("log_time", np.log(0.5), np.log(256.0), shape=n_people)
        sigma = pm.HalfStudentT("sigma", nu=3.0, sigma=1.0, shape=n_people)
        phi = pt.exp(-pt.exp(-log_time))[who]
        rest = outcome - columns[:, 0] * level[who] - columns[:, 1] * trend[who]
        rest = rest - columns[:, 2] * e[who]
        before = pt.concatenate([pt.zeros(1), rest[:-1]])
        sd = sigma[who] * pt.switch(is_first, 1.0, pt.sqrt(1.0 - phi**2))
        new = rest - pt.switch(is_first, 0.0, phi * before)
        pm.Potential("days", (-0.5 * (new / sd) ** 2 - pt.log(sd)).sum())
        trace = pm.sample(
            draws, tune=tune, chains=4, cores=2, nuts_sampler="nutpie", random_seed=seed,
            target_accept=0.9, progressbar=False,
        )  # fmt: skip
    return {name: trace.posterior[name].to_numpy() for name in ("mu", "tau", "next", "e")}


def sampled(fits: list[Fit], options: argparse.Namespace) -> dict[str, np.ndarray]:
    """Return the chains of all seeds, (chains, draws) a quantity; kept while the seeds go on."""
    several = []
    for seed in range(1, options.seeds + 1):
        kept = Path(options.chains) / f"seed_{seed}.npz" if options.chains else None
        if kept is not None and kept.is_file():
            several.append(dict(np.load(kept)))
            continue
        several.append(one_stage(fits, options.draws, options.tune, seed))
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(kept, **several[-1])
    found = {name: np.concatenate([each[name] for each in several]) for name in several[0]}
    effects = found.pop("e")
    return found | {f"e{i}": effects[..., i] for i in range(len(fits))}


def only_ar1() -> Any:
    """Return a patch that leaves of our noise its AR(1) corner, which a sampler can whiten fast."""
    whole = AutoregressivePlusWhiteNoise.box.fget(AutoregressivePlusWhiteNoise())  # type: ignore[misc]
    corner = property(lambda _self: (whole[0], (1e-6, 1e-6)))
    return patch.object(AutoregressivePlusWhiteNoise, "box", corner)


def effective_size(draws: np.ndarray) -> float:
    """Return the effective size of draws of shape (chains, draws), for their mean."""
    import arviz

    return float(np.ravel(arviz.ess(draws, method="mean"))[0])


def sd_error(draws: np.ndarray) -> float:
    """Return the Monte Carlo error of the draws' sd, as a share of it."""
    squares = np.square(draws - draws.mean())
    return float(squares.std() / np.sqrt(effective_size(squares)) / (2.0 * squares.mean()))


def agreement(options: argparse.Namespace) -> None:
    """Hold two stages against one on the same simulated people."""
    rng = np.random.default_rng(5)
    fits, estimates = [], []
    for i in range(options.people):
        n, rho = LENGTHS[i % len(LENGTHS)], float(rng.uniform(0.0, 0.7))
        outcome, day = person(n, rho, MEAN + SPREAD * rng.standard_normal(), rng)
        with only_ar1():
            fit, likelihood = fitted(outcome, day)
        fits.append(fit)
        estimates.append(Estimate(f"e{i}", likelihood, BASELINE_SD))
    pooled = pool(estimates)
    chains = sampled(fits, options)
    ours = {"mu": pooled.mean, "tau": pooled.spread, "next": pooled.next_person}
    ours |= {str(row.Index): row for row in pooled.members.itertuples()}
    rows = []
    for name, told in ours.items():
        draws = chains[name]
        sd = draws.std()
        rows.append(
            {
                "what": name,
                "difference of means (sd)": (told.mean - draws.mean()) / sd,
                "its Monte Carlo error": 1.0 / np.sqrt(effective_size(draws)),
                "sd ratio": told.sd / sd,
                "the ratio's Monte Carlo error": sd_error(draws),
            }
        )
    alone = [
        told.sd / chains[name][4 * seed : 4 * seed + 4].std()
        for name, told in ours.items()
        for seed in range(options.seeds)
        if name.startswith("e")
    ]
    least = min(effective_size(draws) for draws in chains.values())
    table = pd.DataFrame(rows)
    members = table[table["what"].str.match(r"e\d")]
    mean, error, ratio, ratio_error = (members[name] for name in table.columns[1:])
    worst = members.loc[[mean.abs().idxmax(), ratio.idxmin(), ratio.idxmax()]].assign(
        what=["member, largest difference", "member, least ratio", "member, largest ratio"]
    )
    far = pd.DataFrame({"mean": mean / error, "sd": (ratio - 1.0) / ratio_error})
    write_table(
        "pooling_agreement",
        f"# Two stages against one\n\n{machine()}. {options.people} simulated people of 20 to 80 "
        f"days with AR(1) noise of 0 to .7; PyMC with nutpie samples level, trend, noise of each, "
        f"effects, mean and spread at once: {options.seeds} seeds x 4 chains x {options.draws:,} "
        f"draws, smallest effective size {least:,.0f}. The pool is right where means agree to .05 "
        "sd and sds to 3 %. If only chance parted the two, the members' differences in Monte Carlo "
        f"errors would have sd 1: those of means have {np.sqrt(np.mean(far['mean'] ** 2)):.2f} "
        f"(largest {far['mean'].abs().max():.1f}), those of sds "
        f"{np.sqrt(np.mean(far['sd'] ** 2)):.2f} (largest {far['sd'].abs().max():.1f}). Against "
        f"one seed alone the members' sd ratios go from {min(alone):.3f} to {max(alone):.3f}.\n\n"
        + markdown(pd.concat([table[~table.index.isin(members.index)], worst]).round(4)),
    )


def kind(n: int, index: int) -> dict[str, Any]:
    """Pool one simulated kind of n people; half of the kinds do nothing on average."""
    rng = np.random.default_rng([9, n, index])
    mean = 0.0 if index % 2 else float(rng.normal(0.0, 0.5))
    spread = float(rng.choice(SPREADS))
    true = rng.normal(mean, spread, n)
    sds = rng.uniform(0.15, 0.6, n)
    table = pd.DataFrame({"mean": true + sds * rng.standard_normal(n), "sd": sds})
    pooled = pool(table, unit=BASELINE_SD)
    after, told = rng.normal(mean, spread), pooled.members
    held = (told["ci_lower"].to_numpy() <= true) & (true <= told["ci_upper"].to_numpy())
    return {
        "people": n,
        "average": pooled.mean.ci_lower <= mean <= pooled.mean.ci_upper,
        "members": held.mean(),
        "next person": pooled.next_person.ci_lower <= after <= pooled.next_person.ci_upper,
        "spread": pooled.spread.ci_lower <= spread <= pooled.spread.ci_upper,
        "interval says it helps": pooled.mean.ci_lower > 0.0 if mean == 0.0 else np.nan,
        "P(helps) > .95": pooled.probability_helps_people > 0.95 if mean == 0.0 else np.nan,
    }


SPREADS = (0.1, 0.3, 0.6)
"""Between people, in sds of the baseline: held fixed, not drawn from the prior."""


def calibration(options: argparse.Namespace) -> None:
    """Tell how often intervals hold the truth, and how often a kind that does nothing helps."""
    found = pd.DataFrame([kind(n, i) for n in (5, 20, 100) for i in range(options.kinds)])
    percent = (100.0 * found.groupby("people").mean().astype(float)).round(1).reset_index()
    write_table(
        "pooling_calibration",
        f"# Calibration of pools\n\n{machine()}. {options.kinds:,} simulated kinds a row: every "
        "other one does nothing on average, the others' averages are Normal(0, .5); people differ "
        f"by {SPREADS} sds of the baseline at random, each one's effect is known to .15 to .6. "
        "Percent of 95 % intervals that hold the average effect, the members' own effects, a next "
        "person's effect and the spread; and of kinds that do nothing that are said to help: by "
        "the 95 % interval, and by more than 95 % probability.\n\n" + markdown(percent),
    )


def peak_memory_gb() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def scale(options: argparse.Namespace) -> None:
    """Measure many people, and one more of 10,000."""
    rows = []
    for n in (1_000, 10_000, 100_000):
        rng = np.random.default_rng(n)
        estimates = []
        for i in range(n):
            mean, sd = rng.normal(0.3, 0.4), rng.uniform(0.1, 0.7)
            parts = [
                np.ones(options.gaussians),
                mean + 0.3 * sd * rng.standard_normal(options.gaussians),
                sd * rng.uniform(0.7, 1.3, options.gaussians),
            ]
            estimates.append(Estimate(str(i), EffectLikelihood(np.stack(parts)), BASELINE_SD))
        started = time.perf_counter()
        pooled = pool(estimates)
        kind_seconds = time.perf_counter() - started
        started = time.perf_counter()
        _ = pooled.members, pooled.leave_one_out
        each_seconds = time.perf_counter() - started
        started = time.perf_counter()
        more = pooled.with_member(Estimate.normal("new", 0.5, 0.2, BASELINE_SD))
        _ = more.mean, more.next_person, more.spread
        rows.append(
            {
                "people": f"{n:,}",
                "the kind (s)": f"{kind_seconds:.2f}",
                "each member and leave-one-out (s)": f"{each_seconds:.1f}",
                "one more member (s)": f"{time.perf_counter() - started:.3f}",
                "peak memory (GB)": f"{peak_memory_gb():.2f}",
            }
        )
    write_table(
        "pooling_scale",
        f"# Pools of many\n\n{machine()}. Likelihoods of {options.gaussians} Gaussians each, as an "
        "analysis of some weeks has them. Load average while it ran: "
        f"{os.getloadavg()[0]:.1f}.\n\n" + markdown(pd.DataFrame(rows)),
    )


def cases(options: argparse.Namespace) -> None:
    """Pool published single cases, beside the single-case field's own standardised effect."""
    rows = []
    for name, measure, baseline in CASES:
        data = pd.read_csv(f"{options.data}/scdhlm_{name}.csv")
        data = data[data["measure"] == measure] if measure else data
        theirs = between_case(data, baseline, reversal="phase" in data.columns)
        reml = between_case_reml(data, baseline, reversal="phase" in data.columns)
        own, pooled = [], None
        for case, days in data.sort_values("time").groupby("case"):
            dates = pd.Timestamp("2020-01-01") + pd.to_timedelta(days["time"].to_numpy(), unit="D")
            outcome = pd.Series(days["outcome"].to_numpy(float), dates)
            on = Schedule.days(dates[(days["treatment"] != baseline).to_numpy()])
            spec = AnalysisSpec(season="none", trend=False)
            try:
                with patch.object(series, "MINIMUM_DAYS", options.fewest):
                    fit, _ = prepared_fit(outcome, on, spec, None, NORMAL)
            except (InsufficientData, InvalidSeries):
                continue
            mixture, forecast = integrate_posterior(fit)
            grid = ExactPosterior(fit, mixture, forecast, UNJUDGED).kept()
            likelihood = of_grid(grid, spec.noise)
            off = float(np.std(outcome[(days["treatment"] == baseline).to_numpy()], ddof=1))
            own.append(Estimate(str(case), likelihood, "", off))
        if len(own) > 1:
            pooled = pool(own)
        rows.append(
            {
                "cases": f"{name} {measure}".strip(),
                "pooled": f"{len(own)} of {data['case'].nunique()}",
                "mean change, published": f"{theirs.mean_change:.3f}",
                "ours (sd)": f"{pooled.mean.mean:.3f} ({pooled.mean.sd:.3f})" if pooled else "none",
                "d, published (se)": f"{theirs.standardised:.3f} "
                f"({np.sqrt(theirs.standardised_variance):.3f})",
                "by REML (se)": f"{reml.standardised:.3f} "
                f"({np.sqrt(reml.standardised_variance):.3f})",
                "ours over the published sd": f"{pooled.mean.mean / np.sqrt(theirs.variance):.3f}"
                if pooled
                else "none",
                "sd between + within": f"{np.sqrt(theirs.variance):.2f}",
                "median sd of a case's days off": f"{np.median([e.baseline_sd for e in own]):.2f}"
                if own
                else "none",
            }
        )
    write_table(
        "pooling_cases",
        f"# Single cases: the field's standardised effect, and a pool\n\n{machine()}. Published: "
        "Hedges, Pustejovsky & Shadish (2012, 2013), reproduced by `its.pooling.between_case`. "
        "By REML: Pustejovsky, Hedges & Shadish (2014), `between_case_reml`. "
        "Ours: each case analysed by itself (level and noise of its own, no trend), likelihoods "
        "pooled in the outcome's unit. Cases with fewer than "
        f"{options.fewest} occasions off or on, or without variation off, have no estimate (the "
        f"product asks for {series.MINIMUM_DAYS}).\n\n" + markdown(pd.DataFrame(rows)) + CASES_SAY,
    )


CASES = (
    ("Lambert", "disruptive behavior", "SSR"),
    ("Laski", "", "baseline"),
    ("Saddler", "writing quality", "baseline"),
)
CASES_SAY = """
Why they differ: the published mean change weighs every case alike, a pool by what its days say and
by how much cases differ; the published d is divided by the sd over cases *and* occasions, one
number for all, so cases that differ much in level make it small; `estimate_of(standardised=True)`
divides by each person's own days off, in which differences of level between people have no part.
The two are not the same quantity; the published one is the one to compare with trials of groups.
"""


PARTS = {"cases": cases, "agreement": agreement, "calibration": calibration, "scale": scale}


def main() -> None:
    """Run one part, print and write its table."""
    parser = argparse.ArgumentParser(description="Pooling many people.")
    parser.add_argument("part", choices=sorted(PARTS))
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--draws", type=int, default=1500)
    parser.add_argument("--tune", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=1, help="of the chains")
    parser.add_argument("--chains", default="", help="folder to keep the chains of each seed in")
    parser.add_argument("--gaussians", type=int, default=24, help="of each likelihood")
    default = os.environ.get("ITS_SHARED_DATA", "../shared/data")
    parser.add_argument("--data", default=default, help="folder of the published cases")
    parser.add_argument("--fewest", type=int, default=3, help="occasions off, and on, of a case")
    parser.add_argument("--kinds", type=int, default=1000)
    options = parser.parse_args()
    PARTS[options.part](options)


if __name__ == "__main__":
    main()
