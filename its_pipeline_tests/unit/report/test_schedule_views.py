"""What is told of a schedule in words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from its_pipeline.its.decisions.randomisation import Randomisation
from its_pipeline.its.schedule_results import ScheduleResults
from its_pipeline.report.schedule_views import schedule_view
from its_pipeline.schedules.schedule import Schedule


@pytest.mark.parametrize(
    ("p_value", "told"),
    [
        (1 / 20_001, "(p < 0.0001)"),
        (0.0001, "(p = 0.0001)"),
        (0.0034, "(p = 0.0034)"),
        (0.25, "25 % of 20,000 of the schedules that the lot could have drawn (p = 0.250)"),
    ],
)
def test_a_p_value_is_never_nothing(p_value: float, told: str) -> None:
    tested = Randomisation(p_value, 20_000, False, 2.0, "two-sided", (-3.0, 0.0, 3.0), (5, 5))
    found = ScheduleResults(Schedule.since("2026-05-01"), randomisation=tested)
    analysis: Any = SimpleNamespace(by_schedule=found)
    view = schedule_view(analysis)
    assert view is not None
    assert view["lot"]["words"].endswith(told)
