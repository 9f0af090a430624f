"""What one cell's text can mean: the form that machines write is read as every other form is."""

from __future__ import annotations

import pytest

from its_pipeline.events import cell_texts
from its_pipeline.events.cell_texts import number_readings, time_readings

TEXTS = [
    f"{day}{between}{clock}{zone}"
    for day in ("2026-03-10", "2024-02-29", "2026-02-29", "2026-13-01", "0000-01-01", "9999-12-31")
    for between in ("T", " ", "")
    for clock in ("00:00:00", "23:59:59.123456789", "24:00:00", "10:60:00", "10:00:60", "9:05:00",
                  "10:05", "10:00:00.", "")
    for zone in ("", "Z", "z", "+02", "+0200", "-11:30", " Z", "UTC", "+2", " PM")
]  # fmt: skip


def test_the_form_of_machines_means_what_the_general_form_does() -> None:
    short = {text: dict(time_readings.__wrapped__(text)) for text in TEXTS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cell_texts, "_ISO", cell_texts.re.compile(r"(?!)"))
        general = {text: dict(time_readings.__wrapped__(text)) for text in TEXTS}
    assert short == general
    assert sum(bool(readings) for readings in short.values()) > 50
    assert short["2024-02-29T23:59:59.123456789-11:30"] == {
        "year first": "2024-02-29 23:59:59.123456789-11:30"
    }


def test_a_time_of_day_is_no_number() -> None:
    assert number_readings("10:05") == {}
    assert number_readings("10.05")["point"].text == "10.05"
