"""Calibration: how often the 95 % interval covers, and how honest P(benefit) is.

Runs `analyze` on every null series of the grid, beside stock CausalPy (its posterior computed
exactly) and statsmodels' GLSAR on the very same series; adds the same model by quadrature on many
more series, power, and series that break its assumptions.
Resumable: finished series are kept in `--out` and not computed again. Prints tables, writes
tables/calibration.md and tables/calibration.png.

    python -m benchmarks.calibration --series 500
    python -m benchmarks.calibration --confirm 12     # a dozen real stock CausalPy fits
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks._table import TABLES, machine, write_table
from benchmarks.calibration_rivals import Verdict, glsar, real_stock_fit, stock_its, stock_piecewise
from benchmarks.calibration_series import NULL_CELLS, POWER_CELLS, ROBUST_CELLS, SD, Cell, simulate
from benchmarks.calibration_tables import (
    confirmation_table,
    null_table,
    picture,
    power_table,
    quadrature_table,
    robust_table,
)
from its_pipeline.its import AnalysisSpec, analyze, priors
from its_pipeline.its.designs.base import build_design
from its_pipeline.its.designs.change import CHANGE
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.noise.ar1_white import AR1_WHITE
from its_pipeline.its.sensitivity.estimate import EffectEstimate, quadrature_estimate
from its_pipeline.its.series import prepare_series
from its_pipeline.its.spec import MODEL_VERSION

CHUNK = 10


def version() -> str:
    """Name what the results depend on: the model's version and its priors."""
    values = {k: v for k, v in vars(priors).items() if k.isupper()}
    text = json.dumps([MODEL_VERSION, values], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def row(method: str, truth: float, verdict: Verdict) -> dict[str, Any]:
    """Reduce a verdict to what the tables need."""
    return {
        "method": method,
        "covered": bool(verdict.lower <= truth <= verdict.upper),
        "width": (verdict.upper - verdict.lower) / SD,
        "bias": (verdict.mean - truth) / SD,
        "benefit": bool(verdict.probability_positive > 0.95),
    }


def run_full(task: tuple[Cell, int]) -> list[dict[str, Any]]:
    """Analyse one series with `analyze` and every rival."""
    cell, index = task
    outcome, day, truth = simulate(cell, index)
    started = time.perf_counter()
    analysis = analyze(outcome, day, AnalysisSpec(seed=index), cores=1)
    seconds = time.perf_counter() - started
    rows = []
    if analysis.effects is None:
        rows.append({"method": "its_pipeline", "converged": False, "seconds": seconds})
    else:
        e = analysis.effects.counterfactual
        verdict = Verdict(e.mean, e.sd, e.ci_lower, e.ci_upper, e.probability_positive)
        rows.append(
            row("its_pipeline", truth, verdict)
            | {"converged": True, "seconds": seconds, "escalated": analysis.diagnostics.escalated}
        )
    rivals = {"causalpy ITS": stock_its, "causalpy PiecewiseITS": stock_piecewise, "GLSAR": glsar}
    rows += [row(name, truth, rival(outcome, day)) for name, rival in rivals.items()]
    return [{"index": index, **r} for r in rows]


def run_quadrature(task: tuple[Cell, int]) -> list[dict[str, Any]]:
    """Analyse one series with the same model by quadrature, and with stock PiecewiseITS."""
    cell, index = task
    outcome, day, truth = simulate(cell, index)
    spec = AnalysisSpec()
    series = prepare_series(outcome, day, spec)
    design = build_design(series, spec, Covariates(), CHANGE)
    ours = quadrature_estimate(series, design, AR1_WHITE)
    return [
        {"index": index, **row("its_pipeline", truth, verdict_of(ours))},
        {"index": index, **row("causalpy PiecewiseITS", truth, stock_piecewise(outcome, day))},
    ]


def verdict_of(o: EffectEstimate) -> Verdict:
    """Return an estimate as the rivals give theirs."""
    return Verdict(o.mean, o.sd, o.ci_lower, o.ci_upper, o.probability_positive)


def run_cells(
    kind: str,
    work: Callable[[tuple[Cell, int]], list[dict[str, Any]]],
    cells: Iterable[Cell],
    series: int,
    out: Path,
    pool: Any,
) -> pd.DataFrame:
    """Run a worker on every series of every cell, skipping what is on disk already."""
    frames = []
    for cell in cells:
        path = out / kind / f"{cell.name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        rows = [json.loads(line) for line in lines if line.endswith("}")]
        done = {r["index"] for r in rows}
        tasks = [(cell, i) for i in range(series) if i not in done]
        started = time.perf_counter()
        with path.open("a") as stream:
            for found in pool.imap_unordered(work, tasks, chunksize=CHUNK):
                stream.write("".join(json.dumps(r) + "\n" for r in found))
                stream.flush()
                rows += found
        print(
            f"{time.strftime('%H:%M:%S')} {kind} {cell.name}: {len(tasks)} new of {series} in "
            f"{time.perf_counter() - started:.0f} s",
            flush=True,
        )
        frame = pd.DataFrame([r for r in rows if r["index"] < series])
        frames.append(frame.assign(cell=cell.name, **vars(cell)))
    return pd.concat(frames, ignore_index=True)


def confirm(fits: int) -> pd.DataFrame:
    """Compare the exact stock posterior with real stock fits."""
    rows = []
    cells = [c for c in NULL_CELLS if c.n in (60, 90)]
    for i in range(fits):
        kind, exact = (("its", stock_its), ("piecewise", stock_piecewise))[i % 2]
        cell = cells[i % len(cells)]
        outcome, day, _ = simulate(cell, 10_000 + i)
        started = time.perf_counter()
        real, ours = real_stock_fit(kind, outcome, day), exact(outcome, day)
        rows.append(
            {
                "kind": kind,
                "cell": cell.name,
                "exact mean": ours.mean,
                "real mean": real.mean,
                "exact sd": ours.sd,
                "real sd": real.sd,
                "difference in sd": (real.mean - ours.mean) / ours.sd,
                "seconds": time.perf_counter() - started,
            }
        )
        print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    """Run what is missing, print the tables, write them and the picture."""
    parser = argparse.ArgumentParser(description="Calibration of the intervals.")
    parser.add_argument("--series", type=int, default=200, help="null series a cell")
    parser.add_argument("--quadrature", type=int, default=2000, help="series a cell by quadrature")
    parser.add_argument("--power", type=int, default=500, help="series a cell for power")
    parser.add_argument("--confirm", type=int, default=0, help="real stock CausalPy fits")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("data/benchmarks/calibration"))
    options = parser.parse_args()
    out = options.out / version()
    if options.confirm:
        out.mkdir(parents=True, exist_ok=True)
        confirm(options.confirm).to_csv(out / "confirm.csv", index=False)
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        quick = run_cells("quadrature", run_quadrature, NULL_CELLS, options.quadrature, out, pool)
        full = run_cells("full", run_full, NULL_CELLS, options.series, out, pool)
        power = run_cells("power", run_quadrature, POWER_CELLS, options.power, out, pool)
        robust = run_cells("robust", run_quadrature, ROBUST_CELLS, options.power, out, pool)
    parts = [
        "# Calibration\n",
        f"{machine()}. Model {MODEL_VERSION}, priors {version()}; "
        f"{options.series} null series a cell through `analyze`.\n",
        null_table(full),
        quadrature_table(quick, options.quadrature),
        power_table(power, options.power),
        robust_table(robust, options.power),
    ]
    if (out / "confirm.csv").exists():
        parts.append(confirmation_table(pd.read_csv(out / "confirm.csv")))
    text = "\n".join(parts)
    write_table("calibration", text)
    picture(full, TABLES / "calibration.png")


if __name__ == "__main__":
    np.seterr(all="warn")
    main()
