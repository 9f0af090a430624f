"""Schedules on the rows of a series: phases, groups, what is left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its.exposure import MOST_GROUPS, Exposure
from its_pipeline.schedules.schedule import Schedule


def _exposure(pattern: str) -> Exposure:
    is_on = np.array([sign == "x" for sign in pattern])
    return Exposure("", np.arange(len(pattern)) - int(np.argmax(is_on)), is_on)


def test_both_ends_of_a_period_are_on():
    calendar = pd.date_range("2024-01-01", periods=8)
    schedule = Schedule.periods([("2024-01-02", "2024-01-03"), ("2024-01-06", None)])
    found = Exposure.of("", schedule, calendar, np.arange(8) - 1)
    assert "".join("x" if on else "." for on in found.is_on) == ".xx..xxx"
    assert [(run.start, run.stop) for run in found.runs] == [(0, 1), (1, 3), (3, 5), (5, 8)]


@pytest.mark.parametrize(
    ("pattern", "expected"), [("..xx", True), ("..xx.", False), ("xx..", False), ("x.x", False)]
)
def test_one_change_is_off_and_then_on_for_good(pattern, expected):
    assert _exposure(pattern).is_one_change is expected


def test_each_phase_on_is_a_group_until_there_are_many():
    assert _exposure("..xx..x.").groups().tolist() == [-1, -1, 0, 0, -1, -1, 1, -1]
    many = _exposure("x." * 13).groups()
    on = many[many >= 0]
    assert on.max() == MOST_GROUPS - 1
    assert (np.diff(on) >= 0).all()
    sizes = np.bincount(on)
    assert sizes.max() - sizes.min() <= 1


def test_carryover_leaves_out_days_after_every_switch_and_washout_after_the_first():
    left_out = _exposure("....xxxx....xx").is_left_out(0, 2)
    assert np.flatnonzero(left_out).tolist() == [4, 5, 8, 9, 12, 13]
    left_out = _exposure("....xxxx....xx").is_left_out(3, 0)
    assert np.flatnonzero(left_out).tolist() == [4, 5, 6]
    # A phase shorter than the carry-over is left out whole, and no day of the next with it.
    assert np.flatnonzero(_exposure("...x...").is_left_out(0, 2)).tolist() == [3, 4, 5]
