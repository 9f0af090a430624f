"""The figure of the effects: how large they may be, and how much of that counts as benefit.

Reads the draws of a converged analysis; computes nothing but a density and a share of draws.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from its_pipeline.its.plots import style
from its_pipeline.its.plots.counterfactual import require_effects
from its_pipeline.its.plots.density import bandwidth, density
from its_pipeline.its.plots.frames import Drawing, fix_x_label, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from its_pipeline.its import Analysis, Effect

_GRID_POINTS = 200
# Height, as a share of the panel, below which lines end, so that none crosses the numbers.
_LINE_TOP = 0.78


def _shape(analysis: Analysis) -> Hashable:
    return 2 if require_effects(analysis).sustained is None else 3


def _frame(panels: int) -> Figure:
    figure = new_figure(8.0, 2.6)
    grid = figure.add_gridspec(1, panels, left=0.02, right=0.98, top=0.89, bottom=0.19, wspace=0.08)
    for column in range(panels):
        ax = figure.add_subplot(grid[column])
        ax.yaxis.set_visible(False)
        ax.grid(visible=False)
        ax.spines["left"].set_visible(False)
        ax.locator_params(axis="x", nbins=5)
        fix_x_label(ax)
    return figure


def _fill(figure: Figure, analysis: Analysis, _label: str) -> None:
    effects = require_effects(analysis)
    times, told_unit = analysis.spec.told_effect
    unit = style.axis_label(told_unit, 24)
    draws = analysis.draws
    step = analysis.spec.step
    first = "At once, " + ("on the first day" if step == "day" else f"in the first {step}")
    average = "On average since the change"
    if analysis.is_on_and_off:
        first, average = "The first time", f"On average, {step}s with it"
    panels: list[tuple[str, str, Effect, str, float]] = [
        ("immediate", first, effects.immediate, unit, 0.0)
    ]
    if effects.sustained is not None:
        slope_unit = f"{unit} per {analysis.spec.slope_period}".strip()
        panels.append(("sustained", "Change of the trend", effects.sustained, slope_unit, 0.0))
    panels.append(
        (
            "counterfactual",
            average,
            effects.counterfactual,
            unit,
            analysis.spec.minimum_effect,
        )
    )
    for ax, (key, title, effect, axis_unit, minimum) in zip(figure.axes, panels, strict=True):
        _draw_effect_density(
            ax,
            times * effect_draws(draws, key),
            _times(effect, times),
            analysis.spec.direction,
            times * minimum,
        )
        ax.set_title(title)
        ax.set_xlabel(axis_unit or "outcome units")


EFFECTS = Drawing("effects", _shape, _frame, _fill)


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
    return EFFECTS.figure(analysis)


def _times(effect: Effect, times: float) -> Effect:
    """Return an effect with its mean, sd and interval so many times as large."""
    names = ("mean", "sd", "ci_lower", "ci_upper")
    return replace(effect, **{name: times * getattr(effect, name) for name in names})


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
