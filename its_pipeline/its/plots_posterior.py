"""The figures of the posterior: does the model describe the data, and how large are the effects.

Here belong the posterior predictive check and the effect distributions, with the two small numeric
helpers they need (a density on a grid, an autocorrelation that respects missing days). The model
itself is elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from its_pipeline.its import plots_style as style
from its_pipeline.its.plots_counterfactual import outcome_name, require_effects

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from its_pipeline.its import Analysis, Effect

REPLICATES = 200
_SHOWN_REPLICATES = 40
_MAX_LAG = 14
_GRID_POINTS = 200
# Height, as a share of the panel, below which lines end, so that none crosses the numbers.
_LINE_TOP = 0.78


@style.styled
def predictive_check_figure(analysis: Analysis, label: str = "", seed: int = 0) -> Figure:
    """Draw observed data against data simulated from the fitted model.

    Parameters
    ----------
    analysis
        A converged analysis.
    label
        The outcome's name for the axes.
    seed
        Seed of the simulated series.

    Returns
    -------
    Figure
        Density, time course with a 95 % band for single days, and the autocorrelation of the
        residuals against the range the model itself produces on the same days.

    Raises
    ------
    ValueError
        If the analysis has no effects, or its simulated series do not match its days.
    """
    require_effects(analysis)
    fitted_rows = (analysis.daily["phase"] != "washout").to_numpy()
    observed = analysis.daily["observed"].to_numpy(float)
    observed = np.where(fitted_rows, observed, np.nan)
    seen = np.isfinite(observed)
    simulated = _on_all_days(analysis.posterior_predictive(REPLICATES, seed), seen)
    figure = style.new_figure(8.0, 4.9)
    grid = figure.add_gridspec(
        2, 2, left=0.085, right=0.985, top=0.93, bottom=0.095, hspace=0.5, wspace=0.22
    )
    name = outcome_name(analysis, label)
    _draw_densities(figure.add_subplot(grid[0, 0]), observed[seen], simulated[:, seen], name)
    residual_axis = figure.add_subplot(grid[0, 1])
    fitted = analysis.daily["fitted"].to_numpy(float)
    _draw_autocorrelation(
        residual_axis, observed - fitted, simulated - fitted, seen, analysis.spec.step
    )
    _draw_course(figure.add_subplot(grid[1, :]), analysis, observed, simulated, name)
    return figure


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


def _draw_densities(ax: Axes, observed: np.ndarray, simulated: np.ndarray, name: str) -> None:
    """Draw the observed density over those of single simulated series, all smoothed alike."""
    from matplotlib.collections import LineCollection

    pooled = np.concatenate([observed, simulated.ravel()])
    low, high = np.percentile(pooled, [0.5, 99.5])
    low, high = min(low, observed.min()), max(high, observed.max())
    pad = 0.12 * (high - low)
    grid = np.linspace(low - pad, high + pad, _GRID_POINTS)
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
    ax.yaxis.set_visible(False)
    ax.set_xlabel(name)
    ax.set_title("Distribution of all values")
    ax.legend(loc="upper left", fontsize=7.2, handlelength=1.2)


def _draw_autocorrelation(
    ax: Axes, residual: np.ndarray, replicated: np.ndarray, seen: np.ndarray, step: str
) -> None:
    """Draw residual autocorrelation on the range of the model's own simulated residuals."""
    lags = np.arange(1, min(_MAX_LAG, max(2, int(seen.sum()) // 3)) + 1)
    own = autocorrelation(residual[None, :], lags)[0]
    lower, upper = np.nanpercentile(autocorrelation(replicated, lags), [2.5, 97.5], axis=0)
    ax.bar(
        lags,
        upper - lower,
        bottom=lower,
        width=0.72,
        color=style.BLUE,
        alpha=0.2,
        linewidth=0,
        label="95 % of simulated",
        gid="autocorrelation-band",
    )
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
    ax.set_title("Autocorrelation of the residuals")
    ax.legend(loc="upper right", fontsize=7.2, ncols=3, handlelength=1.0, columnspacing=0.9)


def _draw_course(
    ax: Axes, analysis: Analysis, observed: np.ndarray, simulated: np.ndarray, name: str
) -> None:
    """Draw observed days over the range in which the model expects 95 of 100 single days."""
    x = style.date_numbers(analysis.daily["day"])
    seen = np.isfinite(observed)
    lower, middle, upper = (np.full(len(x), np.nan) for _ in range(3))
    lower[seen], middle[seen], upper[seen] = np.percentile(
        simulated[:, seen], [2.5, 50, 97.5], axis=0
    )
    spacing = float(np.median(np.diff(x)))
    start = style.date_number(analysis.intervention_on) - spacing / 2
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
            label=f"95 % of simulated {analysis.spec.step}s" if named else None,
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
    )
    share = 100 * outside.sum() / max(1, seen.sum())
    ax.plot(
        x[outside],
        observed[outside],
        "D",
        color=style.ORANGE,
        markersize=3.8,
        markeredgewidth=0,
        label=f"outside ({share:.0f} %; 5 % expected)",
        gid="outside",
    )
    ax.axvline(start, color=style.INK, linewidth=1.1, linestyle=(0, (1, 1.2)), gid="intervention")
    style.date_axis(ax, x)
    ax.set_ylabel(style.axis_label(name, 26))
    ax.set_title("Single values over time", pad=17)
    ax.legend(
        loc="lower left", bbox_to_anchor=(-0.01, 0.985), ncols=4, fontsize=7.4, borderaxespad=0.2
    )


@style.styled
def effects_figure(analysis: Analysis) -> Figure:
    """Draw the posterior of the immediate, the sustained and the average effect.

    Parameters
    ----------
    analysis
        A converged analysis.

    Returns
    -------
    Figure
        One panel an effect: density, 95 % interval, zero, and shaded the probability mass that
        counts as benefit; on the average effect that is the mass beyond the minimum effect.

    Raises
    ------
    ValueError
        If the analysis has no effects.
    """
    effects = require_effects(analysis)
    unit = style.axis_label(analysis.spec.unit, 24)
    draws = analysis.draws
    panels: list[tuple[str, str, Effect, str, float]] = [
        ("immediate", "At once, on the first day", effects.immediate, unit, 0.0)
    ]
    if analysis.spec.step == "month":
        panels[0] = ("immediate", "At once, in the first month", effects.immediate, unit, 0.0)
    if effects.sustained is not None:
        slope_unit = f"{unit} per {analysis.spec.slope_period}".strip()
        panels.append(("sustained", "Change of the trend", effects.sustained, slope_unit, 0.0))
    panels.append(
        (
            "counterfactual",
            "On average since the change",
            effects.counterfactual,
            unit,
            analysis.spec.minimum_effect,
        )
    )
    figure = style.new_figure(8.0, 2.6)
    grid = figure.add_gridspec(
        1, len(panels), left=0.02, right=0.98, top=0.89, bottom=0.19, wspace=0.08
    )
    for column, (key, title, effect, axis_unit, minimum) in enumerate(panels):
        ax = figure.add_subplot(grid[column])
        _draw_effect_density(ax, effect_draws(draws, key), effect, analysis.spec.direction, minimum)
        ax.set_title(title)
        ax.set_xlabel(axis_unit or "outcome units")
    return figure


def effect_draws(draws: Any, key: str) -> np.ndarray:
    """Return all draws of an effect, shape (n,)."""
    return np.asarray(draws[f"{key}_effect"], dtype=float).ravel()


def _draw_effect_density(
    ax: Axes, values: np.ndarray, effect: Effect, direction: str, minimum: float
) -> None:
    """Draw a posterior with interval, zero, threshold and the mass that counts as benefit."""
    low, high = np.percentile(values, [0.1, 99.9])
    threshold = minimum if direction == "increase" else 0.0 - minimum
    pad = 0.06 * (high - low)
    left, right = min(low, 0.0, threshold) - pad, max(high, 0.0, threshold) + pad
    grid = np.linspace(left, right, _GRID_POINTS)
    curve = density(values, grid, bandwidth(values))
    peak = curve.max()
    beneficial = grid >= threshold if direction == "increase" else grid <= threshold
    mass = float(np.mean(values > threshold if direction == "increase" else values < threshold))
    ax.fill_between(grid, 0, curve, color=style.FAINT, alpha=0.55, linewidth=0)
    ax.fill_between(
        grid, 0, curve, where=beneficial, color=style.GREEN, alpha=0.5, linewidth=0, gid="benefit"
    )
    ax.plot(grid, curve, color=style.INK, linewidth=1.3)
    ax.axvline(0.0, ymax=_LINE_TOP, color=style.INK, linewidth=1.1, gid="zero")
    if threshold:
        ax.axvline(
            threshold,
            ymax=_LINE_TOP,
            color=style.GREEN,
            linewidth=1.2,
            linestyle=(0, (3, 1.5)),
            gid="minimum-effect",
        )
    y = -0.09 * peak
    ax.plot(
        [effect.ci_lower, effect.ci_upper],
        [y, y],
        color=style.INK,
        linewidth=3.2,
        solid_capstyle="butt",
        gid="interval",
    )
    ax.plot(
        [effect.mean], [y], "o", color="white", markeredgecolor=style.INK, markersize=5.5, zorder=5
    )
    ax.set_ylim(-0.18 * peak, 1.42 * peak)
    ax.set_xlim(left, right)
    ax.yaxis.set_visible(False)
    ax.grid(visible=False)
    ax.spines["left"].set_visible(False)
    ax.locator_params(axis="x", nbins=5)
    number = style.readable_number
    lower, upper = (number(bound, effect.sd) for bound in (effect.ci_lower, effect.ci_upper))
    ax.text(
        0.02,
        0.98,
        f"{number(effect.mean, effect.sd)}  [{lower}, {upper}]",
        transform=ax.transAxes,
        va="top",
        fontsize=8.6,
        fontweight="bold",
    )
    sign = ">" if direction == "increase" else "<"
    ax.text(
        0.02,
        0.875,
        f"P({sign} {threshold:g}) {percent(mass)}".replace("-", "−"),
        transform=ax.transAxes,
        va="top",
        fontsize=8.2,
        color=style.GREEN,
        fontweight="bold",
    )


def percent(probability: float) -> str:
    """Return how a probability compares: "= 97 %", and never 0 or 100."""
    if probability > 0.99:
        return "> 99 %"
    if probability < 0.01:
        return "< 1 %"
    return f"= {100 * probability:.0f} %"


def bandwidth(values: np.ndarray) -> float:
    """Return Silverman's smoothing width for `values`, shape (n,); positive even for constants.

    Source: Silverman (1986), Density Estimation, equation 3.31.
    """
    spread = float(np.std(values))
    quartiles = float(np.subtract(*np.percentile(values, [75, 25]))) / 1.34
    scale = min(spread, quartiles) if quartiles > 0 else spread
    return max(0.9 * scale * len(values) ** -0.2, 1e-12)


def density(values: np.ndarray, grid: np.ndarray, width: float) -> np.ndarray:
    """Return a Gaussian kernel density on an even grid by binning and convolution.

    Parameters
    ----------
    values
        Shape (n,).
    grid
        Evenly spaced, shape (m,).
    width
        Kernel's standard deviation.

    Returns
    -------
    np.ndarray
        Shape (m,), integrating to at most 1.
    """
    step = grid[1] - grid[0]
    edges = np.append(grid - step / 2, grid[-1] + step / 2)
    counts = np.histogram(values, edges)[0] / (len(values) * step)
    reach = max(1, min(len(grid) // 2, int(np.ceil(4 * width / step))))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / max(width, step / 2)) ** 2)
    return np.convolve(counts, kernel / kernel.sum(), mode="same")


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
    variance = np.nanmean(centred**2, axis=1)
    result = np.full((series.shape[0], len(lags)), np.nan)
    for column, lag in enumerate(lags):
        products = centred[:, lag:] * centred[:, :-lag]
        if products.shape[1] and np.isfinite(products[0]).sum() >= 3:
            result[:, column] = np.nanmean(products, axis=1) / variance
    return result
