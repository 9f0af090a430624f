"""Apple Health: time zones, broken records, and XML that must not be trusted."""

from __future__ import annotations

import pytest

from its_pipeline.events.file_rules import ImportFileError
from its_pipeline_tests.integration.exports.made.form import as_file
from its_pipeline_tests.integration.exports.made.phones import (
    APPLE_HEAD,
    apple,
    apple_record,
    apple_sleep,
)
from its_pipeline_tests.integration.exports.store import Store


def _steps(value: str, moment: str, unit: str = "count", source: str = "iPhone") -> str:
    return apple_record("StepCount", value, moment, moment, unit, source)


def test_sleep_in_the_night_of_the_clock_change_is_as_long_as_it_was(tmp_path) -> None:
    store = Store(tmp_path, "Europe/Berlin")
    store.take(
        as_file(
            apple(
                apple_sleep("AsleepCore", "2021-03-27 23:00:00 +0100", "2021-03-28 07:00:00 +0200"),
                apple_sleep("AsleepCore", "2021-10-30 23:00:00 +0200", "2021-10-31 07:00:00 +0100"),
                # A nap of the same day, and a piece that another one covers.
                apple_sleep("AsleepCore", "2021-10-31 14:00:00 +0100", "2021-10-31 14:30:00 +0100"),
                apple_sleep("AsleepDeep", "2021-10-31 01:00:00 +0200", "2021-10-31 02:00:00 +0200"),
            ),
            tmp_path,
        )
    )
    store.run()
    assert store.daily("apple_sleep_hours") == {"2021-03-28": 7.0, "2021-10-31": 9.5}


def test_pieces_are_one_sleep_until_somebody_is_up_for_three_hours(tmp_path) -> None:
    store = Store(tmp_path, "Europe/Berlin")
    store.take(
        as_file(
            apple(
                # Up for two and a half hours: one sleep of 2 + 4.5 hours, of the 2nd.
                apple_sleep("AsleepCore", "2021-06-01 21:00:00 +0200", "2021-06-01 23:00:00 +0200"),
                apple_sleep("AsleepCore", "2021-06-02 01:30:00 +0200", "2021-06-02 06:00:00 +0200"),
                # Up for three and a half: two, of the 4th and of the 5th.
                apple_sleep("AsleepCore", "2021-06-04 20:00:00 +0200", "2021-06-04 22:00:00 +0200"),
                apple_sleep("AsleepCore", "2021-06-05 01:30:00 +0200", "2021-06-05 06:00:00 +0200"),
            ),
            tmp_path,
        )
    )
    store.run()
    assert store.daily("apple_sleep_hours") == {
        "2021-06-02": 6.5,
        "2021-06-04": 2.0,
        "2021-06-05": 4.5,
    }


def test_a_record_that_is_there_twice_counts_once(tmp_path) -> None:
    store = Store(tmp_path, "Europe/Berlin")
    again = _steps("10", "2021-06-01 08:00:00 +0200")
    store.take(as_file(apple(again, again, _steps("5", "2021-06-01 08:01:00 +0200")), tmp_path))
    store.run()
    assert store.daily("apple_steps") == {"2021-06-01": 15.0}


def test_without_a_zone_a_day_is_that_of_the_record_and_with_one_that_of_the_zone(tmp_path) -> None:
    export = as_file(apple(_steps("10", "2021-06-01 23:30:00 -0700")), tmp_path)
    for zone, day in ((None, "2021-06-01"), ("Europe/Berlin", "2021-06-02")):
        store = Store(tmp_path / str(zone), zone)
        store.take(export)
        store.run()
        assert store.daily("apple_steps") == {day: 10.0}


def test_an_offset_of_half_an_hour_needs_a_zone(tmp_path) -> None:
    export = as_file(apple(_steps("10", "2021-06-01 00:10:00 +0530")), tmp_path)
    with pytest.raises(ImportFileError, match=r"offset '\+05:30' alone; .*--time-zone"):
        Store(tmp_path / "a", None).take(export)
    store = Store(tmp_path / "b", "Asia/Kolkata")
    store.take(export)
    store.run()
    assert store.daily("apple_steps") == {"2021-06-01": 10.0}


def test_the_same_instants_exported_from_another_zone_are_the_same_events(tmp_path) -> None:
    store = Store(tmp_path, "Europe/Berlin")
    store.take(as_file(apple(_steps("10", "2021-06-01 08:00:00 +0200")), tmp_path / "home"))
    again = store.take(as_file(apple(_steps("10", "2021-06-01 15:00:00 +0900")), tmp_path / "away"))
    assert (again.taken, again.version) == (False, 1)


def test_broken_records_are_counted_shown_and_rejected_by_rule(tmp_path) -> None:
    store = Store(tmp_path, "Europe/Berlin")
    result = store.take(
        as_file(
            apple(
                _steps("100", "2021-06-01 08:00:00 +0200"),
                _steps("many", "2021-06-01 09:00:00 +0200"),
                _steps("12", "2021-06-01 10:00:00 +0200", unit="furlongs"),
                _steps("-5", "2021-06-01 11:00:00 +0200"),
                _steps("7", "1. Juni 2021"),
                _steps("8", "1970-01-01 00:00:00 +0000"),
                apple_record("BodyMass", "80", "2021-06-01 08:00:00 +0200", "x", "kg"),
                apple_sleep("AsleepCore", "2021-06-01 23:00:00 +0200", "soon"),
                apple_sleep(
                    "AsleepTwice", "2021-06-01 23:00:00 +0200", "2021-06-02 06:00:00 +0200"
                ),
            ),
            tmp_path,
        )
    )
    told = "\n".join(result.told)
    assert "2 readings of apple_steps will be rejected: not a number" in told
    assert (
        "1 readings of apple_steps will be rejected: not in [0.0, 100000.0], such as '-5'" in told
    )
    assert "will be rejected: its time cannot be read, such as '1. Juni 2021' (download.xml" in told
    store.run()
    assert store.daily("apple_steps") == {"2021-06-01": 100.0}
    assert store.daily("apple_weight_kg") == {"2021-06-01": 80.0}
    found = {(row["event_type"], row["rule"], row["column"]) for row in store.rejected()}
    assert found == {
        ("apple_steps", "is_number", "event_data"),
        ("apple_steps", "in_range", "event_data"),
        ("apple_steps", "is_instant_with_offset", "occurred_at"),
        ("apple_steps", "not_zero", "occurred_at"),
        ("apple_sleep_hours", "is_instant_with_offset", "occurred_at"),
        ("apple_sleep_hours", "is_number", "event_data"),
    }
    values = [row["event_data"] for row in store.rejected()]
    assert any(
        '"12 furlongs"' in value and '"place": "download.xml, line ' in value for value in values
    )
    assert len(values) == 7


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("in its document type", '<!DOCTYPE HealthData [<!ENTITY a "b">]>\n<HealthData>'),
        (
            "of a file",
            '<!DOCTYPE HealthData [<!ENTITY a SYSTEM "file:///etc/passwd">]>\n<HealthData>',
        ),
        ("in a document type without end", "<!DOCTYPE HealthData [\n<HealthData>"),
    ],
)
def test_an_entity_is_refused(name, head, tmp_path) -> None:
    export = as_file({"export.xml": head + _steps("&a;", "2021-06-01 08:00:00 +0200")}, tmp_path)
    with pytest.raises(ImportFileError, match="declares entities or does not end"):
        Store(tmp_path, "UTC").take(export)


def test_an_entity_that_nobody_declared_is_an_error_with_its_place(tmp_path) -> None:
    record = _steps("&a;", "2021-06-01 08:00:00 +0200")
    export = as_file({"export.xml": f"{APPLE_HEAD}{record}</HealthData>"}, tmp_path)
    with pytest.raises(ImportFileError, match=r"line 18, column [0-9]+: undefined entity"):
        Store(tmp_path, "UTC").take(export)


def test_an_external_document_type_is_never_opened(tmp_path) -> None:
    head = '<!DOCTYPE HealthData SYSTEM "file:///etc/hostname">\n<HealthData>\n'
    record = _steps("5", "2021-06-01 08:00:00 +0200")
    store = Store(tmp_path, "UTC")
    store.take(as_file({"export.xml": f"{head}{record}</HealthData>"}, tmp_path))
    store.run()
    assert store.daily("apple_steps") == {"2021-06-01": 5.0}


def test_an_export_in_which_nothing_is_known_is_refused(tmp_path) -> None:
    export = as_file(
        apple(apple_record("Height", "180", "2021-06-01 08:00:00 +0200", "x", "cm")), tmp_path
    )
    with pytest.raises(ImportFileError, match="without anything that is known"):
        Store(tmp_path, "UTC").take(export)


def test_what_another_device_counts_for_is_told(tmp_path) -> None:
    store = Store(tmp_path, "Europe/Berlin")
    result = store.take(
        as_file(
            apple(
                _steps("100", "2021-06-01 08:00:00 +0200", source="Watch"),
                _steps("60", "2021-06-01 08:00:00 +0200", source="iPhone"),
                _steps("60", "2021-06-01 09:00:00 +0200", source="iPhone"),
                apple_sleep(
                    "AsleepCore", "2021-06-01 23:00:00 +0200", "2021-06-02 06:00:00 +0200", "Watch"
                ),
                apple_sleep(
                    "Asleep", "2021-06-01 22:00:00 +0200", "2021-06-02 07:00:00 +0200", "App"
                ),
            ),
            tmp_path,
        )
    )
    assert result.told[1:] == (
        "left out, because another device counts on those days: 1 readings of Sleep by App",
        "left out, because another device counts on those days: 1 readings of Steps by Watch",
    )
