"""The sampler's own picture, as the estimator or as the auditor: may its chains be believed at all.

Here belongs the diagnostics figure. It works for every analysis, converged or not, and for one that
did not converge it shows nothing but nuisance parameters and diagnostics.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import TYPE_CHECKING

import numpy as np

from its_pipeline.its.plots import style
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

    from its_pipeline.its import Analysis, ParameterDiagnostics

TRACE_POINTS = 250
RANK_BINS = 20
_MAX_TRACES = 4
_MAX_LISTED = 14
_EFFECT_CHAINS = ("counterfactual_effect",)
_NAMES = {"counterfactual_effect": "average effect"}


def _shape(analysis: Analysis) -> Hashable:
    return len(_chosen_chains(analysis))


def _say_not_audited(figure: Figure, analysis: Analysis) -> None:
    """Say what stands in for chains where no sampler ran."""
    error = analysis.diagnostics.quadrature_error
    figure.text(
        0.02,
        0.5,
        "Computed by quadrature; no sampler audited this analysis.\n"
        f"Leaving out every second node moves an effect by at most {error:.4f} standard "
        "deviations.",
        va="center",
        gid="not-audited",
    )


def _frame(n_traces: int) -> Figure:
    if n_traces == 0:
        return new_figure(8.0, 1.0)
    rows = max(2, n_traces)
    figure = new_figure(8.0, 1.0 + 1.15 * rows)
    height = figure.get_figheight()
    frame = {"top": 1 - 0.32 / height, "bottom": 0.46 / height}
    grid = figure.add_gridspec(
        rows, 2, width_ratios=(1.5, 1.0), left=0.02, right=0.61, wspace=0.08, hspace=0.62, **frame
    )
    side = figure.add_gridspec(1, 2, left=0.745, right=0.985, wspace=0.16, **frame)
    for row in range(n_traces):
        trace, ranks = figure.add_subplot(grid[row, 0]), figure.add_subplot(grid[row, 1])
        trace.locator_params(axis="x", nbins=4)
        for ax in (trace, ranks):
            ax.yaxis.set_visible(False)
        ranks.set_title("Ranks by chain", fontsize=8.6)
        ranks.set_xticks([])
        fix_x_label(trace)
        fix_x_label(ranks, below_points=4.0)
        if row == n_traces - 1:
            trace.set_xlabel("draw")
            ranks.set_xlabel("rank, from low to high")
        else:
            trace.tick_params(labelbottom=False)
    r_hat = figure.add_subplot(side[0])
    r_hat.set_title("R-hat", fontsize=8.6)
    ess = figure.add_subplot(side[1], sharey=r_hat)
    for ax in (r_hat, ess):
        fix_x_label(ax)
        fix_y_label(ax, 0.0)
    ess.set_xscale("log")
    ess.minorticks_off()
    ess.tick_params(axis="y", labelleft=False)
    ess.set_title("ESS", fontsize=8.6)
    return figure


def _fill(figure: Figure, analysis: Analysis, _label: str) -> None:
    from its_pipeline.its.inference.diagnostics import ESS_MIN, R_HAT_MAX

    if not analysis.diagnostics.is_sampled:
        _say_not_audited(figure, analysis)
        return
    *pairs, r_hat, ess = figure.axes
    names = {**analysis.parameter_labels, **_NAMES}
    for row, (name, values) in enumerate(_chosen_chains(analysis).items()):
        trace, ranks = pairs[2 * row], pairs[2 * row + 1]
        _draw_trace(trace, values)
        _draw_ranks(ranks, values)
        trace.set_title(f"Trace: {names.get(name, style.axis_label(name, 30))}", fontsize=8.6)
    worst = _worst(analysis.diagnostics.parameters)
    _draw_r_hat(r_hat, worst, R_HAT_MAX)
    _draw_ess(ess, worst, ESS_MIN)


DIAGNOSTICS = Drawing("diagnostics", _shape, _frame, _fill)


def diagnostics_figure(analysis: Analysis) -> Figure:
    """Draw traces, rank histograms, R-hat and effective sample sizes against the gate's thresholds.

    Parameters
    ----------
    analysis
        Any analysis that was sampled. Effects are drawn only of one that converged.

    Returns
    -------
    Figure
        A row of trace and ranks for each chosen parameter; beside them R-hat and ESS of the worst
        parameters.
    """
    return DIAGNOSTICS.figure(analysis)


def _chosen_chains(analysis: Analysis) -> dict[str, np.ndarray]:
    """Return the (chain, draw) arrays to show: effects only of what converged."""
    chains = {name: np.asarray(values, float) for name, values in analysis.sampler_trace.items()}
    if analysis.effects is not None and not analysis.diagnostics.by_quadrature:
        draws = analysis.draws
        effects = {name: np.asarray(draws[name], float) for name in _EFFECT_CHAINS if name in draws}
        chains = {**effects, **chains}
    return dict(list(chains.items())[:_MAX_TRACES])


def _draw_trace(ax: Axes, values: np.ndarray) -> None:
    """Draw every chain, thinned to at most `TRACE_POINTS` points."""
    stride = max(1, math.ceil(values.shape[1] / TRACE_POINTS))
    x = np.arange(0, values.shape[1], stride)
    for chain, row in enumerate(values):
        ax.plot(
            x,
            row[::stride],
            linewidth=0.6,
            alpha=0.75,
            color=style.CHAIN_COLOURS[chain % len(style.CHAIN_COLOURS)],
            gid=f"chain-{chain}",
        )
    ax.set_xlim(0, values.shape[1])


def _draw_ranks(ax: Axes, values: np.ndarray) -> None:
    """Draw each chain's histogram of ranks among all draws; even means the chains agree.

    Source: Vehtari et al. (2021), Bayesian Analysis 16(2), section 4.
    """
    from matplotlib.collections import LineCollection

    n_chains, n_draws = values.shape
    order = np.argsort(values, axis=None, kind="stable")
    ranks = np.empty(values.size)
    ranks[order] = np.arange(values.size)
    ranks = ranks.reshape(values.shape)
    edges = np.linspace(0, values.size, RANK_BINS + 1)
    heights = [np.histogram(chain, edges)[0] * RANK_BINS / n_draws for chain in ranks]
    numbers = range(n_chains)
    steps = LineCollection(
        [np.column_stack([np.repeat(edges, 2)[1:-1], np.repeat(each, 2)]) for each in heights],
        linewidths=1.1,
        alpha=0.9,
        colors=[style.CHAIN_COLOURS[n % len(style.CHAIN_COLOURS)] for n in numbers],
        linestyles=[style.CHAIN_STYLES[n % len(style.CHAIN_STYLES)] for n in numbers],
        gid="ranks",
    )
    ax.add_collection(steps)
    ax.axhline(1.0, color=style.MUTED, linewidth=0.8)
    ax.set_ylim(0, max(2.0, 1.05 * float(np.max(heights))))
    ax.set_xlim(0, values.size)


def _worst(parameters: tuple[ParameterDiagnostics, ...]) -> list[ParameterDiagnostics]:
    """Return the parameters to list, worst R-hat last so that it is drawn on top."""
    return sorted(parameters, key=lambda p: -1.0 if math.isnan(p.r_hat) else -p.r_hat)[
        :_MAX_LISTED
    ][::-1]


def _draw_r_hat(ax: Axes, parameters: list[ParameterDiagnostics], limit: float) -> None:
    """Draw R-hat per parameter with its threshold."""
    rows = np.arange(len(parameters))
    values = np.array([p.r_hat for p in parameters])
    finite = values[np.isfinite(values)]
    good = values < limit
    ax.plot(values[good], rows[good], "o", color=style.INK, markersize=4)
    ax.plot(values[~good], rows[~good], "D", color=style.ORANGE, markersize=5, gid="r-hat-failed")
    ax.axvline(limit, color=style.ORANGE, linewidth=1.2, linestyle=(0, (3, 1.5)), gid="r-hat-limit")
    top = max(limit, float(finite.max()) if len(finite) else limit)
    ax.set_xlim(0.9985, top + 0.15 * (top - 0.9985))
    ax.set_xticks([1.0, limit] if top < 1.05 else [1.0, round(top, 1)])
    ax.set_xticklabels(["1", f"{limit:g}"] if top < 1.05 else ["1", f"{top:.1f}"])
    ax.set_yticks(
        rows, [style.axis_label(p.name.replace("_", " "), 22) for p in parameters], fontsize=6.8
    )
    ax.set_ylim(-0.7, max(1, len(parameters)) - 0.3)
    ax.set_xlabel(f"must be < {limit:g}")


def _draw_ess(ax: Axes, parameters: list[ParameterDiagnostics], limit: float) -> None:
    """Draw bulk and tail effective sample sizes per parameter with their threshold."""
    rows = np.arange(len(parameters))
    for offset, marker, name, attribute in (
        (0.14, "o", "bulk", "ess_bulk"),
        (-0.14, "s", "tail", "ess_tail"),
    ):
        values = np.array([getattr(p, attribute) for p in parameters])
        ax.plot(
            values,
            rows + offset,
            marker,
            color=style.INK if name == "bulk" else style.BLUE,
            markersize=3.6,
            label=name,
        )
    ax.axvline(limit, color=style.ORANGE, linewidth=1.2, linestyle=(0, (3, 1.5)), gid="ess-limit")
    highest = max(
        [limit, *[v for p in parameters for v in (p.ess_bulk, p.ess_tail) if math.isfinite(v)]]
    )
    lowest = min(
        [limit, *[v for p in parameters for v in (p.ess_bulk, p.ess_tail) if math.isfinite(v)]]
    )
    ax.set_xlim(max(1.0, lowest) / 1.6, highest * 1.6)
    ax.set_xticks([limit], [f"{limit:g}"])
    ax.set_xlabel(f"must be ≥ {limit:g}")
    draw_legend(
        ax,
        *ax.get_legend_handles_labels(),
        loc="lower right",
        bbox_to_anchor=(1.04, 0.985),
        ncols=2,
        fontsize=6.6,
        handlelength=0.6,
        columnspacing=0.6,
        handletextpad=0.2,
        borderaxespad=0.3,
    )
