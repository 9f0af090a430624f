"""Calendar files by the letter of RFC 5545, read by a small reader of its own; and tables."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from its_pipeline.schedules.calendar_files import calendar, table
from its_pipeline.schedules.mechanism import Mechanism
from its_pipeline.schedules.schedule import Schedule

DRAWN_AT = datetime(2026, 4, 20, 9, 30, tzinfo=timezone(timedelta(hours=2)))
SCHEDULE = Schedule.days(
    ["2026-05-02", "2026-05-03", "2026-05-06", "2026-05-31"],
    Mechanism(drawn_at=DRAWN_AT),
    drawn_from_on="2026-05-01",
    drawn_to_on="2026-06-10",
)
UNTIL = date(2026, 6, 10)


def _events(text):
    """Read a calendar as RFC 5545 asks: unfold, then split each line at its first colon."""
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    lines = text.replace("\r\n ", "").split("\r\n")[:-1]
    assert lines[0] == "BEGIN:VCALENDAR"
    assert lines[-1] == "END:VCALENDAR"
    found = []
    for line in lines:
        name, _, value = line.partition(":")
        if line == "BEGIN:VEVENT":
            found.append({})
        elif found:
            found[-1].setdefault(name, value)
    return found


def test_a_run_is_one_event_whose_end_is_exclusive():
    events = _events(calendar(SCHEDULE, "Magnesium", UNTIL))
    assert [(e["DTSTART;VALUE=DATE"], e["DTEND;VALUE=DATE"]) for e in events] == [
        ("20260502", "20260504"),
        ("20260506", "20260507"),
        ("20260531", "20260601"),
    ]
    assert {e["SUMMARY"] for e in events} == {"Magnesium"}


def test_the_head_says_version_and_product():
    text = calendar(SCHEDULE, "Magnesium", UNTIL)
    assert "\r\nVERSION:2.0\r\n" in text
    assert "\r\nPRODID:" in text


def test_the_stamp_is_when_it_was_drawn_in_utc():
    events = _events(calendar(SCHEDULE, "Magnesium", UNTIL))
    assert {e["DTSTAMP"] for e in events} == {"20260420T073000Z"}
    chosen = _events(calendar(Schedule.since("2026-05-02"), "Magnesium", UNTIL))
    assert {e["DTSTAMP"] for e in chosen} == {"20260502T000000Z"}


def test_identifiers_stay_and_tell_events_apart():
    first = [e["UID"] for e in _events(calendar(SCHEDULE, "Magnesium", UNTIL))]
    mechanism = Mechanism(drawn_at=datetime(2026, 4, 1, tzinfo=UTC))
    again = [
        e["UID"]
        for e in _events(calendar(replace(SCHEDULE, mechanism=mechanism), "Magnesium", UNTIL))
    ]
    other = [e["UID"] for e in _events(calendar(SCHEDULE, "Zinc", UNTIL))]
    assert first == again
    assert len({*first, *other}) == 6


def test_days_behind_the_last_that_is_told_are_left_out():
    events = _events(calendar(SCHEDULE, "Magnesium", date(2026, 5, 2)))
    assert [e["DTEND;VALUE=DATE"] for e in events] == ["20260503"]
    open_end = _events(calendar(Schedule.since("2026-05-02"), "Magnesium", date(2026, 5, 9)))
    assert [e["DTEND;VALUE=DATE"] for e in open_end] == ["20260510"]
    with pytest.raises(ValueError, match="none is on by 2026-05-01; the first is 2026-05-02"):
        calendar(SCHEDULE, "Magnesium", date(2026, 5, 1))


def test_what_has_a_meaning_in_the_format_is_escaped():
    (event, *_) = _events(calendar(SCHEDULE, "a, b; c\\d\r\ne: f", UNTIL))
    assert event["SUMMARY"] == "a\\, b\\; c\\\\d\\ne: f"


@pytest.mark.parametrize("name", ["", "  ", "\n", "a\x07b"])
def test_a_name_that_is_no_text_is_refused(name):
    with pytest.raises(ValueError, match="without control characters"):
        calendar(SCHEDULE, name, UNTIL)


@pytest.mark.parametrize("name", ["x" * 200, "Größenwahn " * 20, "🧪" * 60, "x" * 67, "x" * 68])
def test_long_lines_are_folded_and_no_character_is_cut(name):
    text = calendar(SCHEDULE, name, UNTIL)
    for line in text.encode().split(b"\r\n"):
        assert len(line) <= 75
        line.decode()
    assert {e["SUMMARY"] for e in _events(text)} == {name}


def test_a_table_tells_every_day():
    assert table(SCHEDULE, date(2026, 5, 1), date(2026, 5, 4)) == (
        "day,on\n2026-05-01,0\n2026-05-02,1\n2026-05-03,1\n2026-05-04,0\n"
    )
    with pytest.raises(ValueError, match="must not be earlier"):
        table(SCHEDULE, date(2026, 5, 2), date(2026, 5, 1))
