"""A look every day at counts and yes/no: how often one says "helped" or "worse" without a change.

What belongs here: the daily looks of `looks` at outcomes with a link, by each plan of looking. The
scale that errors are spent on comes from normal innovations, so it is only nearly right for them.
What does not: measurements (`looks`), or single answers (`outcomes`).

    python -m benchmarks.looks_counted --series 30 --write
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks._noise import NOISES, noise_of
from benchmarks._table import machine, markdown, write_table
from benchmarks.looks import HORIZON, rows_of_looks
from benchmarks.outcomes import LATENT_SD, Kind
from its_pipeline.its import AnalysisSpec, InsufficientData, InvalidSeries, models
from its_pipeline.its.days_ahead import NoiseNodes
from its_pipeline.its.decisions.information import information_given
from its_pipeline.its.decisions.looks import LEAST_GROWTH
from its_pipeline.its.fitting import prepared_fit
from its_pipeline.its.likelihoods.linked import LinkedLikelihood
from its_pipeline.its.linked import linked_posterior

KINDS = (
    Kind("counts of 0.5, dispersion 3", "negative_binomial", 0.5, 3.0),
    Kind("counts of 2, dispersion 3", "negative_binomial", 2.0, 3.0),
    Kind("yes/no, rate .1", "binomial", 0.1),
)
BASELINE = 28


def looked(kind: Kind, number: int) -> list[dict[str, object]]:
    """Look at one series every day; the noises take turns."""
    noise = list(NOISES)[number % len(NOISES)]
    rng = np.random.default_rng([number, KINDS.index(kind), BASELINE])
    days = pd.date_range("2026-01-01", periods=BASELINE + HORIZON)
    latent = LATENT_SD * noise_of(NOISES[noise], len(days), rng)
    values = pd.Series(kind.drawn(rng, latent), days)
    start, spec = days[BASELINE], AnalysisSpec(likelihood=kind.likelihood)
    likelihood = models.likelihood(kind.likelihood)
    assert isinstance(likelihood, LinkedLikelihood)
    until_on = days[-1].date()
    probabilities, shares, errors, numbers = [], [], [], []
    for last in days[BASELINE:]:
        known = values[:last]
        try:
            fit, _ = prepared_fit(known, start, spec, None, likelihood)
            found = linked_posterior(fit, likelihood, spec, audited=False)
        except (InsufficientData, InvalidSeries):
            continue  # too few days yet, or all of them alike
        if found.diagnostics.converged is not True:
            continue
        nodes = NoiseNodes.of_kept(found.kept(), fit.noise_model, fit.series.scale)
        information = information_given(nodes, fit.series, known, start, spec, until_on, until_on)
        if shares and information.now - shares[-1] < LEAST_GROWTH and last != days[-1]:
            continue
        told = found.effects().counterfactual
        probabilities.append(told.above(0.0))
        shares.append(information.now)
        errors.append(told.sd)
        numbers.append((last - start).days + 1)
    prior_sd = float(values[:BASELINE].std())
    about: dict[str, object] = {"kind": kind.name, "unit": str(number), "effect": 0.0}
    return rows_of_looks(about, probabilities, shares, errors, numbers, prior_sd)


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Return a row a kind and plan."""
    rows = []
    for (kind, plan), cell in found.groupby(["kind", "plan"], sort=False):
        n = len(cell)
        rows.append(
            {
                "outcome": kind,
                "plan": plan,
                "series": n,
                **{
                    f'false "{name}" (se)': f"{share:.3f} ({np.sqrt(share * (1 - share) / n):.3f})"
                    for name in ("helped", "worse")
                    for share in (float(cell[name].mean()),)
                },
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Print the table, and keep it with ``--write``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=30, help="a kind")
    parser.add_argument("--keep", help="a CSV of all rows")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    started = time.process_time()
    rows: list[dict[str, object]] = []
    for number in range(given.series):
        for kind in KINDS:
            rows += looked(kind, number)
        if given.keep:
            pd.DataFrame(rows).to_csv(given.keep, index=False)
    found = pd.DataFrame(rows)
    text = (
        f"# A look every day for {HORIZON} days at counts and yes/no, on days without any change\n"
        f"\n{machine()}; {BASELINE} days of baseline, noises in turn ({', '.join(NOISES)}), "
        f"{time.process_time() - started:.0f} s of CPU.\n\n{markdown(summary(found))}"
    )
    print(text)
    if given.write:
        write_table("looks_counted", text)


if __name__ == "__main__":
    main()
