"""Standardised effects as the single-case field reports them: between-case mean differences.

The mean change within cases over the sd that cases and occasions have together, with a correction
for few degrees of freedom; by moments, as published.

Sources: Hedges, Pustejovsky & Shadish 2012, Res. Synth. Methods 3, 224 (reversals, their formulas
16-20 and 27-30, and the estimates of p. 238) and 2013, Res. Synth. Methods 4, 324 (multiple
baselines, formulas 2-4, 10-14). Those by REML (Pustejovsky, Hedges & Shadish 2014, J. Educ. Behav.
Stat. 39, 368) are `between_case_reml`'s.

What belongs here: these two estimators. What does not: pooling by likelihoods (`pool`), which
standardises by each person's own days off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

_FEWEST_DF = 2.001
"""Degrees of freedom that the variance is told with at least: it has none at 2."""


@dataclass(frozen=True)
class BetweenCase:
    """A standardised mean difference between cases.

    Parameters
    ----------
    mean_change
        Average change within cases, in the outcome's unit.
    variance
        Of an outcome over cases and occasions, in its unit squared.
    autocorrelation
        Of neighbouring occasions of one case, corrected for few occasions.
    intraclass_correlation
        Share of the variance that lies between cases.
    df
        Degrees of freedom of the variance.
    uncorrected
        The effect in sds of such an outcome (d).
    standardised, standardised_variance
        The same corrected for few degrees of freedom (g); and its sampling variance.
    """

    mean_change: float
    variance: float
    autocorrelation: float
    intraclass_correlation: float
    df: float
    uncorrected: float
    standardised: float
    standardised_variance: float


def between_case(data: pd.DataFrame, baseline: str, *, reversal: bool) -> BetweenCase:
    """Return the between-case standardised mean difference of one outcome.

    Parameters
    ----------
    data
        One row an occasion: columns "case", "time" (whole numbers), "treatment" (two conditions),
        "outcome", and for a reversal "phase": the number of the pair of phases (off, then on).
    baseline
        Which of the two conditions is the baseline.
    reversal
        Whether each case goes on and off again, (AB)^k; else a multiple baseline over cases.

    Raises
    ------
    ValueError
        If there are fewer than 3 cases or not two conditions, a value is missing, an occasion is
        there twice, or a case lacks a condition; naming it.
    """
    rows = checked_cases(data, baseline, reversal)
    rows = rows.sort_values(["case", "pair", "on", "time"], kind="stable").reset_index(drop=True)
    y = rows["outcome"].to_numpy(float)
    time = rows["time"].to_numpy(float)
    case = pd.factorize(rows["case"])[0]
    # Cells of a case: its mean in one condition (of one pair of phases).
    cell = rows.groupby(["case", "pair", "on"], sort=True).ngroup().to_numpy()
    sizes = np.bincount(cell).astype(float)
    residuals = y - (np.bincount(cell, y) / sizes)[cell]
    is_on = rows["on"].to_numpy(bool)[np.unique(cell, return_index=True)[1]]
    loadings = (np.where(is_on, 1.0, -1.0) / sizes)[cell] / int(is_on.sum())
    # The occasion's place: within its phase where phases recur, else on the calendar of all.
    if reversal:
        place = rows.groupby(["case", "pair", "on"]).cumcount().to_numpy()
        spacing = place.astype(float)
        occasion = rows.assign(place=place).groupby(["pair", "on", "place"]).ngroup().to_numpy()
        kept = np.bincount(occasion)[occasion] == case.max() + 1
    else:
        spacing = time
        occasion = rows.groupby(["on", "time"]).ngroup().to_numpy()
        kept = np.ones(len(y), dtype=bool)
    shared = np.full(len(y), -1)
    shared[kept] = np.unique(occasion[kept], return_inverse=True)[1]
    counts = np.bincount(shared[kept]).astype(float)
    df_rows = int(kept.sum()) - len(counts)
    if df_rows < 1:
        raise ValueError(
            "no occasion is shared by enough cases for the variance between them: give cases "
            "that were observed at the same occasions"
        )
    away = y[kept] - (np.bincount(shared[kept], y[kept]) / counts)[shared[kept]]
    variance = float(away @ away) / df_rows
    squares = float(residuals @ residuals)
    if not (variance > 0.0 and squares > 0.0):
        raise ValueError("the outcome does not vary between or within cases: nothing is its unit")
    run = cell if reversal else case
    is_next = run[1:] == run[:-1]
    lagged = float((residuals[1:] * residuals[:-1])[is_next].sum())
    phi = lagged / squares + float((1.0 - 1.0 / sizes).sum()) / float((sizes - 1.0).sum())
    of_cases = np.split(np.arange(len(y)), np.flatnonzero(np.diff(case)) + 1)
    explained = 0.0
    for at in of_cases:
        inside = _indicators(cell[at] - cell[at[0]])
        own = inside.T @ _decay(phi, spacing[at]) @ inside
        explained += float((np.diag(own) / inside.sum(axis=0)).sum())
    within_variance = squares / (len(y) - explained)
    rho = max(0.0, 1.0 - within_variance / variance)
    # Cases are independent, so of all correlations only those inside of cases are formed. With
    # centring I - P over shared occasions, df = rank^2 / trace((I - P) R (I - P) R).
    between = np.zeros((len(counts), len(counts)))
    theta_squared = trace = 0.0
    for at in of_cases:
        correlation = rho + (1.0 - rho) * _decay(phi, time[at])
        theta_squared += float(loadings[at] @ correlation @ loadings[at])
        chosen = kept[at]
        places = shared[at][chosen]
        part = correlation[np.ix_(chosen, chosen)]
        trace += float((np.square(part).sum(axis=1) * (1.0 - 2.0 / counts[places])).sum())
        between[np.ix_(places, places)] += part
    trace += float((between * between.T / np.multiply.outer(counts, counts)).sum())
    df = df_rows**2 / trace
    return corrected(
        mean_change=float(loadings @ y),
        variance=variance,
        autocorrelation=phi,
        intraclass_correlation=rho,
        df=float(df),
        error=float(np.sqrt(theta_squared)),
    )


def corrected(
    *,
    mean_change: float,
    variance: float,
    autocorrelation: float,
    intraclass_correlation: float,
    df: float,
    error: float,
) -> BetweenCase:
    """Return the effect with Hedges' correction for few degrees of freedom, 1 - 3 / (4 df - 1).

    Parameters
    ----------
    mean_change, variance, autocorrelation, intraclass_correlation, df
        As in `BetweenCase`.
    error
        Standard error of the mean change, in sds.
    """
    shrink = 1.0 - 3.0 / (4.0 * df - 1.0)
    uncorrected = mean_change / float(np.sqrt(variance))
    standardised = shrink * uncorrected
    ratio = max(df, _FEWEST_DF) / (max(df, _FEWEST_DF) - 2.0)
    sampling = shrink**2 * (error**2 * ratio + standardised**2 * (ratio - 1.0 / shrink**2))
    return BetweenCase(
        mean_change,
        variance,
        autocorrelation,
        intraclass_correlation,
        df,
        uncorrected,
        standardised,
        float(sampling),
    )


def _indicators(groups: np.ndarray) -> np.ndarray:
    return (groups[:, None] == np.arange(groups.max() + 1)).astype(float)


def _decay(lag_one: float, time: np.ndarray) -> np.ndarray:
    """Return the estimator's own AR(1) correlations of occasions of one case."""
    return np.power(lag_one, np.abs(np.subtract.outer(time, time)))


def checked_cases(data: pd.DataFrame, baseline: str, reversal: bool) -> pd.DataFrame:
    """Return the rows of `between_case`'s data with "on" and "pair", checked.

    Raises
    ------
    ValueError
        As there.
    """
    wanted = ["case", "time", "treatment", "outcome", *(["phase"] if reversal else [])]
    missing = [name for name in wanted if name not in data.columns]
    if missing:
        raise ValueError(f"columns {missing} are needed but only {list(data.columns)} are there")
    rows = data[wanted]
    if rows.isna().to_numpy().any() or not np.isfinite(rows["outcome"].to_numpy(float)).all():
        raise ValueError("every row needs all its values: leave rows without an outcome out")
    conditions = sorted(map(str, rows["treatment"].unique()))
    if len(conditions) != 2 or baseline not in conditions:
        raise ValueError(
            f"treatment must have two conditions, one of them the baseline {baseline!r}, but has "
            f"{conditions}"
        )
    n_cases = rows["case"].nunique()
    if n_cases < 3:
        raise ValueError(f"a variance between cases needs at least 3 cases but got {n_cases}")
    rows = rows.assign(
        on=rows["treatment"].map(str) != baseline, pair=rows["phase"] if reversal else 0
    )
    if rows.duplicated(["case", "time"]).any():
        twice = rows.loc[rows.duplicated(["case", "time"]), ["case", "time"]].iloc[0].tolist()
        raise ValueError(f"each occasion must be there once but {twice} is there more than once")
    both = rows.groupby(["case", "pair"])["on"].nunique()
    if (both < 2).any():
        lacking = both.index[both < 2][0]
        raise ValueError(f"case and pair of phases {lacking} lack a condition: leave the case out")
    return rows
