"""When the intervention acted, as every panel over days shows it.

What belongs here: which rows of the daily table are days on, and marking them, the start and the
days left out. What does not: what is drawn of the outcome or the effect (`counterfactual`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from its_pipeline.its.plots import style

if TYPE_CHECKING:
    from datetime import date

    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

    from its_pipeline.its import Analysis


def phase_masks(analysis: Analysis) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows are without the intervention, and from its first day on; (n_days,) each."""
    daily = analysis.daily
    without = (daily["phase"] == analysis.phase_names[0]).to_numpy()
    if not analysis.is_on_and_off:
        return without, ~without
    return without, (daily["day"] >= _day_of(analysis.intervention_on)).to_numpy()


def _day_of(day: date) -> np.datetime64:
    import numpy as np

    return np.datetime64(day)


def is_on(daily: pd.DataFrame) -> np.ndarray:
    """Return which rows of a daily table are days with the intervention, shape (n_days,)."""
    return daily["phase"].isin(("post", "on")).to_numpy()


def of_rows(
    analysis: Analysis, x: np.ndarray, rows: np.ndarray, *series: np.ndarray
) -> list[np.ndarray]:
    """Return day numbers and series of the marked rows alone, for a line or a band.

    Where the intervention was on and off again, runs of rows are parted by NaN, so that nothing is
    drawn across the days between them, and reach half a day out, so that one day alone is seen.

    Parameters
    ----------
    analysis
        Whose daily table the rows are of.
    x
        Day numbers, shape (n_days,).
    rows
        Which are wanted, shape (n_days,).
    *series
        Values, each of shape (n_days,).
    """
    import numpy as np

    if not analysis.is_on_and_off:
        return [x[rows], *(values[rows] for values in series)]
    half = spacing(x) / 2
    days, told = [], [[] for _ in series]
    for first, last in _runs(rows):
        run = slice(first, last + 1)
        days.append([x[first] - half, *x[run], x[last] + half, np.nan])
        for parts, values in zip(told, series, strict=True):
            parts.append([values[first], *values[run], values[last], np.nan])
    return [np.concatenate(parts)[:-1] for parts in (days, *told)]


def draw_intervention(ax: Axes, analysis: Analysis, x: np.ndarray, named: bool = False) -> None:
    """Draw when the intervention acted: its start, or its days on, and the days left out.

    Parameters
    ----------
    ax
        Where to draw.
    analysis
        A converged analysis.
    x
        Day numbers, shape (n_days,).
    named
        Whether the legend is to name it.
    """
    half = spacing(x) / 2
    if analysis.is_on_and_off and analysis.by_schedule is not None:
        for number, phase in enumerate(p for p in analysis.by_schedule.phases if p.on):
            ax.axvspan(
                style.date_number(phase.from_on) - half,
                style.date_number(phase.to_on) + half,
                facecolor=style.ORANGE,
                alpha=0.09,
                linewidth=0.0,
                zorder=0,
                gid="on",
                label=f"{analysis.spec.step}s on" if named and number == 0 else None,
            )
    else:
        start = style.date_number(analysis.intervention_on) - half
        ax.axvline(
            start,
            color=style.INK,
            linewidth=1.1,
            linestyle=(0, (1, 1.2)),
            zorder=6,
            gid="intervention",
        )
    left_out = analysis.daily["phase"].isin(("washout", "left_out")).to_numpy()
    name = f"{analysis.spec.step}s left out" if analysis.is_on_and_off else "washout (left out)"
    for number, (first, last) in enumerate(_runs(left_out)):
        ax.axvspan(
            x[first] - half,
            x[last] + half,
            facecolor=style.WASHOUT,
            edgecolor="#b9a76a",
            linewidth=0.0,
            hatch="////",
            alpha=0.75,
            zorder=0,
            gid="washout",
            label=name if named and number == 0 else None,
        )


def _runs(rows: np.ndarray) -> list[tuple[int, int]]:
    """Return first and last number of each run of marked rows."""
    import numpy as np

    edges = np.flatnonzero(np.diff(np.concatenate([[False], rows, [False]]).astype(int)))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def spacing(x: np.ndarray) -> float:
    """Return the usual distance between rows in days; 1 for a daily series."""
    import numpy as np

    return float(np.median(np.diff(x))) if len(x) > 1 else 1.0
