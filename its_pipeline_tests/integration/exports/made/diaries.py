"""Exports of what people write down: Daylio, Exist."""

from __future__ import annotations

import json

from its_pipeline_tests.integration.exports.made.form import App

DAYLIO_HEAD = "full_date,date,weekday,time,mood,activities,note_title,note\n"
DAYLIO_SCALES = "\ufefffull_date,date,weekday,time,mood,activities,scales,note_title,note\n"
_DAYLIO_ROWS = (
    # 2 February: good (4) and Zen (declared 5): 4.5. Running on the 1st and 3rd, tea from the 2nd.
    '2024-02-03,February 3,Saturday,8:30 am,awful,"running | movies / tv","","a, ""b"""\n'
    '2024-02-02,February 2,Friday,10:15 pm,Zen,"tea","",""\n'
    '2024-02-02,February 2,Friday,12:05 am,good,"","",""\n'
    '2024-02-01,February 1,Thursday,22:00,meh,"running ","",""\n'
)
_DAYLIO_LATER = '2024-02-05,February 5,Monday,09:00,rad,"tea","",""\n'

DAYLIO = App(
    "daylio",
    "Daylio export",
    "Europe/Berlin",
    {"daylio_export_2024_02_03.csv": DAYLIO_HEAD + _DAYLIO_ROWS},
    {"daylio_export_2024_02_05.csv": DAYLIO_HEAD + _DAYLIO_LATER + _DAYLIO_ROWS},
    {
        "daylio_mood": {"2024-02-01": 3.0, "2024-02-02": 4.5, "2024-02-03": 1.0},
        "daylio_activity_running": {"2024-02-01": 1.0, "2024-02-02": 0.0, "2024-02-03": 1.0},
        "daylio_activity_tea": {"2024-02-02": 1.0, "2024-02-03": 0.0},
    },
    {"daylio_mood": {"2024-02-05": 5.0}, "daylio_activity_running": {"2024-02-05": 0.0}},
    ["2024-02-05"],
    (
        {"d.csv": DAYLIO_HEAD + _DAYLIO_ROWS + "2024-01-31,x,x,09:00,good,tea,,,,one,two\n"},
        r"download\.csv, line 6: 11 cells where the header has 8",
    ),
    {"Zen": 5.0},
)


def exist_days(*values: object, first: int = 1) -> str:
    """Return an attribute's file: values of December 2021 from a day on."""
    days = [f"2021-12-{day:02d}" for day in range(first, first + len(values))]
    return json.dumps(
        [{"date": day, "value": value} for day, value in zip(days, values, strict=True)]
    )


_EXIST = {
    # Zero steps and zero minutes of sleep are what Exist writes where it knows nothing.
    "exist/data_steps_2021.json": exist_days(4000, 0, 5200),
    "exist/data_sleep_2021.json": exist_days(450, 0, None),
    "exist/data_sleep_start_2021.json": exist_days(645, None, 720),
    "exist/data_mood_2021.json": exist_days(7, None, 5),
    "exist/data_mood_note_2021.json": exist_days("a {good} day", None, None),
    "exist/data_active_energy_2021.json": exist_days(418.4, None, None),
    "exist/data_body_fat_2021.json": exist_days(0.215, None, 0),
    # A tag counts from the day it was first used; a number of one's own is no tag.
    "exist/data_long_walk_2021.json": exist_days(0, 1, 0),
    "exist/data_never_2021.json": exist_days(0, 0, 0),
    "exist/data_pages_written_2021.json": exist_days(0, 1, 2.5),
    "exist/data_book_2021.json": exist_days("Middlemarch", None, None),
    "exist/data_location_2021.json": exist_days("52.5,13.4", None, None),
    "exist/averages.json": json.dumps([{"attribute": "steps", "date": "2021-12-01"}]),
}
EXIST = App(
    "exist",
    "Exist export",
    "Australia/Melbourne",
    _EXIST,
    _EXIST | {"exist/data_steps_2022.json": '[{"date": "2022-01-02", "value": 900}]'},
    {
        "exist_steps": {"2021-12-01": 4000.0, "2021-12-03": 5200.0},
        "exist_sleep_hours": {"2021-12-01": 7.5},
        "exist_sleep_start_hours": {"2021-12-01": 10.75, "2021-12-03": 12.0},
        "exist_mood": {"2021-12-01": 7.0, "2021-12-03": 5.0},
        "exist_active_energy_kcal": {"2021-12-01": 100.0},
        "exist_body_fat_percent": {"2021-12-01": 21.5},
        "exist_tag_long_walk": {"2021-12-02": 1.0, "2021-12-03": 0.0},
        "exist_custom_pages_written": {"2021-12-01": 0.0, "2021-12-02": 1.0, "2021-12-03": 2.5},
    },
    {"exist_steps": {"2022-01-02": 900.0}},
    ["2022-01-02"],
    (
        _EXIST | {"exist/data_mood_2021.json": '[{"date": "2021-12-01", "value": 7}, 8]'},
        r"data_mood_2021\.json, record 2: not a date and a value",
    ),
)


def exist_attribute(name: str, value_type: int, *values: object) -> dict:
    return {
        "group": {"name": "custom", "label": "Custom tags", "priority": 3},
        "template": None,
        "name": name,
        "label": name.replace("_", " "),
        "priority": 2,
        "manual": True,
        "active": True,
        "value_type": value_type,
        "value_type_description": "",
        "service": {"name": "exist_for_android", "label": "Exist for Android"},
        "values": [
            {"date": f"2022-10-{14 - ago}", "value": value} for ago, value in enumerate(values)
        ],
    }


def exist_page(*attributes: dict) -> str:
    page = {"count": 54, "next": None, "previous": None, "results": list(attributes)}
    return json.dumps(page)
