"""Windows never hold a day on which something acted, never overlap, and are worth looking at."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from its_pipeline.events.intervention import Intervention
from its_pipeline.experiments.placebo_windows import (
    LENGTHS,
    MOST_WINDOWS,
    acted_days,
    pretended_windows,
)
from its_pipeline.schedules.schedule import Schedule

FIRST = date(2025, 1, 1)


def _series(n, missing=(), seed=0):
    days = np.datetime64(FIRST) + np.arange(n)
    values = np.random.default_rng(seed).normal(size=n)
    kept = ~np.isin(np.arange(n), list(missing))
    return days[kept], values[kept]


def _intervention(started, ended=None, **changes):
    fields = {
        "user_id": "u",
        "intervention_id": "tea",
        "outcome_metric": "mood",
        "started_on": FIRST + timedelta(days=started),
        "ended_on": None if ended is None else FIRST + timedelta(days=ended),
    }
    return Intervention(**{**fields, **changes})


@pytest.mark.parametrize("n_days", LENGTHS)
def test_windows_follow_each_other_and_the_change_is_in_the_middle(n_days):
    found = list(pretended_windows(*_series(20 * 180), n_days))
    assert len(found) == MOST_WINDOWS
    assert found[0].start_on == FIRST
    for window in found:
        assert (window.end_on - window.start_on).days + 1 == n_days
        assert (window.middle_on - window.start_on).days == n_days // 2
    for one, two in pairwise(found):
        assert two.start_on == one.end_on + timedelta(days=1)


def test_no_window_holds_a_day_on_which_anything_acted():
    # On whatever metric, withdrawn or not; the washout goes on acting after the end.
    logged = [
        _intervention(100, 110, washout_days=5, outcome_metric="sleep"),
        _intervention(200, 200, status="withdrawn"),
        _intervention(300),
    ]
    acted = acted_days(logged)
    assert acted[0] == (FIRST + timedelta(days=100), FIRST + timedelta(days=115))
    assert acted[2][1] == date.max
    found = list(pretended_windows(*_series(500), 28, acted))
    assert found
    for window in found:
        assert all(window.end_on < first or window.start_on > last for first, last in acted)
    starts = [(window.start_on - FIRST).days for window in found]
    assert 116 in starts
    assert 201 in starts
    assert max(starts) + 28 <= 300


def test_a_schedule_acts_from_its_first_day_to_its_last_and_as_long_as_it_carries_over():
    def day(number):
        return FIRST + timedelta(days=number)

    periods = Schedule.periods([(day(10), day(20)), (day(40), day(50))])
    otherwise = replace(periods, done_otherwise=(day(5), day(15), day(60)))
    logged = [
        _intervention(10, schedule=periods, carryover_days=3, washout_days=1),
        _intervention(10, schedule=otherwise),
        _intervention(10, schedule=Schedule.periods([(day(10), day(20)), (day(40), None)])),
    ]
    assert acted_days(logged) == [
        (day(10), day(53)),
        (day(5), day(60)),
        (day(10), date.max),
    ]


def test_an_end_at_the_end_of_time_is_no_error():
    last = _intervention(0, ended_on=date.max, washout_days=30)
    assert acted_days([last])[0][1] == date.max


def test_each_side_needs_eight_observed_days_and_two_fifths():
    days, values = _series(28, missing=range(1, 8))
    assert list(pretended_windows(days, values, 28)) == []
    assert len(list(pretended_windows(*_series(28, missing=range(1, 7)), 28))) == 1
    # Of the 45 days of a side 18 are two fifths.
    assert list(pretended_windows(*_series(90, missing=range(1, 29)), 90)) == []
    assert len(list(pretended_windows(*_series(90, missing=range(1, 28)), 90))) == 1


def test_a_side_that_hardly_varies_is_passed_over():
    days, values = _series(28)
    assert list(pretended_windows(days, np.round(values / 10), 28)) == []
    flat = values.copy()
    flat[:9] = 1.0
    assert list(pretended_windows(days, flat, 28)) == []


def test_missing_values_are_no_observed_days():
    days, values = _series(28)
    values[1:8] = np.nan
    assert list(pretended_windows(days, values, 28)) == []
    assert list(pretended_windows(days[:0], values[:0], 28)) == []
