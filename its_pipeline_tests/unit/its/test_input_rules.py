"""What bad input gets: a refusal with code, value, rule and remedy, never a number."""

import pickle
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import (
    AnalysisSpec,
    InsufficientData,
    InvalidSeries,
    NotConverged,
    analyze,
)
from its_pipeline_tests.unit.its.series_factory import make_series


def _broken(kind):
    outcome, day = make_series(40)
    values = outcome.to_numpy().copy()
    index: Any = pd.DatetimeIndex(outcome.index)
    if kind == "constant":
        return pd.Series(5.0, index=index), day
    if kind == "step":
        return pd.Series(np.where(index < day, 5.0, 9.0), index=index), day
    if kind == "infinite":
        values[7] = np.inf
    if kind == "huge":
        values[7] = 1e300
    if kind == "all_nan":
        values[:] = np.nan
    if kind == "duplicate":
        index = index[:1].append(index[:-1])
    if kind == "decreasing":
        index = index[::-1]
    if kind == "text":
        return outcome.astype(str), day
    if kind == "complex":
        return outcome.astype(complex), day
    if kind == "hours":
        index = index + pd.Timedelta(hours=3)
    if kind == "zone":
        index = index.tz_localize("Europe/Berlin")
    if kind == "range":
        return pd.Series(values), day
    if kind == "nat":
        index = pd.DatetimeIndex([*index[:-1], pd.NaT])
    if kind == "empty":
        return outcome.iloc[:0], day
    if kind == "before":
        day = index[-1] + pd.Timedelta(days=1)
    if kind == "after":
        day = index[0]
    if kind == "far":
        index = index[:-1].append(pd.DatetimeIndex(["2200-01-01"]))
    return pd.Series(values, index=index), day


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        ("constant", "constant_outcome", "does not vary within its phases"),
        ("step", "constant_outcome", "does not vary within its phases"),
        ("infinite", "not_finite", "1 infinite values"),
        ("huge", "outcome_too_large", "size 1e.300, beyond 1e.100 no variance"),
        ("all_nan", "empty", "all 40 days"),
        ("duplicate", "duplicate_days", "2024-01-01 occurs again"),
        ("decreasing", "not_increasing", "sort_index"),
        ("text", "not_numeric", "dtype object"),
        ("complex", "not_numeric", "complex"),
        ("hours", "not_days", "normalize"),
        ("zone", "time_zone", "Europe/Berlin"),
        ("range", "not_days", "DatetimeIndex"),
        ("nat", "not_days", "NaT"),
        ("empty", "empty", "no days"),
        ("before", "one_sided", "lie before the intervention"),
        ("after", "one_sided", "lie after the intervention"),
        ("far", "not_days", "is a date wrong"),
    ],
)
def test_broken_series_is_refused_by_name(kind, code, words):
    outcome, day = _broken(kind)
    with pytest.raises(InvalidSeries, match=words) as caught:
        analyze(outcome, day)
    assert caught.value.code == code


@pytest.mark.parametrize("day", ["not a day", None, pd.Timestamp("2024-01-20 03:00")])
def test_intervention_must_be_a_local_date(day):
    with pytest.raises(InvalidSeries, match="intervention_on must be") as caught:
        analyze(make_series(40)[0], day)
    assert caught.value.code == "not_days"


def test_too_few_days_names_counts_and_what_is_missing():
    outcome, day = make_series(40, missing=range(3, 18))
    with pytest.raises(InsufficientData, match="5 before and 20 after") as caught:
        analyze(outcome, day)
    assert (caught.value.missing_pre, caught.value.missing_post) == (3, 0)


def test_washout_days_do_not_count_as_post_days():
    outcome, day = make_series(40)
    with pytest.raises(InsufficientData, match="20 before and 7 after"):
        analyze(outcome, day, AnalysisSpec(washout_days=13))


def test_monthly_series_need_month_starts():
    outcome, day = make_series(40)
    with pytest.raises(InvalidSeries, match="first days of months") as caught:
        analyze(outcome, day, AnalysisSpec(season="month"))
    assert caught.value.code == "not_month_starts"


def test_covariate_missing_on_an_observed_day_is_refused():
    outcome, day = make_series(40)
    covariates = pd.DataFrame({"sleep": np.arange(40.0)}, index=outcome.index)
    covariates.iloc[3, 0] = np.nan
    with pytest.raises(InvalidSeries, match="'sleep' is missing or infinite on 1") as caught:
        analyze(outcome, day, covariates=covariates)
    assert caught.value.code == "covariate_missing"


@pytest.mark.parametrize(
    "error",
    [
        InsufficientData(3, 9, 8),
        InvalidSeries("empty", "nothing there", {"days": 0.0}),
        NotConverged(("R-hat 1.2 is not below 1.01",)),
    ],
)
def test_errors_survive_pickling(error):
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_series_and_covariates_are_not_changed():
    outcome, day = make_series(40, missing=[3])
    covariates = pd.DataFrame({"x": np.linspace(0, 1, len(outcome)) ** 2}, index=outcome.index)
    before = (outcome.copy(), covariates.copy())
    analyze(outcome, date.fromisoformat(str(day.date())), AnalysisSpec(draws=200), covariates)
    pd.testing.assert_series_equal(outcome, before[0])
    pd.testing.assert_frame_equal(covariates, before[1])
