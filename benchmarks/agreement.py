"""Quadrature against NUTS on series of every kind: the most that the two answers differ.

What belongs here: long audits, and the table of what they found. What does not: whether intervals
hold the truth (`calibration`, `placebo`). Writes tables/agreement.md.

    python -m benchmarks.agreement --series 500
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd

from benchmarks._table import machine, markdown, write_table
from benchmarks.calibration_series import NULL_CELLS, ROBUST_CELLS, Cell, simulate
from its_pipeline.its import AnalysisSpec
from its_pipeline.its.designs.base import build_design
from its_pipeline.its.designs.change import CHANGE
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.exact import integrate_posterior
from its_pipeline.its.fitting import fit_of
from its_pipeline.its.inference.audit import audit
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.noise.ar1_white import AR1_WHITE
from its_pipeline.its.series import prepare_series
from its_pipeline.its.targets import effect_contrasts

LABELS = ("counterfactual", "immediate", "sustained")


def judge(task: tuple[Cell, int, bool, int]) -> dict[str, Any]:
    """Integrate one series, sample it at length, and return what they differ by."""
    cell, index, is_forecast, draws = task
    outcome, day, _ = simulate(cell, index)
    spec = AnalysisSpec(estimator="forecast" if is_forecast else "segmented")
    series = prepare_series(outcome, day, spec)
    design = build_design(series, spec, Covariates(), None if is_forecast else CHANGE)
    fit = fit_of(series, design, AR1_WHITE, NORMAL)
    mixture, forecast = integrate_posterior(fit)
    targets = forecast.effects if forecast else effect_contrasts(series, design)
    labels = LABELS[:2] if is_forecast else LABELS
    collapsed = AR1_WHITE.collapsed(fit.problem, mixture)
    found = audit(
        fit.problem, AR1_WHITE, collapsed, mixture, targets, labels, index, 1, draws=draws
    ).diagnostics
    return {
        "estimator": spec.estimator,
        "n": cell.n,
        "difference": found.audit_difference,
        "bound": mixture.error,
        "edge": mixture.edge,
        "ess": min(found.min_ess_bulk, found.min_ess_tail),
    }


def main() -> None:
    """Run the series, print and write the table."""
    parser = argparse.ArgumentParser(description="Quadrature against NUTS.")
    parser.add_argument("--series", type=int, default=500)
    parser.add_argument("--draws", type=int, default=3000, help="kept a chain, four chains")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    cells = [*NULL_CELLS, *ROBUST_CELLS]
    tasks = [
        (cells[i % len(cells)], 50_000 + i, i % 4 == 3, options.draws)
        for i in range(options.series)
    ]
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        frame = pd.DataFrame(pool.map(judge, tasks, chunksize=5))
    rows = [
        {
            "estimator": estimator,
            "n": n,
            "series": len(group),
            "median difference (sd)": f"{group['difference'].median():.3f}",
            "largest": f"{group['difference'].max():.3f}",
            "beyond .05": int((group["difference"] > 0.05).sum()),
            "largest bound of the error (sd)": f"{group['bound'].max():.4f}",
            "smallest ESS": f"{group['ess'].min():.0f}",
        }
        for (estimator, n), group in frame.groupby(["estimator", "n"])
    ]
    write_table(
        "agreement",
        f"# Quadrature against NUTS\n\n{machine()}. {options.series} series of every kind of the "
        f"calibration, 4 x {options.draws:,} draws. The difference is the largest over the effects "
        "of mean, 2.5 % and 97.5 % point, in the quadrature's sds, the sampler's Monte Carlo error "
        "included.\n\n" + markdown(pd.DataFrame(rows)),
    )


if __name__ == "__main__":
    main()
