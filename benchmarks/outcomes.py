"""Counts, yes/no and log-normal times: do their intervals hold, and how long an analysis takes.

What belongs here: simulated series of each kind with and without an effect; coverage, false
"helped", power and CPU time. What does not: outcomes as they are (`calibration`), or real days
(`placebo`).

    python -m benchmarks.outcomes --series 25 --write
    python -m benchmarks.outcomes --series 1 --lengths 60 90 180 --name outcomes_cpu --write
    python -m benchmarks.outcomes --idle --lengths 60 90 --series 25 --write
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy import special

from benchmarks._noise import NOISES, noise_of
from benchmarks._table import machine, rows_as_markdown, write_table
from its_pipeline.its import AnalysisSpec, InvalidSeries, analyze, warning_codes

LENGTHS = (28, 60, 90, 180)
LATENT_SD = 0.4
"""Of the noise on the scale of the predictor."""
EFFECT = 0.5
SURE = 0.95


@dataclass(frozen=True)
class Kind:
    """One kind of outcome.

    Parameters
    ----------
    name, likelihood
        What it is called, and what it is analysed as.
    base
        Usual rate, probability or median.
    dispersion
        Variance over mean of counts given their rate; 1 is Poisson.
    idle
        Share of days on which nothing could happen, whatever the rate.
    """

    name: str
    likelihood: str
    base: float
    dispersion: float = 1.0
    idle: float = 0.0

    def drawn(self, rng: np.random.Generator, eta: np.ndarray) -> np.ndarray:
        """Draw outcomes at predictors less the usual one."""
        if self.likelihood == "lognormal":
            return self.base * np.exp(eta + 0.3 * rng.standard_normal(len(eta)))
        mean = self.mean(eta)
        if self.likelihood == "binomial":
            return rng.binomial(1, mean).astype(float)
        if self.dispersion > 1.0:
            shape = self.base / (self.dispersion - 1.0)
            mean = mean * rng.gamma(shape, 1.0 / shape, len(mean))
        counts = rng.poisson(mean).astype(float)
        return counts * (rng.random(len(mean)) >= self.idle) if self.idle else counts

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """Return a day's mean (for times: its median) at a predictor less the usual one."""
        if self.likelihood == "binomial":
            return special.expit(special.logit(self.base) + eta)
        return (1.0 - self.idle) * self.base * np.exp(eta)


KINDS = (
    *(
        Kind(f"counts of {base:g}, dispersion {wide:g}", "negative_binomial", base, wide)
        for base in (0.5, 2.0, 10.0)
        for wide in (1.0, 3.0)
    ),
    Kind("yes/no, rate .1", "binomial", 0.1),
    Kind("yes/no, rate .5", "binomial", 0.5),
    Kind("times, log-normal", "lognormal", 20.0),
)
IDLE_KINDS = tuple(
    Kind(f"counts of {base:g}, {idle:.0%} idle days, {likelihood}", likelihood, base, idle=idle)
    for base, idle in ((2.0, 0.2), (10.0, 0.2), (10.0, 0.05))
    for likelihood in ("poisson", "negative_binomial")
)
"""Days on which nothing could happen, which no likelihood knows of."""


@dataclass(frozen=True)
class Answer:
    """What one series came to."""

    kind: str
    noise: str
    n: int
    effect: float
    holds: bool
    helped: bool
    zeros_told: bool
    seconds: float


def answers(kind: Kind, noise: str, n: int, series: int) -> Iterator[Answer]:
    """Analyse simulated series, each with and without an effect."""
    days = pd.date_range("2026-01-01", periods=n)
    post = np.arange(n) >= n // 2
    for number in range(series):
        for effect in (0.0, EFFECT):
            rng = np.random.default_rng(
                [number, n, (*KINDS, *IDLE_KINDS).index(kind), list(NOISES).index(noise)]
            )
            latent = LATENT_SD * noise_of(NOISES[noise], n, rng)
            outcome = pd.Series(kind.drawn(rng, latent + effect * post), days)
            spec = AnalysisSpec(likelihood=kind.likelihood)
            started = time.process_time()
            try:
                found = analyze(outcome, days[n // 2], spec, audited=False)
            except InvalidSeries:
                continue  # all days alike: there is nothing to analyse
            seconds = time.process_time() - started
            if found.effects is None:
                yield Answer(kind.name, noise, n, effect, False, False, False, seconds)
                continue
            told = found.effects.relative if kind.likelihood == "lognormal" else None
            told = told or found.effects.counterfactual
            truth = float((kind.mean(latent + effect) - kind.mean(latent))[post].mean())
            if kind.likelihood == "lognormal":
                truth = 100.0 * np.expm1(effect)
            yield Answer(
                kind.name,
                noise,
                n,
                effect,
                told.ci_lower <= truth <= told.ci_upper,
                told.probability_positive > SURE,
                any(each.code == warning_codes.MANY_ZEROS.code for each in found.warnings),
                seconds,
            )


def table(found: pd.DataFrame) -> str:
    """Return coverage and false "helped" by kind and length, noises together."""
    rows = []
    for (kind, n), cell in found.groupby(["kind", "n"], sort=False):
        null, moved = cell[cell["effect"] == 0.0], cell[cell["effect"] > 0.0]
        worst = null.groupby("noise")["holds"].mean()
        rows.append(
            [
                kind,
                n,
                len(null),
                f"{null['holds'].mean():.3f}",
                f"{moved['holds'].mean():.3f}",
                f"{worst.min():.2f} ({worst.idxmin()})",
                f"{null['helped'].mean():.3f}",
                f"{moved['helped'].mean():.2f}",
                f"{cell['zeros_told'].mean():.2f}",
                f"{1000 * cell['seconds'].median():.0f}",
            ]
        )
    head = ["outcome", "n", "series", "holds 0", "holds the effect", "worst noise, holds 0"]
    head += ['false "helped"', "power", "many zeros told", "CPU ms an analysis"]
    return rows_as_markdown(head, rows)


def main() -> None:
    """Print the table, and keep it with ``--write``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=25, help="a kind, noise and length")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--kinds", nargs="+", help="beginnings of names; all by default")
    parser.add_argument("--idle", action="store_true", help="counts with idle days instead")
    parser.add_argument("--name", help="of the table, where it is not the usual one")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    all_kinds = IDLE_KINDS if given.idle else KINDS
    kinds = [k for k in all_kinds if not given.kinds or k.name.startswith(tuple(given.kinds))]
    rows: list[dict[str, object]] = []
    for kind in kinds:
        for n in given.lengths:
            cell = [
                vars(answer) for noise in NOISES for answer in answers(kind, noise, n, given.series)
            ]
            rows += cell
            # A run takes long: each cell is told as it is done.
            print(table(pd.DataFrame(cell)).splitlines()[-1], flush=True)
    text = "\n".join(
        [
            "## Counts with idle days" if given.idle else "## Counts, yes/no and times",
            "",
            f"Latent noise of sd {LATENT_SD:g} on the link scale, effect {EFFECT:g}; four noises "
            f"together ({', '.join(NOISES)}). {machine()}",
            "",
            table(pd.DataFrame(rows)),
        ]
    )
    print(text)
    if given.write:
        write_table(given.name or ("outcomes_idle" if given.idle else "outcomes"), text)


if __name__ == "__main__":
    main()
