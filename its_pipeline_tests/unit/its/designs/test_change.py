"""The columns: what is in the model when, and that reported coefficients mean what they say."""

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import priors
from its_pipeline.its.designs.base import sum_to_zero_contrasts
from its_pipeline.its.spec import AnalysisSpec
from its_pipeline_tests.unit.its.series_factory import design_of, make_series


def _design(n=60, spec=None, covariates=None, **options):
    return design_of(*make_series(n), spec, covariates, **options)


@pytest.mark.parametrize(
    ("n", "slope", "expected"),
    [(28, "auto", True), (18, "auto", True), (27, True, True), (60, False, False)],
)
def test_a_slope_change_is_in_the_model_unless_left_out(n, slope, expected):
    _, design = _design(n, AnalysisSpec(slope=slope))
    assert design.has_slope is expected
    assert ("slope_change" in design.names) is expected


def test_without_a_trend_there_is_no_slope_change():
    _, design = _design(60, AnalysisSpec(trend=False))
    assert not design.has_slope


def test_trend_and_slope_change_are_small_unless_the_data_insist():
    _, design = _design(60)
    prior = design.prior
    assert prior.weights.sum() == pytest.approx(1.0)
    free = {design.names[c] for c in np.flatnonzero(~prior.is_shared)}
    assert free == {"trend", "slope_change"}
    likeliest = prior.sd[prior.weights.argmax()]
    assert (likeliest == prior.sd.min(axis=0)).all()
    assert prior.weights.max() == pytest.approx(priors.SMALL_WEIGHT**2)


def test_reported_coefficients_give_the_same_fit_as_internal_ones():
    covariates = pd.DataFrame(
        {"sleep": np.random.default_rng(1).normal(7, 1, 60)}, index=make_series(60)[0].index
    )
    series, design = _design(60, covariates=covariates)
    internal = np.random.default_rng(2).normal(size=design.matrix.shape[1])
    reported = series.scale * design.back @ internal
    reported[0] += series.centre
    fitted = series.centre + series.scale * design.matrix @ internal
    np.testing.assert_allclose(design.reported @ reported, fitted, rtol=1e-10)


def test_first_post_day_is_inclusive_and_slopes_are_per_week():
    series, design = _design(60)
    step = design.reported[:, design.names.index("level_change")]
    ramp = design.reported[:, design.names.index("slope_change")]
    assert step[series.steps == 0] == 1
    assert step[series.steps == -1] == 0
    assert ramp[series.steps == 0] == 0
    assert ramp[series.steps == 7] == 1


def test_weekday_effects_sum_to_zero_and_are_exchangeable():
    contrasts = sum_to_zero_contrasts(7)
    np.testing.assert_allclose(contrasts.sum(axis=0), 0, atol=1e-12)
    covariance = contrasts @ contrasts.T
    np.testing.assert_allclose(np.diag(covariance), 1.0)
    assert np.ptp(covariance[~np.eye(7, dtype=bool)]) < 1e-12


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("flat", lambda t: np.full(len(t), 3.0), "constant"),
        ("clock", lambda t: 5.0 - 2.0 * t, "collinear"),
        ("phase", lambda t: (t >= 30).astype(float), "collinear"),
        ("weekend", lambda t: (t % 7 >= 5).astype(float), "collinear"),
    ],
)
def test_useless_covariates_are_dropped_with_their_reason(name, make, reason):
    t = np.arange(60.0)
    good = np.random.default_rng(3).normal(size=60)
    frame = pd.DataFrame({name: make(t), "good": good}, index=make_series(60)[0].index)
    _, design = _design(60, covariates=frame)
    assert design.dropped == {name: reason}
    assert "good" in design.names


def test_a_forecast_has_no_intervention_columns():
    _, design = _design(60, study=None)
    assert design.is_forecast
    assert not design.intervention.any()


def test_months_are_the_unit_of_monthly_series():
    index = pd.date_range("2020-01-01", periods=40, freq="MS")
    outcome = pd.Series(np.random.default_rng(0).normal(size=40), index=index).drop(index[5])
    spec = AnalysisSpec(season="month", washout_days=2)
    series, design = design_of(outcome, "2022-01-01", spec)
    assert len(series.steps) == 40
    assert np.isnan(series.values[5])
    assert series.steps[0] == -24
    assert series.fit_start_on.isoformat() == "2022-03-01"
    assert sum(name.startswith("month[") for name in design.names) == 12
