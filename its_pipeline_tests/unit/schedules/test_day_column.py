"""Days on from a column of 0 and 1: gaps, and values that are neither."""

from __future__ import annotations

from datetime import date

import pytest

from its_pipeline.schedules.day_column import days_on


def _rows(text: str) -> list[tuple[date, float]]:
    """Return a row for each 0 and 1 of a text; a dot is a day without a row."""
    days = (date(2026, 3, number) for number in range(1, 32))
    return [(day, float(mark)) for day, mark in zip(days, text, strict=False) if mark != "."]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0110", [2, 3]),
        ("01..10", [2, 3, 4, 5]),
        ("01.010", [2, 5]),
        ("0.1", [3]),
        ("1.", [1]),
    ],
)
def test_a_gap_between_two_days_on_is_no_switch(text: str, numbers: list[int]) -> None:
    assert [day.day for day in days_on("walk", _rows(text))] == numbers
    assert [day.day for day in days_on("walk", _rows(text)[::-1])] == numbers


@pytest.mark.parametrize("value", [2.0, 0.5, -1.0, float("nan")])
def test_another_value_is_named_with_its_day(value: float) -> None:
    rows = [*_rows("01"), (date(2026, 3, 9), value)]
    with pytest.raises(ValueError, match="must hold 1 on days on and 0 on days off") as caught:
        days_on("walk", rows)
    assert f"'walk' must hold 1 on days on and 0 on days off but has {value!r} on 2026-03-09" in (
        str(caught.value)
    )


def test_a_column_without_a_day_on_is_refused() -> None:
    with pytest.raises(ValueError, match="'walk' must be 1 on at least one day"):
        days_on("walk", _rows("000"))
