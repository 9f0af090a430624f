"""The figure of the posterior predictive check: does the model describe the data.

Here belong the three panels and the autocorrelation that respects missing days. The simulated
series come from the analysis.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import numpy as np

from its_pipeline.its.plots import style
from its_pipeline.its.plots.counted import (
    draw_bars,
    is_discrete,
    is_yes_or_no,
    shares_of,
    week_name,
    weeks,
)
from its_pipeline.its.plots.counterfactual import outcome_name, require_effects
from its_pipeline.its.plots.days_on import draw_intervention, spacing
from its_pipeline.its.plots.density import bandwidth, density
from its_pipeline.its.plots.frames import (
    Drawing,
    draw_legend,
    fix_x_label,
    fix_y_label,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from its_pipeline.its import Analysis
    from its_pipeline.schedules.cadence import Cadence

REPLICATES = 200
SEED = 0
"""Of the simulated series: the same analysis is drawn in the same way."""
_SHOWN_REPLICATES = 40
_MAX_LAG = 14
_GRID_POINTS = 200


def _shape(analysis: Analysis) -> Hashable:
    require_effects(analysis)
    weekly = week_name(analysis) if is_yes_or_no(analysis) else ""
    return analysis.spec.calendar, is_discrete(analysis), weekly


def _frame(shape: tuple[Cadence, bool, str]) -> Figure:
    calendar, discrete, weekly = shape
    figure = new_figure(8.0, 4.9)
    grid = figure.add_gridspec(
        2, 2, left=0.085, right=0.985, top=0.93, bottom=0.095, hspace=0.5, wspace=0.22
    )
    densities = figure.add_subplot(grid[0, 0])
    densities.yaxis.set_visible(discrete)
    densities.set_title(
        f"Share of {calendar.step}s by value" if discrete else "Distribution of all values"
    )
    correlation = figure.add_subplot(grid[0, 1])
    correlation.set_title("Autocorrelation of the residuals")
    fix_y_label(correlation, 0.0)
    for ax in (densities, correlation):
        fix_x_label(ax)
    course = figure.add_subplot(grid[1, :])
    fix_y_label(course, 0.026)
    style.date_axis(course, calendar)
    course.set_title(
        f"Share of yes, {weekly} over time" if weekly else "Single values over time", pad=17
    )
    return figure


def _fill(figure: Figure, analysis: Analysis, label: str) -> None:
    densities, correlation, course = figure.axes
    fitted_rows = ~analysis.daily["phase"].isin(("washout", "left_out")).to_numpy()
    observed = analysis.daily["observed"].to_numpy(float)
    observed = np.where(fitted_rows, observed, np.nan)
    seen = np.isfinite(observed)
    simulated = _on_all_days(analysis.posterior_predictive(REPLICATES, SEED), seen)
    name = outcome_name(analysis, label)
    yes_or_no = is_yes_or_no(analysis)
    if is_discrete(analysis):
        draw_bars(densities, observed[seen], simulated[:, seen], name, yes_or_no=yes_or_no)
    else:
        possible = analysis.spec.possible
        _draw_densities(densities, observed[seen], simulated[:, seen], name, possible)
    expected = analysis.expected()
    _draw_autocorrelation(
        correlation, observed - expected, simulated - expected, seen, analysis.spec.step
    )
    days = style.date_numbers(analysis.daily["day"])
    if yes_or_no:
        # The range of single days is 0 to 1 always; that of a week's share says something.
        places, rows = weeks(analysis, days, observed)
        observed, simulated = shares_of(observed, rows), shares_of(simulated, rows)
        _draw_course(course, analysis, places, observed, simulated, name, week_name(analysis))
        course.set_xlim(days[0], days[-1])
    else:
        _draw_course(course, analysis, days, observed, simulated, name, f"{analysis.spec.step}s")


PREDICTIVE_CHECK = Drawing("predictive_check", _shape, _frame, _fill)


def predictive_check_figure(analysis: Analysis, label: str = "") -> Figure:
    """Draw observed data against data simulated from the fitted model.

    Parameters
    ----------
    analysis
        A converged analysis.
    label
        The outcome's name for the axes.

    Returns
    -------
    Figure
        Density (of counts and yes/no the share of days by value), time course with a 95 % band for
        single days (of yes/no for the shares of weeks), and the autocorrelation of the residuals
        against the range the model itself produces on the same days.

    Raises
    ------
    ValueError
        If the analysis has no effects, or its simulated series do not match its days.
    """
    return PREDICTIVE_CHECK.figure(analysis, label)


def _on_all_days(simulated: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return simulated series on every day of the window, NaN where there is nothing to compare."""
    if simulated.shape[1] == len(seen):
        return np.where(seen, simulated, np.nan)
    if simulated.shape[1] != int(seen.sum()):
        raise ValueError(
            f"simulated series have {simulated.shape[1]} days but the analysis has "
            f"{len(seen)} days, {int(seen.sum())} of them observed; one of them must match"
        )
    full = np.full((simulated.shape[0], len(seen)), np.nan)
    full[:, seen] = simulated
    return full


def _draw_densities(
    ax: Axes,
    observed: np.ndarray,
    simulated: np.ndarray,
    name: str,
    possible: tuple[float, float],
) -> None:
    """Draw the observed density over those of single simulated series, all smoothed alike."""
    from matplotlib.collections import LineCollection

    pooled = np.concatenate([observed, simulated.ravel()])
    low, high = np.percentile(pooled, [0.5, 99.5])
    low, high = min(low, observed.min()), max(high, observed.max())
    pad = 0.12 * (high - low)
    left, right = max(low - pad, possible[0]), min(high + pad, possible[1])
    grid = np.linspace(left, right, _GRID_POINTS)
    width = bandwidth(observed)
    curves = [density(row, grid, width) for row in simulated[:_SHOWN_REPLICATES]]
    lines = LineCollection(
        [np.column_stack([grid, curve]) for curve in curves],
        colors=style.BLUE,
        linewidths=0.6,
        alpha=0.28,
        label=f"{len(curves)} simulated series",
    )
    ax.add_collection(lines)
    own = density(observed, grid, width)
    ax.plot(grid, own, color=style.INK, linewidth=1.8, label="observed", gid="observed-density")
    ax.set_ylim(0, 1.08 * max(own.max(), max(curve.max() for curve in curves)))
    ax.set_xlim(grid[0], grid[-1])
    ax.set_xlabel(name)
    draw_legend(
        ax, *ax.get_legend_handles_labels(), loc="upper left", fontsize=7.2, handlelength=1.2
    )


def _draw_autocorrelation(
    ax: Axes, residual: np.ndarray, replicated: np.ndarray, seen: np.ndarray, step: str
) -> None:
    """Draw residual autocorrelation on the range of the model's own simulated residuals."""
    from matplotlib.collections import PolyCollection

    lags = np.arange(1, min(_MAX_LAG, max(2, int(seen.sum()) // 3)) + 1)
    own = autocorrelation(residual[None, :], lags)[0]
    lower, upper = np.nanpercentile(autocorrelation(replicated, lags), [2.5, 97.5], axis=0)
    left, right = lags - 0.36, lags + 0.36
    bars = np.stack([left, lower, right, lower, right, upper, left, upper], axis=1)
    ax.add_collection(
        PolyCollection(
            list(bars.reshape(-1, 4, 2)),
            color=style.BLUE,
            alpha=0.2,
            linewidths=0,
            label="95 % of simulated",
            gid="autocorrelation-band",
        )
    )
    ax.set_xlim(lags[0] - 1, lags[-1] + 1)
    ax.axhline(0.0, color=style.MUTED, linewidth=1.0)
    outside = (own < lower) | (own > upper)
    ax.vlines(lags, 0, own, color=style.INK, linewidth=1.2)
    ax.plot(
        lags[~outside],
        own[~outside],
        "o",
        color=style.INK,
        markersize=4,
        label="observed",
        gid="acf-inside",
    )
    if outside.any():
        ax.plot(
            lags[outside],
            own[outside],
            "D",
            color=style.ORANGE,
            markersize=5,
            label="observed, outside",
            gid="acf-outside",
        )
    top = float(np.nanmax(np.concatenate([upper, own, [0.3]])))
    bottom = float(np.nanmin(np.concatenate([lower, own, [-0.3]])))
    ax.set_ylim(bottom - 0.05, top + 0.32)
    ax.set_xticks(lags[::2] if len(lags) > 7 else lags)
    ax.set_xlabel(f"lag ({step}s)")
    draw_legend(
        ax,
        *ax.get_legend_handles_labels(),
        loc="upper right",
        fontsize=7.2,
        ncols=3,
        handlelength=1.0,
        columnspacing=0.9,
    )


def _draw_course(
    ax: Axes,
    analysis: Analysis,
    x: np.ndarray,
    observed: np.ndarray,
    simulated: np.ndarray,
    name: str,
    steps: str,
) -> None:
    """Draw observed days over the range in which the model expects 95 of 100 single days.

    Parameters
    ----------
    ax, analysis, name
        Where, of what, and the outcome's name.
    x, observed, simulated
        Day numbers, (n,), and values there, (n,) and (n_series, n).
    steps
        What one of them is called, in the plural: days, or the weeks that days were put into.
    """
    seen = np.isfinite(observed)
    lower, middle, upper = (np.full(len(x), np.nan) for _ in range(3))
    lower[seen], middle[seen], upper[seen] = np.percentile(
        simulated[:, seen], [2.5, 50, 97.5], axis=0
    )
    days = style.date_numbers(analysis.daily["day"])
    start = style.date_number(analysis.intervention_on) - spacing(days) / 2
    before = seen & (x < start)
    for mask, named in ((before, True), (seen & ~before, False)):
        ax.fill_between(
            x[mask],
            lower[mask],
            upper[mask],
            color=style.BLUE,
            alpha=0.16,
            linewidth=0,
            step=None,
            label=f"95 % of simulated {steps}" if named else None,
        )
        ax.plot(
            x[mask],
            middle[mask],
            color=style.BLUE,
            linewidth=1.2,
            linestyle=(0, (4, 1.6)),
            label="simulated median" if named else None,
        )
    outside = seen & ((observed < lower) | (observed > upper))
    inside = seen & ~outside
    ax.plot(
        x[inside],
        observed[inside],
        "o",
        color=style.INK,
        markersize=2.8,
        markeredgewidth=0,
        label="observed",
        clip_on=False,
    )
    # Few values are possible, so that the range holds more than 95 of 100.
    expected = "at most 5 %" if is_discrete(analysis) else "5 %"
    share = 100 * outside.sum() / max(1, seen.sum())
    ax.plot(
        x[outside],
        observed[outside],
        "D",
        color=style.ORANGE,
        markersize=3.8,
        markeredgewidth=0,
        label=f"outside ({share:.0f} %; {expected} expected)",
        gid="outside",
        clip_on=False,
    )
    if analysis.is_on_and_off:
        draw_intervention(ax, analysis, days)
    else:
        ax.axvline(
            start, color=style.INK, linewidth=1.1, linestyle=(0, (1, 1.2)), gid="intervention"
        )
    style.fit_height(ax, observed, lower, upper, possible=analysis.spec.possible)
    ax.set_ylabel(style.axis_label(name, 34), fontsize=7.4)
    draw_legend(
        ax,
        *ax.get_legend_handles_labels(),
        loc="lower left",
        bbox_to_anchor=(-0.01, 0.985),
        ncols=4,
        fontsize=7.4,
        borderaxespad=0.2,
    )


def autocorrelation(series: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Return autocorrelations over calendar days, using the pairs of days that are both present.

    Parameters
    ----------
    series
        Shape (n_series, n_days), NaN where missing, every calendar day a column.
    lags
        Shape (n_lags,), whole days.

    Returns
    -------
    np.ndarray
        Shape (n_series, n_lags); NaN where fewer than three pairs exist.
    """
    centred = series - np.nanmean(series, axis=1, keepdims=True)
    there = np.isfinite(centred)
    centred = np.where(there, centred, 0.0)
    variance = np.sum(centred**2, axis=1) / there.sum(axis=1)
    result = np.full((series.shape[0], len(lags)), np.nan)
    for column, lag in enumerate(lags):
        pairs = np.sum(there[:, lag:] & there[:, :-lag], axis=1)
        products = np.einsum("ij,ij->i", centred[:, lag:], centred[:, :-lag])
        enough = pairs >= 3
        result[enough, column] = products[enough] / pairs[enough] / variance[enough]
    return result
