"""When a lot counts as drawn ahead of its days, and what a schedule refuses to be read from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from its_pipeline.schedules.mechanism import Mechanism
from its_pipeline.schedules.schedule import Schedule

# Late on 30 April in UTC, and 1 May in Auckland already.
DRAWN_AT = datetime(2026, 4, 30, 20, tzinfo=UTC)


def drawn(drawn_at: datetime | None = DRAWN_AT, **changes: Any) -> Schedule:
    return Schedule.days(["2026-05-02", "2026-05-04"], Mechanism(drawn_at=drawn_at), **changes)


@pytest.mark.parametrize(
    ("first", "time_zone", "in_time"),
    [
        ("2026-05-01", "UTC", True),
        ("2026-05-01", "Pacific/Auckland", False),
        ("2026-05-02", "Pacific/Auckland", True),
        ("2026-04-30", "UTC", False),
        (None, "Pacific/Auckland", True),
    ],
)
def test_a_lot_is_one_if_it_was_drawn_ahead_of_its_first_day_where_the_person_is(
    first: str | None, time_zone: str, in_time: bool
) -> None:
    assert drawn(drawn_from_on=first).in_zone(time_zone).is_randomised is in_time


def test_it_is_as_early_or_late_when_it_is_read_back() -> None:
    late = drawn(drawn_from_on="2026-05-01").in_zone("Pacific/Auckland")
    again = Schedule.from_dict(late.to_dict())
    assert again == late
    assert not again.is_randomised
    assert again.in_zone("UTC").is_randomised


def test_without_an_instant_the_caller_vouches_and_without_a_lot_nobody_does() -> None:
    assert drawn(None).is_randomised
    assert not Schedule.days(["2026-05-02"]).is_randomised


def test_its_first_and_last_day_are_the_drawn_ones_where_they_are_said() -> None:
    span = drawn(drawn_from_on="2026-05-01", drawn_to_on="2026-05-06")
    assert (str(span.starts_on), str(span.ends_on)) == ("2026-05-01", "2026-05-06")
    assert (str(drawn().starts_on), str(drawn().ends_on)) == ("2026-05-02", "2026-05-04")
    assert Schedule.since("2026-05-02").ends_on is None


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([], r"a schedule must be an object with fields but got \[\]"),
        ({}, "needs on_periods, pairs of first and last day on"),
        ({"on_periods": 7}, "on_periods must be a list of pairs .* but got 7"),
        ({"on_periods": [7]}, "a period is a pair .* but got 7"),
        ({"on_periods": ["ab"]}, "a period is a pair .* but got ab"),
        ({"on_periods": [], "mechanism": "coin"}, "at least one day on"),
        ({"on_periods": [["2026-05-01", None]], "mechanism": "coin"}, "mechanism .* got 'coin'"),
        (
            {"on_periods": [["2026-05-01", None]], "done_otherwise": "2026-05-02"},
            "done_otherwise must be a list of dates but got '2026-05-02'",
        ),
        (
            {"on_periods": [["2026-05-01", None]], "mechanism": {"drawn_at": "then"}},
            "drawn_at must be an instant .* but got 'then'",
        ),
    ],
)
def test_what_is_no_schedule_says_what_is_wrong(values: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Schedule.from_dict(values)
