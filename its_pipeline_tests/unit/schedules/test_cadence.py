"""The cadence of a series: found from its dates, and the steps that dates lie in."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from its_pipeline.schedules.cadence import Cadence, Steps, find_cadence, session_of, session_on


def days(*arguments, **options) -> np.ndarray:
    return pd.date_range(*arguments, **options).to_numpy().astype("datetime64[D]")


def without(dates: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    return dates[np.random.default_rng(seed).random(len(dates)) >= share]


DAILY = days("2024-01-01", periods=120)
MOVED = days("2024-01-01", periods=60, freq="7D") + np.where(np.arange(60) % 13 == 5, 1, 0)


@pytest.mark.parametrize(
    ("dates", "name"),
    [
        (DAILY, "day"),
        (days("2024-01-01", periods=60, freq="B"), "day"),
        (without(DAILY, 0.6), "day"),
        (without(DAILY, 0.8), "day"),
        (DAILY[::2], "day"),
        (days("2024-01-01", periods=40, freq="W-WED"), "week"),
        (without(days("2024-01-01", periods=60, freq="W-SUN"), 0.2), "week"),
        (MOVED, "week"),
        (days("2024-01-01", periods=40, freq="10D"), "10-day"),
        (days("2024-01-03", periods=30, freq="14D"), "14-day"),
        (days("2024-01-03", periods=12, freq="28D"), "28-day"),
        (days("2020-01-01", periods=30, freq="MS"), "month"),
        (days("2020-01-31", periods=30, freq="ME"), "month"),
        (days("2020-01-01", periods=30, freq="BMS"), "month"),
        (days("2020-01-01", periods=30, freq="WOM-1MON"), "month"),
        (days("2020-01-01", periods=30, freq="MS") + 14, "month"),
        (without(days("2000-01-01", periods=90, freq="MS"), 0.2), "month"),
        (days("2000-03-31", periods=30, freq="QE"), "quarter"),
        (days("1990-07-01", periods=30, freq="6MS"), "6-month"),
        (days("1990-06-15", periods=30, freq="YS-JUN"), "year"),
        (days("1990-12-31", periods=30, freq="YE"), "year"),
        (DAILY[[0, 9, 30, 41, 77, 119]], "irregular"),
        (DAILY[:0], "day"),
        (DAILY[[0, 7, 14]], "day"),
    ],
)
def test_the_cadence_is_found_from_the_dates(dates, name):
    assert find_cadence(dates).name == name


@pytest.mark.parametrize(
    "name", ["week", "14-day", "month", "quarter", "year", "6-month", "session", "irregular"]
)
def test_steps_are_counted_there_and_back(name):
    cadence = Cadence.of(name)
    steps = Steps.of(cadence, np.array(["2020-01-01"], "datetime64[D]"))
    labels = steps.labels(steps.numbers(days("2020-01-01", periods=25, freq=cadence.freq)))
    assert (np.diff(steps.numbers(labels)) == 1).all()
    first = labels[0].item()
    assert [cadence.later(first, n) for n in (0, 1, 24)] == [labels[n].item() for n in (0, 1, 24)]
    assert cadence.between(first, labels[24].item()) == 24
    assert cadence.between(labels[24].item(), first) == -24


def test_a_date_inside_a_step_is_on_from_the_first_date_that_is_not_before_it():
    weeks = Steps.of(Cadence.of("week"), days("2024-01-03", periods=9, freq="7D"))
    assert weeks.first_on(date(2024, 1, 10)) == date(2024, 1, 10)
    assert weeks.first_on(date(2024, 1, 11)) == date(2024, 1, 17)
    assert weeks.last_on(date(2024, 1, 16)) == date(2024, 1, 10)
    assert weeks.last_on(date(2024, 1, 17)) == date(2024, 1, 17)
    # First days stand for their month, other days of it for themselves.
    whole = Steps.of(Cadence.of("month"), days("2024-01-01", periods=9, freq="MS"))
    assert whole.first_on(date(2024, 3, 20)) == date(2024, 3, 1)
    assert whole.last_on(date(2024, 3, 20)) == date(2024, 3, 1)
    middle = Steps.of(Cadence.of("month"), days("2024-01-01", periods=9, freq="MS") + 14)
    assert middle.first_on(date(2024, 3, 15)) == date(2024, 3, 1)
    assert middle.first_on(date(2024, 3, 16)) == date(2024, 4, 1)
    assert middle.last_on(date(2024, 3, 14)) == date(2024, 2, 1)
    ends = Steps.of(Cadence.of("month"), days("2024-01-01", periods=9, freq="ME"))
    assert ends.first_on(date(2024, 2, 29)) == date(2024, 2, 1)
    assert ends.last_on(date(2024, 2, 29)) == date(2024, 2, 1)
    assert ends.last_on(date(2024, 2, 28)) == date(2024, 1, 1)


@pytest.mark.parametrize(
    ("name", "words"),
    [("fortnight", "14-day"), ("7-day", "say week"), ("12-month", "say year"), (7, "must be")],
)
def test_an_unknown_cadence_is_refused_with_the_remedy(name, words):
    with pytest.raises(ValueError, match=words):
        Cadence.of(name)


def test_sessions_are_days_inside_and_numbers_outside():
    assert session_of(session_on(12)) == 12
    assert Cadence.of("session").told(session_on(12)) == "session 12"
    assert Cadence.of("week").told(date(2024, 1, 3)) == "2024-01-03"
    wrongs: tuple[Any, ...] = (-1, 9001, 1.5, True)
    for wrong in wrongs:
        with pytest.raises(ValueError, match="whole number"):
            session_on(wrong)


def test_texts_of_ours_are_told_in_steps():
    text = "Day-to-day noise; few days, each day of holidays"
    assert Cadence.of("day").worded(text) == text
    assert Cadence.of("irregular").worded(text) == text
    assert Cadence.of("week").worded(text) == "Week-to-week noise; few weeks, each week of holidays"
    assert Cadence.of("14-day").worded("few days") == "few 14-day periods"
