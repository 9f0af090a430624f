"""Schedules as text: what is written is what is read, and a line that stays a line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from its_pipeline.schedules.as_text import (
    read_lot,
    read_named_periods,
    read_periods,
    schedule_text,
)
from its_pipeline.schedules.mechanism import Mechanism
from its_pipeline.schedules.schedule import Schedule


def test_periods_are_read_in_any_order_and_with_room() -> None:
    read = read_periods(["2026-04-01..", " 2026-03-01 .. 2026-03-14", "2026-03-20"])
    assert read == Schedule.periods(
        [("2026-03-01", "2026-03-14"), ("2026-03-20", "2026-03-20"), ("2026-04-01", None)]
    )
    assert schedule_text(read) == "on 2026-03-01 to 2026-03-14, 2026-03-20, from 2026-04-01 on"


@pytest.mark.parametrize("text", ["", "..", "..2026-03-01", "2026-03-01...", "1.3.2026..", "now"])
def test_what_is_no_period_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="should be first") as caught:
        read_periods([text])
    assert repr(text) in str(caught.value)


def test_periods_of_one_name_are_one_schedule() -> None:
    read = read_named_periods(["walk=2026-04-01..", "early bed = 2026-03-05", "walk=2026-03-01"])
    assert read == {
        "walk": read_periods(["2026-03-01", "2026-04-01.."]),
        "early bed": read_periods(["2026-03-05"]),
    }


@pytest.mark.parametrize("text", ["2026-03-01..", "=2026-03-01..", ""])
def test_another_intervention_needs_a_name(text: str) -> None:
    with pytest.raises(ValueError, match="should be NAME=first") as caught:
        read_named_periods([text])
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("total", {"balance": "total"}),
        ("none", {"balance": "none"}),
        ("block:8", {"balance": "block", "block_days": 8}),
    ],
)
def test_a_lot_is_read_and_vouched_for(text: str, rules: dict[str, Any]) -> None:
    assert read_lot(text) == Mechanism(**rules)
    assert read_lot(text, 2, 3) == Mechanism(**rules, unit_days=2, longest_run=3)


@pytest.mark.parametrize("text", ["block", "block:", "block:x", "total:8", "coin", ""])
def test_what_is_no_lot_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="should be total, block:DAYS") as caught:
        read_lot(text)
    assert repr(text) in str(caught.value)


def test_many_periods_are_counted() -> None:
    many = read_periods(f"2026-03-{day:02}" for day in range(1, 30, 2))
    assert schedule_text(many) == "on 2026-03-01, 2026-03-03, 2026-03-05 and 12 more"


@pytest.mark.parametrize(
    ("time_zone", "told"),
    [
        ("UTC", "drawn by lot"),
        ("Pacific/Auckland", "drawn by lot, but not ahead of its first day"),
    ],
)
def test_a_lot_says_its_share_and_whether_it_was_in_time(time_zone: str, told: str) -> None:
    schedule = Schedule.days(
        ["2026-05-02", "2026-05-03", "2026-05-06"],
        Mechanism(drawn_at=datetime(2026, 4, 30, 20, tzinfo=UTC)),
        drawn_from_on="2026-05-01",
        drawn_to_on="2026-05-08",
        done_otherwise=["2026-05-04"],
    )
    assert schedule_text(schedule, time_zone) == (
        f"3 of 8 days on, 2026-05-01 to 2026-05-08; {told}; done otherwise on 2026-05-04"
    )
