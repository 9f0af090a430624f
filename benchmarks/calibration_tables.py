"""The calibration's tables and its picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._table import markdown

METHODS = ("its_pipeline", "causalpy PiecewiseITS", "causalpy ITS", "GLSAR")
COVERAGE_BAND = (0.93, 0.97)
BENEFIT_LIMIT = 0.06


def _by_method(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    kept = frame.dropna(subset=[column])
    return kept.assign(value=kept[column].astype(float)).pivot_table(
        index=["n", "rho", "missing"], columns="method", values="value"
    )


def null_table(full: pd.DataFrame) -> str:
    """Coverage, false positives, width and bias of every method on the null series."""
    coverage, benefit = _by_method(full, "covered"), _by_method(full, "benefit")
    width, bias = _by_method(full, "width"), _by_method(full, "bias")
    ours = full[full["method"] == "its_pipeline"]
    passed = ours.groupby(["n", "rho", "missing"])["converged"].mean()
    rows = []
    for key in coverage.index:
        row: dict[str, Any] = dict(zip(("n", "rho", "missing"), key, strict=True))
        row["passes the gate"] = f"{passed[key]:.1%}"
        row["coverage"] = f"{coverage.loc[key, 'its_pipeline']:.1%}"
        row["P(benefit)>.95"] = f"{benefit.loc[key, 'its_pipeline']:.1%}"
        row["width (sd)"] = f"{width.loc[key, 'its_pipeline']:.2f}"
        row["bias (sd)"] = f"{bias.loc[key, 'its_pipeline']:+.3f}"
        for method in METHODS[1:]:
            row[f"{method} coverage"] = f"{coverage.loc[key, method]:.1%}"
            row[f"{method} P>.95"] = f"{benefit.loc[key, method]:.1%}"
        rows.append(row)
    ours_coverage, ours_benefit = coverage["its_pipeline"], benefit["its_pipeline"]
    inside = ours_coverage.between(*COVERAGE_BAND).sum()
    honest = (ours_benefit <= BENEFIT_LIMIT).sum()
    spread = np.sqrt(0.95 * 0.05 / (len(ours) / len(coverage)))
    return (
        "## Null series through `analyze`\n\n"
        f"{inside} of {len(coverage)} cells have 93-97 % coverage (pooled "
        f"{ours_coverage.mean():.1%}), {honest} have P(benefit) > .95 in at most 6 % (pooled "
        f"{ours_benefit.mean():.1%}); {passed.mean():.2%} of all series pass the gate. One "
        f"standard error of a cell's coverage is {spread:.1%}.\n\n" + markdown(pd.DataFrame(rows))
    )


def quadrature_table(quick: pd.DataFrame, series: int) -> str:
    """Coverage of the same posterior by quadrature, on many more series."""
    coverage, benefit = _by_method(quick, "covered"), _by_method(quick, "benefit")
    rows = [
        dict(zip(("n", "rho", "missing"), key, strict=True))
        | {
            "coverage": f"{coverage.loc[key, 'its_pipeline']:.1%}",
            "P(benefit)>.95": f"{benefit.loc[key, 'its_pipeline']:.1%}",
        }
        for key in coverage.index
    ]
    inside = coverage["its_pipeline"].between(*COVERAGE_BAND).sum()
    honest = (benefit["its_pipeline"] <= BENEFIT_LIMIT).sum()
    return (
        f"## The same model by quadrature, {series} series a cell\n\n"
        f"{inside} of {len(coverage)} cells within 93-97 %, {honest} at most 6 %; one standard "
        f"error {np.sqrt(0.95 * 0.05 / series):.1%}.\n\n" + markdown(pd.DataFrame(rows))
    )


def power_table(power: pd.DataFrame, series: int) -> str:
    """Share of series with P(benefit) > .95 where there is an effect."""
    chosen = power[power["method"] == "its_pipeline"]
    table = chosen.pivot_table(index=["n", "rho"], columns="effect", values="benefit")
    covered = chosen.pivot_table(index=["n", "rho"], columns="effect", values="covered")
    rows = [
        dict(zip(("n", "rho"), key, strict=True))
        | {f"{effect:g} sd": f"{table.loc[key, effect]:.0%}" for effect in table.columns}
        | {"coverage": f"{covered.loc[key].mean():.1%}"}
        for key in table.index
    ]
    return (
        f"## Power: P(benefit) > .95 at a level change of so many sd, {series} series a cell\n\n"
        + markdown(pd.DataFrame(rows))
    )


def robust_table(robust: pd.DataFrame, series: int) -> str:
    """Coverage where the model's assumptions do not hold."""
    rows = []
    for (noise, rho, n), group in robust.groupby(["noise", "rho", "n"]):
        by_method = dict(list(group.groupby("method")))
        ours = by_method["its_pipeline"]
        covered = {name: f"{found['covered'].mean():.1%}" for name, found in by_method.items()}
        rows.append(
            {
                "series": noise,
                "rho": rho,
                "n": n,
                "coverage": covered["its_pipeline"],
                "P(benefit)>.95": f"{ours['benefit'].mean():.1%}",
                "causalpy PiecewiseITS coverage": covered["causalpy PiecewiseITS"],
            }
        )
    return (
        f"## Null series that break the model's assumptions, {series} a cell\n\n"
        "ar2: second lag 0.2; heavy: Student-t shocks, 3 degrees of freedom; weekly: the weekly "
        "pattern shifts by two days at the intervention; trend: one sd over the pre-period; "
        "swings: half of the variance is an AR(1) with that rho, half is new every day.\n\n"
        + markdown(pd.DataFrame(rows))
    )


def confirmation_table(frame: pd.DataFrame) -> str:
    """Exact stock posterior beside real stock fits."""
    worst = frame["difference in sd"].abs().max()
    ratio = (frame["real sd"] / frame["exact sd"]).agg(["min", "max"])
    return (
        f"## Stock CausalPy: exact posterior against {len(frame)} real fits\n\n"
        f"Means differ by at most {worst:.2f} posterior sd; sd ratios {ratio['min']:.2f} to "
        f"{ratio['max']:.2f}; median {frame['seconds'].median():.0f} s a fit.\n\n"
        + markdown(frame.round(3))
    )


def picture(full: pd.DataFrame, path: Path) -> None:
    """Draw coverage by cell and method."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    coverage = _by_method(full, "covered")
    figure, axes = plt.subplots(figsize=(10, 4.5), constrained_layout=True)
    axes.axhspan(*COVERAGE_BAND, color="#d9ead3", label="93-97 %")
    for method, marker in zip(METHODS, "osD^", strict=True):
        axes.plot(range(len(coverage)), coverage[method], marker, label=method, alpha=0.85)
    labels = [f"{n}, {rho:g}, {missing:.0%}" for n, rho, missing in coverage.index]
    axes.set_xticks(range(len(coverage)), labels, rotation=90)
    axes.set_xlabel("days, autocorrelation, missing")
    axes.set_ylabel("coverage of the nominal 95 % interval")
    axes.set_title("Null series: how often does the interval hold the truth?")
    axes.legend(loc="lower left", fontsize=8)
    figure.savefig(path, dpi=130)
    plt.close(figure)
