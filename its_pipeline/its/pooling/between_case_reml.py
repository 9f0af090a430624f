"""The between-case effect by restricted maximum likelihood, as newer single-case software has it.

One intercept a case, Normal; errors AR(1) over the occasions of a case, by their distance in time;
the same change for all. The change over the sd of both together, corrected for few degrees of
freedom, which the expected information of the variances gives.

Source: Pustejovsky, Hedges & Shadish 2014, J. Educ. Behav. Stat. 39, 368 (their model MB1, formulas
for the effect, its degrees of freedom by Satterthwaite, and its sampling variance).

What belongs here: fitting this model. What does not: the estimates by moments (`between_case`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from its_pipeline.its.pooling.between_case import BetweenCase, checked_cases, corrected

_LOG_RATIOS = (-12.0, 8.0)
"""Of the variance between cases over that within: from nothing between them to nothing else."""
_MOST_LAG_ONE = 0.995
_STARTS = (-0.3, 0.0, 0.4, 0.8)
"""Autocorrelations from which the maximum is looked for."""


@dataclass(frozen=True)
class _Case:
    """One case.

    Parameters
    ----------
    outcome, time
        Shape (n,), by time.
    design
        Ones, and whether the occasion is on, shape (n, 2).
    """

    outcome: np.ndarray
    time: np.ndarray
    design: np.ndarray


def between_case_reml(data: pd.DataFrame, baseline: str, *, reversal: bool) -> BetweenCase:
    """Return the between-case standardised mean difference of one outcome by REML.

    Parameters
    ----------
    data, baseline, reversal
        As for `between_case.between_case`.

    Raises
    ------
    ValueError
        As there, or the outcome does not vary.
    """
    from scipy import optimize

    rows = checked_cases(data, baseline, reversal).sort_values(["case", "time"], kind="stable")
    cases = [
        _Case(
            each["outcome"].to_numpy(float),
            each["time"].to_numpy(float),
            np.column_stack([np.ones(len(each)), each["on"].to_numpy(float)]),
        )
        for _, each in rows.groupby("case", sort=True)
    ]
    if not np.ptp(rows["outcome"].to_numpy(float)) > 0.0:
        raise ValueError("the outcome does not vary between or within cases: nothing is its unit")

    def deviance(at: np.ndarray) -> float:
        return _profiled(cases, float(np.exp(at[0])), float(_MOST_LAG_ONE * np.tanh(at[1])))[0]

    bounds = (_LOG_RATIOS, (-4.0, 4.0))
    tight = {"ftol": 1e-14, "gtol": 1e-9, "maxiter": 500}
    found = min(
        (
            optimize.minimize(
                deviance,
                np.array([0.0, np.arctanh(lag_one / _MOST_LAG_ONE)]),
                method="L-BFGS-B",
                bounds=bounds,
                options=tight,
            )
            for lag_one in _STARTS
        ),
        key=lambda each: float(each.fun),
    )
    polished = optimize.minimize(
        deviance,
        found.x,
        method="Nelder-Mead",
        bounds=bounds,
        options={"xatol": 1e-8, "fatol": 1e-12},
    )
    ratio, lag_one = float(np.exp(polished.x[0])), float(_MOST_LAG_ONE * np.tanh(polished.x[1]))
    _, within, change = _profiled(cases, ratio, lag_one)
    between = ratio * within
    information, covariance = _information(cases, between, lag_one, within)
    total = between + within
    which = np.array([1.0, 0.0, 1.0])
    df = 2.0 * total**2 / float(which @ np.linalg.solve(information, which))
    error = float(np.sqrt(covariance[1, 1] / total))
    return corrected(
        mean_change=change,
        variance=total,
        autocorrelation=lag_one,
        intraclass_correlation=between / total,
        df=df,
        error=error,
    )


def _profiled(cases: list[_Case], ratio: float, lag_one: float) -> tuple[float, float, float]:
    """Return -2 log restricted likelihood up to a constant, the variance within, and the change.

    Whitened by the AR(1) correlations, a case has covariance I + ratio u u', u its whitened ones.
    """
    crossed = np.zeros((2, 2))
    right = np.zeros(2)
    square = log_determinant = 0.0
    n = 0
    for case in cases:
        rest, log_correlation = _whitened(
            np.column_stack([case.design, case.outcome]), case, lag_one
        )
        ones = rest[:, 0]
        length = float(ones @ ones)
        shrink = ratio / (1.0 + ratio * length)
        inner = rest.T @ rest - shrink * np.outer(rest.T @ ones, rest.T @ ones)
        crossed += inner[:2, :2]
        right += inner[:2, 2]
        square += inner[2, 2]
        log_determinant += log_correlation + np.log1p(ratio * length)
        n += len(rest)
    effects = np.linalg.solve(crossed, right)
    within = (square - right @ effects) / (n - 2)
    if not within > 0.0:
        return float("inf"), float(within), float(effects[1])
    deviance = (n - 2) * np.log(within) + log_determinant + np.linalg.slogdet(crossed)[1]
    return float(deviance), float(within), float(effects[1])


def _whitened(columns: np.ndarray, case: _Case, lag_one: float) -> tuple[np.ndarray, float]:
    """Return columns with AR(1) correlations taken out, and the log determinant of those."""
    decay = np.power(lag_one, np.diff(case.time))
    left = 1.0 - decay**2
    rest = (columns[1:] - decay[:, None] * columns[:-1]) / np.sqrt(left)[:, None]
    return np.concatenate([columns[:1], rest]), float(np.log(left).sum())


def _information(
    cases: list[_Case], between: float, lag_one: float, within: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the expected information of between, lag_one, within, and the effects' covariance."""
    crossed = np.zeros((2, 2))
    traces = np.zeros((3, 3))
    once = np.zeros((3, 2, 2))
    twice = np.zeros((3, 3, 2, 2))
    for case in cases:
        away = np.abs(np.subtract.outer(case.time, case.time))
        correlation = np.power(lag_one, away)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.where(away > 0.0, away * np.power(lag_one, away - 1.0), 0.0)
        parts = (np.ones_like(away), within * slope, correlation)
        inverse = np.linalg.inv(between + within * correlation)
        weighted = [inverse @ part for part in parts]
        told = inverse @ case.design
        crossed += case.design.T @ told
        for i in range(3):
            once[i] += told.T @ parts[i] @ told
            for j in range(3):
                traces[i, j] += float((weighted[i] * weighted[j].T).sum())
                twice[i, j] += told.T @ parts[i] @ inverse @ parts[j] @ told
    covariance = np.linalg.inv(crossed)
    information = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            lost = 2.0 * np.trace(covariance @ twice[i, j])
            back = np.trace(covariance @ once[i] @ covariance @ once[j])
            information[i, j] = 0.5 * (traces[i, j] - lost + back)
    return information, covariance
