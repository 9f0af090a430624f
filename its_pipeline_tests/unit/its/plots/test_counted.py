"""What figures show of counts and of yes/no: bars, shares of weeks, and nothing that cannot be."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from its_pipeline.its import plots
from its_pipeline.its.linked import LinkedPosterior
from its_pipeline.its.results import PosteriorDraws
from its_pipeline.its.series import POST, PRE
from its_pipeline.report.views import effect_rows
from its_pipeline_tests.unit.report.factories import make_analysis

N_PRE, N = 60, 105
KINDS = ("poisson", "negative_binomial", "binomial", "shares")


def linked_analysis(kind: str) -> Any:
    """Return an analysis of counts, of yes/no, or of shares of 5 trials, with made-up draws."""
    rng = np.random.default_rng(4)
    is_count = kind in ("poisson", "negative_binomial")
    likelihood = "binomial" if kind == "shares" else kind
    base: Any = make_analysis(missing=0.0, has_slope=False, likelihood=likelihood, unit="units")
    trials = 5 if kind == "shares" else 1
    if is_count:
        observed, eta = rng.poisson(1.2, N).astype(float), np.log(1.2)
    else:
        observed, eta = rng.binomial(trials, 0.5, N) / trials, 0.0
    observed[[3, 80]] = np.nan
    shape = base.kept.noise["sigma"].shape
    noise = {**base.kept.noise, "latent_sd": np.full(shape, 0.1), "dispersion": np.full(shape, 0.2)}
    kept = PosteriorDraws(
        {"intercept": np.full(shape, eta)},
        base.kept.estimands,
        noise,
        np.ones((N, 1)),
        np.full(N, float(trials)),
    )
    middle = 1.2 if is_count else 0.5
    levels = {"fitted": middle, "counterfactual": middle, "counterfactual_lower": 0.0}
    levels |= {"counterfactual_upper": 2 * middle, "counterfactual_lower_50": 0.8 * middle}
    levels |= {"counterfactual_upper_50": 1.2 * middle}
    return replace(base, daily=base.daily.assign(observed=observed, **levels), kept=kept)


def by_gid(figure: Any, gid: str) -> list[Any]:
    return figure.findobj(lambda artist: artist.get_gid() == gid)


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_can_be_drawn_and_none_leaves_what_can_be(kind: str):
    analysis = linked_analysis(kind)
    most = 1.0 if kind in ("binomial", "shares") else np.inf
    for drawing in plots.DRAWINGS.values():
        assert drawing.png(analysis, "Outcome", 40)[:4] == b"\x89PNG"
    check = plots.predictive_check_figure(analysis).axes
    for ax in (plots.counterfactual_figure(analysis).axes[0], check[2]):
        low, high = ax.get_ylim()
        assert low >= 0.0
        assert high <= most
    if kind == "shares":
        assert check[0].get_xlim() == (0.0, 1.0)


@pytest.mark.parametrize("kind", ["poisson", "binomial"])
def test_bars_hold_the_observed_shares_of_days(kind: str):
    analysis = linked_analysis(kind)
    bars = by_gid(plots.predictive_check_figure(analysis), "observed-bar")
    observed = analysis.daily["observed"].dropna().to_numpy()
    for value, bar in enumerate(bars):
        assert bar.get_x() + bar.get_width() / 2 == pytest.approx(value)
        assert bar.get_height() == pytest.approx(np.mean(observed == value))
    assert sum(bar.get_height() for bar in bars) == pytest.approx(1.0)


def test_yes_and_no_are_ticks_and_weeks_never_cross_the_change():
    analysis = linked_analysis("binomial")
    figure = plots.counterfactual_figure(analysis)
    observed = analysis.daily["observed"].to_numpy()
    ticks = {len(line.get_xdata()) for line in by_gid(figure, "observed")}
    assert ticks == {int(np.sum(observed == 0)), int(np.sum(observed == 1))}
    (marks,) = by_gid(figure, "weekly-share")
    shares = list(marks.get_ydata())
    last_of_pre = (N_PRE // 7) - 1 + (N_PRE % 7 >= 3)
    assert shares[last_of_pre] == np.nanmean(observed[N_PRE - 7 : N_PRE])
    assert shares[last_of_pre + 1] == np.nanmean(observed[N_PRE : N_PRE + 7])


def test_shares_are_told_in_percentage_points_and_counts_add_up_to_counts():
    analysis = linked_analysis("binomial")
    rows = {row.name: row for row in effect_rows(analysis)}
    assert rows["Average effect"].unit == "percentage points"
    told = float(rows["Average effect"].mean.replace("−", "-").replace(",", ""))
    assert told == pytest.approx(100 * analysis.effects.counterfactual.mean, rel=0.05)
    counts = {row.name: row for row in effect_rows(linked_analysis("poisson"))}
    assert counts["Total effect"].unit == "units"


@pytest.mark.parametrize("is_count", [True, False])
def test_widened_bands_end_where_means_end(is_count: bool):
    without = np.random.default_rng(1).uniform(0.1, 0.9, (20, 400))
    series = SimpleNamespace(phase=np.repeat([PRE, POST], 10), observed=np.ones(20, dtype=bool))
    response: Any = SimpleNamespace(
        fit=SimpleNamespace(series=series),
        with_it=without,
        counterfactual=without,
        likelihood=SimpleNamespace(is_count=is_count),
    )
    diagnostics: Any = None
    bands = LinkedPosterior(response, diagnostics, factor=4.0).bands()
    assert bands.counterfactual.min() == 0.0
    assert (bands.counterfactual.max() == 1.0) != is_count
