"""A yearly season is in the model of long daily series, and nothing of shorter ones changes."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from its_pipeline.its import AnalysisSpec, analyze, fingerprint, priors
from its_pipeline.its.adapters.causalpy_design import internal_design
from its_pipeline.its.cadence import SEASON_WEEKS, in_steps
from its_pipeline.its.designs.base import build_design
from its_pipeline.its.designs.change import CHANGE
from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.designs.yearly import is_yearly, yearly_columns
from its_pipeline.its.planning.plan import prepared_baseline
from its_pipeline.its.planning.rehearsal import Rehearsal
from its_pipeline.its.sensitivity.placebo_dates import _pretend
from its_pipeline.its.series import PRE
from its_pipeline.its.spec import FEWEST_DAYS_WITH_A_YEAR as LONG
from its_pipeline_tests.unit.its.series_factory import design_of, segmented_estimate

SPEC = AnalysisSpec()
NO_SEASON = AnalysisSpec(season="none")


def _series(n: int = LONG, wave: float = 0.0, n_post: int = 90) -> tuple[pd.Series, pd.Timestamp]:
    """Return white noise of sd 1 with a yearly wave on it, and the day 90 days before its end."""
    days = pd.date_range("2022-01-01", periods=n)
    noise = np.random.default_rng(4).standard_normal(n)
    yearly = wave * np.sin(2.0 * np.pi * (days.dayofyear.to_numpy() - 100) / 365.25)
    return pd.Series(50.0 + noise + yearly, days), days[n - n_post]


def _yearly(series: pd.Series, day: pd.Timestamp, spec: AnalysisSpec) -> list[str]:
    return [name for name in design_of(series, day, spec)[1].names if is_yearly(name)]


@pytest.mark.parametrize(
    ("n", "spec", "has"),
    [(LONG, SPEC, True), (LONG - 1, SPEC, False), (LONG, NO_SEASON, False)],
)
def test_only_a_year_and_a_half_of_days_has_one(n, spec, has):
    assert bool(_yearly(*_series(n), spec)) is has


def test_missing_days_count_and_months_have_their_own():
    values, day = _series()
    sparse = values.drop(values.index[40:300])
    assert _yearly(sparse, day, SPEC)
    assert not _yearly(sparse.iloc[:-1], day, SPEC)
    months = pd.Series(values.to_numpy()[:60], pd.date_range("2018-01-01", periods=60, freq="MS"))
    assert not _yearly(months, months.index[40], AnalysisSpec(season="month"))


@pytest.mark.parametrize(
    ("n", "spec", "has"),
    [(SEASON_WEEKS, SPEC, True), (SEASON_WEEKS - 1, SPEC, False), (SEASON_WEEKS, NO_SEASON, False)],
)
def test_weeks_of_as_many_days_have_one_too(n, spec, has):
    weeks = pd.date_range("2022-01-04", periods=n, freq="7D")
    values = pd.Series(np.random.default_rng(4).standard_normal(n), weeks)
    laid = in_steps(values, weeks[n - 20].date(), spec)
    assert laid.spec.season == ("year" if has else "none")
    assert bool(_yearly(laid.outcome, weeks[n - 20], laid.spec)) is has
    again = in_steps(laid.outcome.iloc[:40], weeks[20].date(), laid.spec)
    assert again.spec == laid.spec  # a part of a series keeps the whole one's model


def test_a_yearly_wave_of_weeks_is_no_effect():
    n, n_post = 156, 13
    weeks = pd.date_range("2022-01-04", periods=n, freq="7D")
    wave = 2.0 * np.sin(2.0 * np.pi * weeks.dayofyear.to_numpy() / 365.25)
    values = pd.Series(np.random.default_rng(5).standard_normal(n) + wave, weeks)
    found, blind = (
        analyze(values, weeks[n - n_post].date(), spec, audited=False).effects
        for spec in (SPEC, NO_SEASON)
    )
    assert found is not None
    assert blind is not None
    assert found.counterfactual.ci_lower < 0.0 < found.counterfactual.ci_upper
    assert found.counterfactual.sd < 0.6 * blind.counterfactual.sd


def test_a_year_alone_is_a_season_of_weeks():
    with pytest.raises(ValueError, match=r'season="year" needs cadence="week"'):
        AnalysisSpec(season="year")


def test_a_day_of_the_year_has_the_same_columns_in_every_series():
    one = yearly_columns(pd.DatetimeIndex(["2021-03-05", "2024-11-30"]))
    later = yearly_columns(pd.DatetimeIndex(["2025-03-05", "2028-11-30"]))
    assert all(map(is_yearly, one))
    for name, column in one.items():
        np.testing.assert_allclose(column, later[name], atol=1e-9)


def test_its_waves_are_small_together_unless_the_data_insist():
    _, design = design_of(*_series())
    ours = [at for at, name in enumerate(design.names) if is_yearly(name)]
    sd = design.prior.sd[:, np.argmax(np.abs(design.back[ours]), axis=1)]
    assert (sd == sd[:, :1]).all()
    assert len(sd) == 8
    for each, weight in zip(priors.YEARLY_SDS, (0.7, 0.3), strict=True):
        assert design.prior.weights[sd[:, 0] == each].sum() == pytest.approx(weight)


def test_a_wave_is_no_effect():
    values, day = _series(730, wave=2.0)
    told = segmented_estimate(values, day)
    untold = segmented_estimate(values, day, NO_SEASON)
    assert abs(told.mean) < 0.3 < abs(untold.mean)


# Of answers that stores of earlier versions hold; only another `MODEL_VERSION` may change them.
SHORT = "9d5cd86ea0f3fb1066a99d67480b3521"
LONG_WITHOUT_SEASON = "22ea44719a76704387b3870bfb5fea4a"
LONG_BEFORE = "06211494c5dc692e36a378a5fdb3dac0"


def test_only_the_fingerprint_of_what_has_one_changed():
    index = pd.date_range("2024-01-01", periods=LONG)
    values = pd.Series(np.arange(LONG) % 11.0, index)
    day = index[300]
    assert fingerprint(values[:-1], day, SPEC) == SHORT
    assert fingerprint(values, day, NO_SEASON) == LONG_WITHOUT_SEASON
    assert fingerprint(values, day, SPEC) != LONG_BEFORE
    sparse = values.drop(index[100:200])
    assert fingerprint(sparse, day, SPEC) == fingerprint(
        values.where(~index.isin(index[100:200])), day, SPEC
    )


def test_a_pretended_date_is_asked_of_the_same_model():
    series, _ = design_of(*_series())
    pretended = _pretend(series, series.phase == PRE, -200)
    assert len(pretended.days) < LONG
    design = build_design(pretended, SPEC, Covariates(), CHANGE)
    assert any(map(is_yearly, design.names))


def test_courses_of_a_plan_go_on_with_the_year():
    values, _ = _series(730, wave=3.0)
    spec = AnalysisSpec(trend=False)
    ahead = Rehearsal(prepared_baseline(values, spec), spec, 180).outcomes[730:]
    days = pd.date_range("2024-01-01", periods=180)
    wave = 3.0 * np.sin(2.0 * np.pi * (days.dayofyear.to_numpy() - 100) / 365.25) / values.std()
    drawn = ahead.mean(axis=1) - ahead.mean()
    assert np.corrcoef(drawn, wave)[0, 1] > 0.95
    assert np.ptp(drawn) > 0.8 * np.ptp(wave)


def test_causalpys_columns_are_the_same_regression():
    values, day = _series(560)
    series, design = design_of(values, day)
    days = pd.DatetimeIndex(values.index)
    t = np.arange(560.0)
    start = int(-series.steps[0])
    columns = {
        "Intercept": np.ones(560),
        **{f"C(dow)[T.{level}]": (days.dayofweek == level).astype(float) for level in range(1, 7)},
        "t": t,
        f"step(t, {start})": (t >= start).astype(float),
        f"ramp(t, {start})": np.maximum(t - start, 0.0),
        **yearly_columns(days),
    }
    frame = xr.DataArray(
        np.column_stack(list(columns.values())),
        coords={"coeffs": list(columns)},
        dims=["i", "coeffs"],
    )
    theirs = internal_design(frame, xr.DataArray(values.to_numpy()[:, None]), "t")
    for ours, sds in zip(design.prior.sd, theirs.prior.sd, strict=True):
        expected = (design.matrix * ours**2) @ design.matrix.T
        internal = np.asarray(frame) @ theirs.rotation
        np.testing.assert_allclose((internal * sds**2) @ internal.T, expected, atol=1e-8)
