"""What the figures show, by their artists, labels and limits; never by pixels."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import matplotlib as mpl  # noqa: TID253
import matplotlib.colors as mcolors  # noqa: TID253
import matplotlib.dates as mdates  # noqa: TID253
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: TID253
from matplotlib.figure import Figure  # noqa: TID253
from PIL import Image

from its_pipeline.its import plots
from its_pipeline.its.inference.diagnostics import ESS_MIN, R_HAT_MAX
from its_pipeline.its.plots.density import bandwidth, density
from its_pipeline.its.plots.diagnostics import TRACE_POINTS
from its_pipeline.its.plots.frames import new_figure
from its_pipeline.its.plots.predictive_check import REPLICATES, SEED, autocorrelation
from its_pipeline_tests.unit.report.factories import STARTED_ON, make_analysis
from its_pipeline_tests.unit.report.scheduled import LOT, REVERSAL, scheduled_analysis


def by_gid(figure: Figure, gid: str) -> list[Any]:
    return figure.findobj(lambda artist: artist.get_gid() == gid)


@pytest.fixture(scope="module")
def analysis():
    return make_analysis(9.0, 0.1, washout_days=5, missing=0.2, minimum_effect=2.0)


@pytest.fixture(scope="module")
def figure(analysis):
    return plots.counterfactual_figure(analysis, "Session score")


def test_observed_days_are_all_there_and_missing_ones_are_gaps(analysis, figure):
    observed = analysis.daily["observed"].to_numpy()
    (dots,) = by_gid(figure, "observed")
    np.testing.assert_array_equal(dots.get_ydata(), observed)
    (line,) = by_gid(figure, "observed-line")
    assert np.isnan(line.get_ydata()).sum() == np.isnan(observed).sum() > 0
    (missing,) = by_gid(figure, "missing")
    days = mdates.date2num(analysis.daily["day"].to_numpy())
    np.testing.assert_array_equal(missing.get_xdata(), days[np.isnan(observed)])
    assert f"no data ({np.isnan(observed).sum()} days)" in missing.get_label()


def test_intervention_lies_just_before_its_day_on_every_panel(figure):
    lines = by_gid(figure, "intervention")
    assert len(lines) == 3
    for line in lines:
        assert line.get_xdata()[0] == mdates.date2num(STARTED_ON) - 0.5


def test_washout_is_shaded_over_its_days_and_holds_no_fit(figure):
    spans = by_gid(figure, "washout")
    assert len(spans) == 3
    start = mdates.date2num(STARTED_ON) - 0.5
    assert spans[0].get_x() == start
    assert spans[0].get_width() == 5
    (fitted,) = by_gid(figure, "fitted-post")
    assert fitted.get_xdata().min() == mdates.date2num(STARTED_ON + timedelta(days=5))


def test_no_washout_shades_nothing():
    assert by_gid(plots.counterfactual_figure(make_analysis(missing=0.0)), "washout") == []
    assert by_gid(plots.counterfactual_figure(make_analysis(missing=0.0)), "missing") == []


def test_fitted_and_effect_lines_carry_the_analysis_numbers(analysis, figure):
    daily = analysis.daily
    pre, post = (daily[daily["phase"] == phase] for phase in ("pre", "post"))
    for gid, wanted in (
        ("fitted-pre", pre["fitted"]),
        ("fitted-post", post["fitted"]),
        ("effect", post["effect"]),
        ("cumulative_effect", post["cumulative_effect"]),
    ):
        (line,) = by_gid(figure, gid)
        np.testing.assert_array_equal(line.get_ydata(), wanted.to_numpy())


def test_axes_are_labelled_with_outcome_and_unit_and_share_their_days(figure):
    top, point, total = figure.axes
    assert top.get_ylabel() == "Session score (points)"
    assert point.get_ylabel() == total.get_ylabel() == "points"
    assert top.get_xlim() == point.get_xlim() == total.get_xlim()
    names = [text.get_text() for text in top.get_legend().get_texts()]
    assert names == [
        "observed", "no data (16 days)", "fitted mean", "expected without it", "50 % band",
        "95 % band", "effect", "washout (left out)",
    ]  # fmt: skip


def test_band_of_95_holds_that_of_50(analysis, figure):
    top = figure.axes[0]
    bands = {artist.get_label(): artist for artist in top.collections}
    daily = analysis.daily[analysis.daily["phase"] != "pre"]
    wide = bands["95 % band"].get_paths()[0].vertices
    assert wide[:, 1].min() == pytest.approx(daily["counterfactual_lower"].min())
    assert wide[:, 1].max() == pytest.approx(daily["counterfactual_upper"].max())
    narrow = bands["50 % band"].get_paths()[0].vertices
    assert np.ptp(narrow[:, 1]) < np.ptp(wide[:, 1])


@pytest.mark.parametrize("direction", ["increase", "decrease"])
def test_effects_show_zero_minimum_interval_and_benefit(direction: str):
    analysis = make_analysis(9.0, minimum_effect=2.0, direction=direction)
    figure = plots.effects_figure(analysis)
    assert analysis.effects is not None
    assert len(figure.axes) == 3
    assert len(by_gid(figure, "zero")) == 3
    (least,) = by_gid(figure, "minimum-effect")
    assert least.get_xdata()[0] == (2.0 if direction == "increase" else -2.0)
    intervals = [tuple(line.get_xdata()) for line in by_gid(figure, "interval")]
    effects = analysis.effects
    assert effects.sustained is not None
    assert intervals == [
        (e.ci_lower, e.ci_upper)
        for e in (effects.immediate, effects.sustained, effects.counterfactual)
    ]
    shown = " ".join(text.get_text() for ax in figure.axes for text in ax.texts)
    sign = "> 2" if direction == "increase" else "< −2"
    assert f"P({sign})" in shown
    assert "-0" not in shown
    average = by_gid(figure, "benefit")[2].get_paths()
    side = np.concatenate([path.vertices[:, 0] for path in average]) if average else np.array([])
    assert (side >= 2.0 - 0.2).all() if direction == "increase" else (side <= -2.0 + 0.2).all()


def test_effects_without_a_slope_have_two_panels():
    assert len(plots.effects_figure(make_analysis(has_slope=False)).axes) == 2


def test_predictive_check_counts_the_days_outside_its_band(analysis):
    figure = plots.predictive_check_figure(analysis, "Score")
    fitted = analysis.daily["phase"] != "washout"
    observed = analysis.daily["observed"].where(fitted).to_numpy()
    simulated = analysis.posterior_predictive(REPLICATES, SEED)
    lower, upper = np.percentile(simulated, [2.5, 97.5], axis=0)
    outside = (observed < lower) | (observed > upper)
    (dots,) = by_gid(figure, "outside")
    np.testing.assert_array_equal(dots.get_ydata(), observed[outside])
    again = plots.predictive_check_figure(analysis, "Score")
    assert plots.render(figure, dpi=40) == plots.render(again, dpi=40)


def test_diagnostics_show_thresholds_and_mark_what_failed():
    analysis = make_analysis(converged=False)
    figure = plots.diagnostics_figure(analysis)
    assert by_gid(figure, "r-hat-limit")[0].get_xdata()[0] == R_HAT_MAX
    assert by_gid(figure, "ess-limit")[0].get_xdata()[0] == ESS_MIN
    (failed,) = by_gid(figure, "r-hat-failed")
    assert list(failed.get_xdata()) == [1.31]


def test_diagnostics_of_what_did_not_converge_show_no_effect_chains():
    titles = [
        ax.get_title(loc="left")
        for ax in plots.diagnostics_figure(make_analysis(converged=False)).axes
    ]
    assert not any("effect" in title for title in titles)
    converged = plots.diagnostics_figure(make_analysis()).axes
    assert any("average effect" in ax.get_title(loc="left") for ax in converged)


def test_traces_are_thinned():
    figure = plots.diagnostics_figure(make_analysis(n_draws=2000))
    chains = by_gid(figure, "chain-0")
    assert chains
    assert all(len(line.get_xdata()) <= TRACE_POINTS for line in chains)


@pytest.mark.parametrize(
    "draw",
    [
        plots.counterfactual_figure,
        plots.predictive_check_figure,
        plots.effects_figure,
        plots.thumbnail_png,
    ],
)
def test_effects_of_what_did_not_converge_cannot_be_drawn(draw):
    with pytest.raises(ValueError, match="did not converge"):
        draw(make_analysis(converged=False))


ALIKE = {
    "counterfactual": (plots.COUNTERFACTUAL, plots.counterfactual_figure),
    "predictive_check": (plots.PREDICTIVE_CHECK, plots.predictive_check_figure),
    "effects": (plots.EFFECTS, lambda analysis, _: plots.effects_figure(analysis)),
    "diagnostics": (plots.DIAGNOSTICS, lambda analysis, _: plots.diagnostics_figure(analysis)),
}


@pytest.mark.parametrize("name", ALIKE)
def test_a_frame_that_was_used_before_draws_the_bytes_of_a_fresh_figure(name: str):
    drawing, figure_of = ALIKE[name]
    different = [
        make_analysis(9.0, 0.1, washout_days=5, missing=0.2, minimum_effect=2.0),
        make_analysis(-3.0, n_draws=150, missing=0.0, direction="decrease"),
        make_analysis(2000.0, 800.0, has_slope=False),
        make_analysis(9.0, 0.1, washout_days=5, missing=0.2, minimum_effect=2.0),
    ]
    different += [scheduled_analysis(), scheduled_analysis(LOT, n_days=92), different[0]]
    if name == "diagnostics":
        different.insert(1, make_analysis(converged=False))
    for number, analysis in enumerate(different):
        label = f"Score {number}"
        wanted = plots.render(figure_of(analysis, label), dpi=50)
        assert drawing.png(analysis, label, 50) == wanted, number


def test_a_figure_of_its_own_is_not_touched_by_later_drawings(analysis):
    figure = plots.counterfactual_figure(analysis, "Mine")
    plots.COUNTERFACTUAL.png(make_analysis(-3.0), "Another's", 50)
    assert figure.axes[0].get_ylabel() == "Mine (points)"
    assert len(by_gid(figure, "observed")) == 1


def test_a_drawing_that_fails_leaves_nothing_in_the_next_one(analysis, monkeypatch):
    wanted = plots.EFFECTS.png(analysis, dpi=50)
    monkeypatch.setattr("its_pipeline.its.plots.effects.density", lambda *_: np.array([np.nan]))
    with pytest.raises(ValueError, match="shape"):
        plots.EFFECTS.png(analysis, dpi=50)
    monkeypatch.undo()
    assert plots.EFFECTS.png(analysis, dpi=50) == wanted


@pytest.mark.parametrize("angle", [0, 90, 30])
def test_remembered_text_lies_where_matplotlib_puts_it(angle: int):
    def ink(figure: Figure) -> np.ndarray:
        figure.set_dpi(100)
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())  # pyright: ignore[reportAttributeAccessIssue]
        return 255 - pixels[..., :3].mean(axis=2)

    def write(figure: Figure) -> Figure:
        for place in (0.31, 0.72):
            figure.text(place, 0.4, "Résumé 12.5 gy", rotation=angle, color="#0072b2")
        return figure

    plain = Figure(figsize=(4, 3))
    FigureCanvasAgg(plain)
    wanted, got = ink(write(plain)), ink(write(new_figure(4, 3)))
    assert got.sum() == pytest.approx(wanted.sum(), rel=0.03)
    for axis in (0, 1):
        places = [np.flatnonzero(picture.sum(axis=axis) > 200) for picture in (wanted, got)]
        assert abs(places[0][0] - places[1][0]) <= 1
        assert abs(places[0][-1] - places[1][-1]) <= 1


def test_thumbnail_is_a_small_png(analysis):
    data = plots.thumbnail_png(analysis)
    assert len(data) < plots.THUMBNAIL_MAX_BYTES
    assert Image.open(io.BytesIO(data)).size[0] >= 250


def test_png_has_the_asked_size_a_white_ground_and_svg_its_text(figure):
    image = Image.open(io.BytesIO(plots.render(figure, "png", 100)))
    assert image.size == (800, 700)
    assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    svg = plots.render(figure, "svg").decode()
    assert ">Session score (points)<" in svg
    assert plots.render(figure, "svg").decode() == svg
    with pytest.raises(ValueError, match="fmt must be one of png, svg but got 'gif'"):
        plots.render(figure, "gif")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"dpi must be in the interval \[20, 600\] but got 5"):
        plots.render(figure, "png", 5)


def test_drawing_leaves_the_settings_and_the_figure_registry_alone(analysis):
    before = dict(mpl.rcParams)
    plots.effects_figure(analysis)
    assert dict(mpl.rcParams) == before


def test_figures_stay_legible_in_grey(figure):
    def lightness(colour: str) -> float:
        red, green, blue = mcolors.to_rgb(colour)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    top = figure.axes[0]
    lines = {line.get_label(): line for line in top.get_lines()}
    fitted, expected = lines["fitted mean"], lines["expected without it"]
    assert fitted.get_linestyle() != expected.get_linestyle()
    assert lightness(lines["observed"].get_color()) < lightness(fitted.get_color()) < 0.5


@pytest.mark.parametrize("text", ["$\\frac{1", "a\nb", "日本語", "\u202eevil", "x" * 300])
def test_hostile_labels_are_drawn_harmlessly(analysis, text: str):
    figure = plots.counterfactual_figure(analysis, text)
    label = figure.axes[0].get_ylabel()
    assert "\n" not in label
    assert len(label) <= 60
    assert plots.render(figure, dpi=30)[:4] == b"\x89PNG"


def test_density_integrates_to_one_and_finds_its_centre():
    values = np.random.default_rng(1).normal(3.0, 2.0, 4000)
    grid = np.linspace(-8, 14, 400)
    curve = density(values, grid, bandwidth(values))
    assert curve.sum() * (grid[1] - grid[0]) == pytest.approx(1.0, abs=0.01)
    assert grid[curve.argmax()] == pytest.approx(3.0, abs=0.5)
    assert bandwidth(np.full(10, 4.0)) > 0


def test_autocorrelation_uses_calendar_gaps_and_only_pairs_that_are_there():
    rng = np.random.default_rng(2)
    series = np.zeros((1, 4000))
    for day in range(1, 4000):
        series[0, day] = 0.6 * series[0, day - 1] + rng.normal()
    series[0, rng.random(4000) < 0.3] = np.nan
    found = autocorrelation(series, np.array([1, 2, 3]))[0]
    np.testing.assert_allclose(found, [0.6, 0.36, 0.216], atol=0.06)


def test_days_on_are_shaded_and_named_and_no_start_is_drawn():
    analysis = scheduled_analysis(carryover_days=2)
    figure = plots.counterfactual_figure(analysis)
    assert by_gid(figure, "intervention") == []
    shaded = {(span.get_x(), span.get_width()) for span in by_gid(figure, "on")}
    assert len(by_gid(figure, "on")) == 2 * 3
    assert shaded == {
        (mdates.date2num(period.from_on) - 0.5, 21.0) for period in REVERSAL.on_periods
    }
    # Two days after each of four switches, on each of three panels.
    assert [span.get_width() for span in by_gid(figure, "washout")] == [2.0] * 12
    legend = figure.axes[0].get_legend()
    assert legend is not None
    names = [text.get_text() for text in legend.get_texts()]
    assert names[-3:] == ["effect", "days on", "days left out"]
    assert "washout (left out)" not in names
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles[0] == "Observed, and expected without it"
    assert titles[2] == "Difference added up over the days with it"


def test_no_line_runs_across_days_off():
    analysis = scheduled_analysis()
    daily = analysis.daily
    figure = plots.counterfactual_figure(analysis)
    days = mdates.date2num(daily["day"].to_numpy())
    for gid, column, rows in (
        ("fitted-pre", "fitted", daily["phase"] == "off"),
        ("fitted-post", "fitted", daily["phase"] == "on"),
        ("effect", "effect", daily["phase"] == "on"),
        ("cumulative_effect", "cumulative_effect", daily["phase"] == "on"),
    ):
        (line,) = by_gid(figure, gid)
        x, y = line.get_xdata(), line.get_ydata()
        on_a_day = np.isin(x, days[rows])
        np.testing.assert_array_equal(y[on_a_day], daily.loc[rows, column])
        # Between two runs there is a gap, and a run reaches half a day out.
        n_runs = 3 if gid == "fitted-pre" else 2
        assert np.isnan(x).sum() == np.isnan(y).sum() == n_runs - 1
        assert (~on_a_day & np.isfinite(x)).sum() == 2 * n_runs
        assert np.nanmax(np.diff(x)) <= 1.0


def test_a_day_on_alone_is_seen():
    analysis = scheduled_analysis(LOT, n_days=92)
    figure = plots.counterfactual_figure(analysis)
    (line,) = by_gid(figure, "effect")
    runs = np.split(line.get_xdata(), np.flatnonzero(np.isnan(line.get_xdata())))
    widths = [np.nanmax(run) - np.nanmin(run) for run in runs]
    assert len(widths) == len(LOT.on_periods)
    assert min(widths) == 1.0
    assert len(by_gid(figure, "on")) == 3 * len(LOT.on_periods)


def test_other_figures_speak_of_days_with_it():
    analysis = scheduled_analysis()
    effects = plots.effects_figure(analysis)
    titles = [ax.get_title(loc="left") for ax in effects.axes]
    assert titles == ["The first time", "On average, days with it"]
    checked = plots.predictive_check_figure(analysis)
    assert by_gid(checked, "intervention") == []
    assert len(by_gid(checked, "on")) == 2
    assert len(by_gid(plots.predictive_check_figure(make_analysis()), "intervention")) == 1
