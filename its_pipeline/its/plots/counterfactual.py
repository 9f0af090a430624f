"""The main picture: what was observed against what would have been expected without the change.

Here belong the three-panel counterfactual figure and its thumbnail. Both read `analysis.daily`
alone and compute nothing statistical.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from its_pipeline.its.plots import style
from its_pipeline.its.plots.counted import is_yes_or_no, shares_of, week_name, weeks
from its_pipeline.its.plots.days_on import (
    draw_intervention,
    is_on,
    of_rows,
    phase_masks,
    spacing,
)
from its_pipeline.its.plots.frames import (
    Drawing,
    draw_legend,
    fix_x_label,
    fix_y_label,
    new_figure,
)

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from its_pipeline.its import Analysis, Effects
    from its_pipeline.schedules.cadence import Cadence

THUMBNAIL_MAX_BYTES = 30_000
_THUMBNAIL_DPI = (100, 80, 60)
_TWO_ROWS = 8


def require_effects(analysis: Analysis) -> Effects:
    """Return the effects, or refuse to draw an analysis that has none.

    Raises
    ------
    ValueError
        If `analysis.effects` is None, as it is for every analysis that did not converge.
    """
    if analysis.effects is None:
        raise ValueError(
            "this analysis did not converge, so it has no effects to draw; "
            "draw diagnostics_figure(analysis) instead"
        )
    return analysis.effects


def _frame(shape: tuple[bool, Cadence]) -> Figure:
    is_on_and_off, calendar = shape
    figure = new_figure(8.0, 7.0)
    grid = figure.add_gridspec(
        3, 1, height_ratios=(3.1, 1.15, 1.15), left=0.095, right=0.975, top=0.895, bottom=0.06
    )
    grid.update(hspace=0.3)
    top = figure.add_subplot(grid[0])
    point, total = (figure.add_subplot(grid[row], sharex=top) for row in (1, 2))
    for ax in (top, point, total):
        style.date_axis(ax, calendar, show_labels=ax is total)
    for ax in (point, total):
        ax.locator_params(axis="y", nbins=4)
    top.set_title(
        "Observed, and expected without it"
        if is_on_and_off
        else "Observed, and expected without the change",
        pad=35,
    )
    total.set_title(
        f"Difference added up over the {calendar.step}s with it"
        if is_on_and_off
        else "Difference added up since the change"
    )
    for ax in (top, point, total):
        fix_y_label(ax, 0.032)
    for ax in (top, point):
        fix_x_label(ax)
    return figure


def _fill(figure: Figure, analysis: Analysis, label: str) -> None:
    top, point, total = figure.axes
    x = style.date_numbers(analysis.daily["day"])
    times, unit = analysis.spec.told_effect
    unit = style.axis_label(unit, 20)
    draw_levels(top, analysis, x)
    top.set_ylabel(outcome_name(analysis, label))
    _draw_legend(top, analysis.spec.step)
    _draw_effect(point, analysis, x, ("effect", "effect_lower", "effect_upper"), times)
    point.set_title(f"Difference from expected, each {analysis.spec.step}")
    point.set_ylabel(unit or "difference")
    _draw_effect(total, analysis, x, ("cumulative_effect", "cumulative_lower", "cumulative_upper"))
    total.set_ylabel("sum" if analysis.spec.is_share else unit or "sum")
    top.set_xlim(x[0] - _margin(x), x[-1] + _margin(x))


def _shape(analysis: Analysis) -> Hashable:
    require_effects(analysis)
    return analysis.is_on_and_off, analysis.spec.calendar


COUNTERFACTUAL = Drawing("counterfactual", _shape, _frame, _fill)


def counterfactual_figure(analysis: Analysis, label: str = "") -> Figure:
    """Draw the observed days against the counterfactual, then the daily and the summed effect.

    Parameters
    ----------
    analysis
        A converged analysis.
    label
        The outcome's name for the axis; "Outcome" where empty. The unit comes from
        `analysis.spec.unit`.

    Returns
    -------
    Figure
        Three panels on one axis of local dates. Days without data are gaps in the line and ticks at
        the bottom.

    Raises
    ------
    ValueError
        If the analysis has no effects.
    """
    return COUNTERFACTUAL.figure(analysis, label)


def _draw_legend(ax: Axes, step: str) -> None:
    """Put the legend above the panel, in the order in which a reader needs it."""
    by_name = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    wanted = (
        "observed",
        "share of yes",
        "no data",
        "fitted mean",
        "expected without it",
        "50 % band",
        "95 % band",
        "effect",
        f"{step}s on",
        f"{step}s left out",
        "washout",
    )
    names = [name for start in wanted for name in by_name if name.startswith(start)]
    draw_legend(
        ax,
        [by_name[name] for name in names],
        names,
        loc="lower left",
        bbox_to_anchor=(-0.012, 0.99),
        # Two rows of them have room under the title.
        ncols=4 if len(names) <= _TWO_ROWS else 5,
        borderaxespad=0.2,
        fontsize=7.6,
        labelspacing=0.35,
    )


def draw_levels(ax: Axes, analysis: Analysis, x: np.ndarray) -> None:
    """Draw observed values, fitted mean, counterfactual with bands and the intervention onto `ax`.

    Parameters
    ----------
    ax
        Where to draw.
    analysis
        A converged analysis.
    x
        Day numbers, shape (n_days,).
    """
    daily = analysis.daily
    pre, after = phase_masks(analysis)
    observed = daily["observed"].to_numpy(float)
    draw_intervention(ax, analysis, x, named=True)
    ax.fill_between(
        x[after],
        daily["counterfactual_lower"].to_numpy(float)[after],
        daily["counterfactual_upper"].to_numpy(float)[after],
        color=style.BLUE,
        alpha=0.14,
        linewidth=0,
        label="95 % band",
    )
    ax.fill_between(
        x[after],
        daily["counterfactual_lower_50"].to_numpy(float)[after],
        daily["counterfactual_upper_50"].to_numpy(float)[after],
        color=style.BLUE,
        alpha=0.25,
        linewidth=0,
        label="50 % band",
    )
    fitted = daily["fitted"].to_numpy(float)
    counterfactual = daily["counterfactual"].to_numpy(float)
    post = is_on(daily)
    days_on, with_it, without_it = of_rows(analysis, x, post, fitted, counterfactual)
    ax.fill_between(
        days_on,
        with_it,
        without_it,
        facecolor=(*style.ORANGE_RGB, 0.12),
        edgecolor=(*style.ORANGE_RGB, 0.55),
        hatch="||||",
        linewidth=0,
        label="effect",
    )
    if is_yes_or_no(analysis):
        _draw_answers(ax, analysis, x, observed)
    else:
        ax.plot(x, observed, color=style.FAINT, linewidth=0.9, zorder=2, gid="observed-line")
        ax.plot(
            x,
            observed,
            linestyle="none",
            marker="o",
            markersize=_marker_size(x),
            color=style.INK,
            markeredgewidth=0,
            alpha=0.75,
            zorder=3,
            label="observed",
            gid="observed",
            # Counts of 0 lie on the axis itself.
            clip_on=False,
        )
    ax.plot(
        x[after],
        counterfactual[after],
        color=style.BLUE,
        linewidth=1.7,
        linestyle=(0, (4, 1.6)),
        zorder=5,
        label="expected without it",
    )
    ax.plot(
        *of_rows(analysis, x, pre, fitted),
        color=style.ORANGE,
        linewidth=1.7,
        zorder=4,
        label="fitted mean",
        gid="fitted-pre",
    )
    ax.plot(days_on, with_it, color=style.ORANGE, linewidth=1.7, zorder=4, gid="fitted-post")
    _mark_missing(ax, x, observed, analysis)
    bands = daily[["counterfactual_lower", "counterfactual_upper"]].to_numpy(float)[after]
    possible = analysis.spec.possible
    style.fit_height(ax, observed, fitted, counterfactual[after], bands, possible=possible)


def _draw_answers(ax: Axes, analysis: Analysis, x: np.ndarray, observed: np.ndarray) -> None:
    """Draw a tick a day, at the top for yes and at the bottom for no, and the shares of weeks."""
    from matplotlib.markers import TICKDOWN, TICKUP

    for answer, marker in ((0.0, TICKUP), (1.0, TICKDOWN)):
        days = x[observed == answer]
        ax.plot(
            days,
            [answer] * len(days),
            linestyle="none",
            marker=marker,
            markersize=5,
            markeredgewidth=1.0,
            color=style.INK,
            alpha=0.6,
            zorder=3,
            label="observed yes or no" if answer == 0.0 else None,
            gid="observed",
        )
    places, rows = weeks(analysis, x, observed)
    ax.plot(
        places,
        shares_of(observed, rows),
        linestyle="none",
        marker="s",
        markersize=4.5,
        color=style.INK,
        markeredgewidth=0,
        zorder=4,
        label=f"share of yes, {week_name(analysis)}",
        gid="weekly-share",
        clip_on=False,
    )


def _draw_effect(
    ax: Axes, analysis: Analysis, x: np.ndarray, names: tuple[str, str, str], times: float = 1.0
) -> None:
    """Draw one effect series, so many times, with its 95 % band and the line of no effect."""
    import numpy as np

    daily = analysis.daily
    post = is_on(daily)
    effect = [times * daily[name].to_numpy(float) for name in names]
    shown, line, low, high = of_rows(analysis, x, post, *effect)
    draw_intervention(ax, analysis, x)
    ax.axhline(0.0, color=style.MUTED, linewidth=1.0, zorder=2, gid="zero")
    ax.fill_between(shown, low, high, color=style.ORANGE, alpha=0.2, linewidth=0)
    ax.plot(shown, line, color=style.ORANGE, linewidth=1.5, gid=names[0])
    style.fit_height(ax, np.stack(effect)[:, post], 0.0)


def _mark_missing(ax: Axes, x: np.ndarray, observed: np.ndarray, analysis: Analysis) -> None:
    """Put a mark at the bottom for each day without data: a tick, or a cross among ticks."""
    import numpy as np

    period, is_ticked = analysis.spec.step, is_yes_or_no(analysis)
    missing = np.isnan(observed)
    if missing.any():
        count = int(missing.sum())
        ax.plot(
            x[missing],
            np.full(count, 0.012),
            linestyle="none",
            marker="x" if is_ticked else "|",
            markersize=3.5 if is_ticked else 5,
            markeredgewidth=1.0,
            color=style.MUTED,
            transform=ax.get_xaxis_transform(),
            label=f"no data ({count} {period}{'s' * (count > 1)})",
            gid="missing",
            zorder=3,
        )


def _margin(x: np.ndarray) -> float:
    return max(spacing(x), 0.012 * float(x[-1] - x[0]))


def _marker_size(x: np.ndarray) -> float:
    return 3.4 if len(x) <= 120 else 2.6


def outcome_name(analysis: Analysis, label: str) -> str:
    """Return the outcome's name with its unit, safe to draw."""
    unit = style.axis_label(analysis.spec.unit, 20)
    if analysis.spec.is_share:
        unit = "share of yes" if is_yes_or_no(analysis) else "share"
    name = style.axis_label(label) or "Outcome"
    return f"{name} ({unit})" if unit else name


def _thumbnail_frame(shape: tuple[bool, Cadence]) -> Figure:
    figure = new_figure(4.2, 2.1)
    ax = figure.add_axes((0.1, 0.13, 0.88, 0.83))
    style.date_axis(ax, shape[1])
    ax.tick_params(labelsize=7)
    ax.xaxis.get_offset_text().set_visible(False)
    ax.locator_params(axis="y", nbins=4)
    fix_y_label(ax, 0.0)
    return figure


def _fill_thumbnail(figure: Figure, analysis: Analysis, _label: str) -> None:
    (ax,) = figure.axes
    x = style.date_numbers(analysis.daily["day"])
    draw_levels(ax, analysis, x)
    ax.set_xlim(x[0] - _margin(x), x[-1] + _margin(x))


THUMBNAIL = Drawing("thumbnail", _shape, _thumbnail_frame, _fill_thumbnail)


def thumbnail_png(analysis: Analysis) -> bytes:
    """Return a small PNG (under 30 KB) of the top panel, for a glance.

    Raises
    ------
    ValueError
        If the analysis has no effects.
    RuntimeError
        If no resolution brings the picture under the limit.
    """
    for dpi in _THUMBNAIL_DPI:
        data = THUMBNAIL.png(analysis, dpi=dpi)
        if len(data) < THUMBNAIL_MAX_BYTES:
            return data
    raise RuntimeError(
        f"the thumbnail must be under {THUMBNAIL_MAX_BYTES} bytes at {_THUMBNAIL_DPI[-1]} dpi but "
        f"is not, with {len(analysis.daily)} days; draw fewer days"
    )
