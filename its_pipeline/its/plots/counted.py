"""Pictures of what is counted: shares of days by value, and shares of yes by week.

What belongs here: what figures of counts and of yes/no outcomes show in the place of densities and
of dots at 0 and 1. What does not: the figures themselves, or anything of measurements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from its_pipeline.its.plots import style
from its_pipeline.its.plots.days_on import spacing
from its_pipeline.its.plots.frames import draw_legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from its_pipeline.its import Analysis

_MOST_BARS = 25
_STEPS_OF_A_MARK = 7
_FEWEST_OF_A_MARK = 3
"""A share of fewer observed days is hardly more than the days themselves."""


def is_yes_or_no(analysis: Analysis) -> bool:
    """Return whether every observed day is a yes (1) or a no (0), not a share of several trials."""
    observed = analysis.daily["observed"].to_numpy(float)
    return analysis.spec.is_share and bool(np.isin(observed[np.isfinite(observed)], (0, 1)).all())


def is_discrete(analysis: Analysis) -> bool:
    """Return whether days have few values, so that bars tell them and densities do not."""
    return analysis.spec.is_count or is_yes_or_no(analysis)


def weeks(
    analysis: Analysis, x: np.ndarray, observed: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return where marks of seven steps of one phase lie, and which rows each is of.

    They are counted from the intervention, so that none is of days before it and after it.

    Parameters
    ----------
    analysis
        A converged analysis.
    x, observed
        Day numbers and what was observed, NaN where nothing was, shape (n_days,) each.
    """
    start = style.date_number(analysis.intervention_on)
    table = analysis.daily[["phase"]].assign(
        observed=observed,
        row=np.arange(len(x)),
        week=np.floor((x - start) / (_STEPS_OF_A_MARK * spacing(x))),
    )
    groups = table.dropna().groupby(["week", "phase"], sort=True)["row"]
    found = sorted((each.to_numpy() for _, each in groups), key=lambda each: float(x[each].mean()))
    rows = [each for each in found if len(each) >= _FEWEST_OF_A_MARK] or found
    return np.array([x[each].mean() for each in rows]), rows


def week_name(analysis: Analysis) -> str:
    """Return what the steps of one mark are called, for many of them."""
    return "weeks" if analysis.spec.calendar.is_daily else f"seven {analysis.spec.step}s"


def shares_of(values: np.ndarray, rows: list[np.ndarray]) -> np.ndarray:
    """Return the mean of some rows, which are the last axis of `values`, for each of `rows`."""
    return np.stack([values[..., each].mean(axis=-1) for each in rows], axis=-1)


def draw_bars(
    ax: Axes, observed: np.ndarray, simulated: np.ndarray, name: str, *, yes_or_no: bool
) -> None:
    """Draw the share of observed days with each value, over the range of simulated series.

    Parameters
    ----------
    ax
        Where.
    observed
        Shape (n_observed,).
    simulated
        Shape (n_series, n_observed).
    name
        Of the outcome.
    yes_or_no
        Whether there are the values 0 and 1 alone.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    top = 1 if yes_or_no else int(max(observed.max(), np.percentile(simulated, 99.5)))
    width = -(-(top + 1) // _MOST_BARS)
    edges = np.arange(0, top + width + 1, width) - 0.5
    middles = edges[:-1] + width / 2
    shares = np.histogram(observed, edges)[0] / len(observed)
    replicated = np.array([np.histogram(row, edges)[0] for row in simulated]) / len(observed)
    lower, middle, upper = np.percentile(replicated, [2.5, 50, 97.5], axis=0)
    for number, (place, share) in enumerate(zip(middles, shares, strict=True)):
        ax.bar(
            place,
            share,
            width=0.8 * width,
            color=style.FAINT,
            edgecolor=style.INK,
            linewidth=0.6,
            gid="observed-bar",
            label="observed" if number == 0 else None,
        )
    ax.vlines(
        middles,
        lower,
        upper,
        color=style.BLUE,
        linewidth=2.0,
        label="95 % of simulated",
        gid="simulated-range",
    )
    ax.plot(middles, middle, "o", color=style.BLUE, markersize=3.0)
    ax.set_xlim(edges[0], edges[-1])
    highest = max(float(shares.max()), float(upper.max()))
    # Room for the legend above the highest bar.
    ax.set_ylim(0.0, 1.3 * highest)
    ax.set_yticks(np.array(MaxNLocator(4).tick_values(0.0, min(1.0, 1.1 * highest)))[:-1])
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    if yes_or_no:
        ax.set_xticks([0, 1], ["no", "yes"])
    else:
        ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.set_xlabel(name)
    draw_legend(
        ax, *ax.get_legend_handles_labels(), loc="upper right", fontsize=7.2, handlelength=1.2
    )
