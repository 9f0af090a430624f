"""Exports made in the form that each app writes, with days whose figures are worked out by hand."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

Members = dict[str, str]


@dataclass(frozen=True)
class App:
    """One app's export, short and longer.

    `short` and `longer` give the members by name; `daily` is what comes of the short one, by metric
    and local day; `more` what the longer one adds; `changed` the UTC days that are new then.
    `broken` are the members of one that must be refused, and what is said of where.
    """

    name: str
    title: str
    time_zone: str | None
    short: Members
    longer: Members
    daily: Mapping[str, Mapping[str, float]]
    more: Mapping[str, Mapping[str, float]]
    changed: list[str]
    broken: tuple[Members, str]
    moods: Mapping[str, float] = field(default_factory=dict)


def as_folder(members: Members, folder: Path) -> Path:
    for name, content in members.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    return folder


def as_file(members: Members, folder: Path) -> Path:
    """Write the only member as a file whose name says nothing."""
    (content,) = members.values()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"download{Path(next(iter(members))).suffix}"
    file.write_text(content, encoding="utf-8")
    return file


def as_zip(members: Members, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return folder / "export.zip"


# --- Apple Health -----------------------------------------------------------------------------

APPLE_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE HealthData [
<!-- HealthKit Export Version: 12 -->
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation|Workout|ActivitySummary|ClinicalRecord)*)>
<!ATTLIST HealthData
  locale CDATA #REQUIRED
>
<!ELEMENT Record ((MetadataEntry|HeartRateVariabilityMetadataList)*)>
<!ATTLIST Record
  type          CDATA #REQUIRED
  startDate     CDATA #REQUIRED
  device CDATA #IMPLIED this line is not well formed, as in some releases
>
]>
<HealthData locale="en_US">
 <ExportDate value="2021-04-01 21:07:11 +0200"/>
 <Me HKCharacteristicTypeIdentifierBiologicalSex="HKBiologicalSexOther"/>
"""
DEVICE = "&lt;&lt;HKDevice: 0x282e3a260&gt;, name:Apple Watch, hardware:Watch6,4&gt;"


def apple_record(
    kind: str, value: str, started: str, ended: str, unit: str = "", source: str = "Anna’s Watch"
) -> str:
    """Return one record; `kind` without its long prefix."""
    prefix = "Category" if kind in ("SleepAnalysis", "MindfulSession") else "Quantity"
    number = f' value="{value}"' if value else ""
    units = f' unit="{unit}"' if unit else ""
    return (
        f' <Record type="HK{prefix}TypeIdentifier{kind}" sourceName="{source}" '
        f'sourceVersion="7.3" device="{DEVICE}"{units} creationDate="{ended}" '
        f'startDate="{started}" endDate="{ended}"{number}>\n'
        '  <MetadataEntry key="HKMetadataKeySyncVersion" value="1"/>\n </Record>\n'
    )


def apple_sleep(stage: str, started: str, ended: str, source: str = "Anna’s Watch") -> str:
    value = f"HKCategoryValueSleepAnalysis{stage}"
    return apple_record("SleepAnalysis", value, started, ended, source=source)


def apple(*records: str) -> Members:
    body = "".join(records)
    return {"apple_health_export/export.xml": f"{APPLE_HEAD}{body}</HealthData>\n"}


_STEPS = (
    # 4 March: the watch 300 + 200 + 4000 = 4500, the phone 1000 + 2000 = 3000. The watch counts.
    apple_record(
        "StepCount", "300", "2021-03-04 07:12:00 +0100", "2021-03-04 07:20:00 +0100", "count"
    ),
    apple_record(
        "StepCount", "200", "2021-03-04 07:30:00 +0100", "2021-03-04 07:31:00 +0100", "count"
    ),
    apple_record(
        "StepCount", "4000", "2021-03-04 23:50:00 +0100", "2021-03-05 00:10:00 +0100", "count"
    ),
    apple_record(
        "StepCount",
        "1000",
        "2021-03-04 07:10:00 +0100",
        "2021-03-04 07:20:00 +0100",
        "count",
        "iPhone",
    ),
    apple_record(
        "StepCount",
        "2000",
        "2021-03-04 18:00:00 +0100",
        "2021-03-04 18:30:00 +0100",
        "count",
        "iPhone",
    ),
    # 5 March: the watch lay on its charger but for 10 steps, the phone has 2500.
    apple_record(
        "StepCount", "10", "2021-03-05 07:10:00 +0100", "2021-03-05 07:20:00 +0100", "count"
    ),
    apple_record(
        "StepCount",
        "2500",
        "2021-03-05 09:00:00 +0100",
        "2021-03-05 09:30:00 +0100",
        "count",
        "iPhone",
    ),
)
_NIGHT = (
    # In bed 22:45 to 6:45; core 23:00-1:00, deep 1:00-2:30, awake 2:30-2:45, REM 2:45-6:30:
    # 2 + 1.5 + 3.75 = 7.25 hours of sleep, counted on the 5th, when she woke.
    apple_sleep("InBed", "2021-03-04 22:45:00 +0100", "2021-03-05 06:45:00 +0100"),
    apple_sleep("AsleepCore", "2021-03-04 23:00:00 +0100", "2021-03-05 01:00:00 +0100"),
    apple_sleep("AsleepDeep", "2021-03-05 01:00:00 +0100", "2021-03-05 02:30:00 +0100"),
    apple_sleep("Awake", "2021-03-05 02:30:00 +0100", "2021-03-05 02:45:00 +0100"),
    apple_sleep("AsleepREM", "2021-03-05 02:45:00 +0100", "2021-03-05 06:30:00 +0100"),
    # The phone saw her asleep for nine hours, without stages: the watch counts.
    apple_sleep("Asleep", "2021-03-04 22:00:00 +0100", "2021-03-05 07:00:00 +0100", "iPhone"),
)
_BODY = (
    # An hour at 60 on average (50, 70), a workout's at 140 (three readings): the day's mean is 100.
    apple_record(
        "HeartRate", "50", "2021-03-04 08:01:00 +0100", "2021-03-04 08:01:00 +0100", "count/min"
    ),
    apple_record(
        "HeartRate", "70", "2021-03-04 08:41:00 +0100", "2021-03-04 08:41:00 +0100", "count/min"
    ),
    apple_record(
        "HeartRate", "130", "2021-03-04 18:01:00 +0100", "2021-03-04 18:01:00 +0100", "count/min"
    ),
    apple_record(
        "HeartRate", "140", "2021-03-04 18:01:05 +0100", "2021-03-04 18:01:05 +0100", "count/min"
    ),
    apple_record(
        "HeartRate", "150", "2021-03-04 18:01:10 +0100", "2021-03-04 18:01:10 +0100", "count/min"
    ),
    # 100 lb are 45.359237 kg; 1 mi is 1.609344 km; 418.4 kJ are 100 kcal.
    apple_record(
        "BodyMass", "100", "2021-03-04 07:00:00 +0100", "2021-03-04 07:00:00 +0100", "lb", "Scale"
    ),
    apple_record(
        "DistanceWalkingRunning",
        "1",
        "2021-03-04 18:00:00 +0100",
        "2021-03-04 18:30:00 +0100",
        "mi",
    ),
    apple_record(
        "ActiveEnergyBurned",
        "418.4",
        "2021-03-04 18:00:00 +0100",
        "2021-03-04 18:30:00 +0100",
        "kJ",
    ),
    apple_record(
        "MindfulSession",
        "",
        "2021-03-04 21:00:00 +0100",
        "2021-03-04 21:12:30 +0100",
        source="Calm",
    ),
    # The same record twice, as after moving to a new phone.
    apple_record(
        "BodyMass", "100", "2021-03-04 07:00:00 +0100", "2021-03-04 07:00:00 +0100", "lb", "Scale"
    ),
    # What belongs to a correlation stands in the file once more.
    ' <Correlation type="HKCorrelationTypeIdentifierFood">\n '
    + apple_record(
        "BodyMass", "300", "2021-03-04 07:00:00 +0100", "2021-03-04 07:00:00 +0100", "kg"
    )
    + " </Correlation>\n",
)
_LATER = (
    apple_record(
        "StepCount", "700", "2021-03-07 10:00:00 +0100", "2021-03-07 10:20:00 +0100", "count"
    ),
    # A step of the 5th that the watch had not handed over yet: 2500 of the phone still are more.
    apple_record(
        "StepCount", "90", "2021-03-05 08:10:00 +0100", "2021-03-05 08:20:00 +0100", "count"
    ),
)

APPLE = App(
    "apple",
    "Apple Health export",
    "Europe/Berlin",
    apple(*_STEPS, *_NIGHT, *_BODY),
    apple(*_STEPS, *_NIGHT, *_BODY, *_LATER),
    {
        "apple_steps": {"2021-03-04": 4500.0, "2021-03-05": 2500.0},
        "apple_sleep_hours": {"2021-03-05": 7.25},
        "apple_deep_sleep_hours": {"2021-03-05": 1.5},
        "apple_rem_sleep_hours": {"2021-03-05": 3.75},
        "apple_core_sleep_hours": {"2021-03-05": 2.0},
        "apple_awake_hours": {"2021-03-05": 0.25},
        "apple_in_bed_hours": {"2021-03-05": 8.0},
        "apple_heart_rate": {"2021-03-04": 100.0},
        "apple_weight_kg": {"2021-03-04": 45.359237},
        "apple_distance_km": {"2021-03-04": 1.609344},
        "apple_active_energy_kcal": {"2021-03-04": 100.0},
        "apple_mindful_minutes": {"2021-03-04": 12.5, "2021-03-05": 0.0},
    },
    {"apple_steps": {"2021-03-07": 700.0}},
    ["2021-03-07"],
    (
        {"export.xml": APPLE_HEAD + _STEPS[0] + _STEPS[1][:200]},
        r"download\.xml, line 21, column 1: unclosed token",
    ),
)

# --- Daylio -----------------------------------------------------------------------------------

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

# --- Fitbit -----------------------------------------------------------------------------------


def fitbit_list(*records: dict) -> str:
    return json.dumps(list(records), indent=2)


def _fitbit_night(day: str, started: str, ended: str, asleep: int, deep: int) -> dict:
    return {
        "logId": 36052440001,
        "dateOfSleep": day,
        "startTime": started,
        "endTime": ended,
        "duration": 32580000,
        "minutesToFallAsleep": 0,
        "minutesAsleep": asleep,
        "minutesAwake": 40,
        "timeInBed": asleep + 40,
        "efficiency": 94,
        "type": "stages",
        "levels": {"summary": {"deep": {"count": 4, "minutes": deep, "thirtyDayAvgMinutes": 70}}},
        "mainSleep": True,
    }


_FITBIT = {
    # Minutes are in UTC. In Chicago (six hours west) 5:59 of the 6th is still the 5th.
    "Takeout/Fitbit/Global Export Data/steps-2021-01-05.json": fitbit_list(
        {"dateTime": "01/05/21 14:00:00", "value": "20"},
        {"dateTime": "01/05/21 14:01:00", "value": "0"},
        {"dateTime": "01/06/21 05:59:00", "value": "30"},
        {"dateTime": "01/06/21 06:00:00", "value": "7"},
    ),
    # The same day in Takeout's newer form, and a little more of it: that one counts, not the sum.
    "Takeout/Fitbit/Physical Activity_GoogleData/steps_2021-01-05.csv": (
        "timestamp,steps,data source\n2021-01-05T14:00:00Z,20,Charge 4\n"
        "2021-01-06T05:59:00Z,35,Charge 4\n"
    ),
    "Takeout/Fitbit/Global Export Data/heart_rate-2021-01-05.json": fitbit_list(
        {"dateTime": "01/05/21 14:00:00", "value": {"bpm": 60, "confidence": 1}},
        {"dateTime": "01/05/21 14:00:05", "value": {"bpm": 62, "confidence": 2}},
    ),
    "Takeout/Fitbit/Global Export Data/resting_heart_rate-2021-01-05.json": fitbit_list(
        {"dateTime": "01/04/21 00:00:00", "value": {"date": None, "value": 0.0, "error": 0.0}},
        {
            "dateTime": "01/05/21 00:00:00",
            "value": {"date": "01/05/21", "value": 58.4, "error": 6.2},
        },
    ),
    "Takeout/Fitbit/Global Export Data/sleep-2021-01-05.json": fitbit_list(
        _fitbit_night("2021-01-05", "2021-01-04T22:41:00.000", "2021-01-05T07:21:30.000", 480, 75)
    ),
    "Takeout/Fitbit/Global Export Data/badge.json": '[{"encodedId": "231TG2"}]',
    "Takeout/archive_browser.html": "<html></html>",
}
_FITBIT_LATER = {
    "Takeout/Fitbit/Global Export Data/steps-2021-01-08.json": fitbit_list(
        {"dateTime": "01/08/21 14:00:00", "value": "11"}
    )
}

FITBIT = App(
    "fitbit",
    "Fitbit export",
    "America/Chicago",
    _FITBIT,
    _FITBIT | _FITBIT_LATER,
    {
        "fitbit_steps": {"2021-01-05": 55.0, "2021-01-06": 7.0},
        "fitbit_heart_rate": {"2021-01-05": 61.0},
        "fitbit_resting_heart_rate": {"2021-01-05": 58.4},
        "fitbit_sleep_hours": {"2021-01-05": 8.0},
        "fitbit_in_bed_hours": {"2021-01-05": 8.666667},
        "fitbit_deep_sleep_hours": {"2021-01-05": 1.25},
    },
    {"fitbit_steps": {"2021-01-08": 11.0}},
    ["2021-01-08"],
    (
        _FITBIT
        | {"Takeout/Fitbit/Global Export Data/steps-2021-01-06.json": '[\n {"dateTime" :\n'},
        r"steps-2021-01-06\.json, line 3: not JSON",
    ),
)

# --- Sleep Cycle ------------------------------------------------------------------------------

_CYCLE_HEAD = (
    "Start;End;Sleep quality;Time in bed;Wake up;Sleep Notes;Heart rate;Activity (steps)\n"
)
_CYCLE_ROWS = (
    # The night in which New York's clocks went forward: 9:39 by the clock are 8:39, as it says.
    "2015-03-08 01:48:02;2015-03-08 11:27:22;100%;8:39;:);;;4632\n"
    "2015-03-08 23:12:00;2015-03-09 07:05:00;63%;7:53;;Drank tea:Stressful day;;624\n"
)
SLEEP_CYCLE = App(
    "sleepcycle",
    "Sleep Cycle export",
    "America/New_York",
    {"sleepdata.csv": _CYCLE_HEAD + _CYCLE_ROWS},
    {
        "sleepdata.csv": _CYCLE_HEAD
        + _CYCLE_ROWS
        + "2015-03-10 23:00:00;2015-03-11 07:30:00;90%;8:30;;a;b;c;d;1\n"
    },
    {
        "sleepcycle_in_bed_hours": {"2015-03-08": 8.65, "2015-03-09": 7.883333},
        "sleepcycle_sleep_quality": {"2015-03-08": 100.0, "2015-03-09": 63.0},
    },
    {"sleepcycle_in_bed_hours": {"2015-03-11": 8.5}},
    ["2015-03-11"],
    (
        {"sleepdata.csv": _CYCLE_HEAD + "yesterday;today;63%;7:53;;;;624\n"},
        r"nothing in it can be read; 2 readings.*'today' \(download\.csv, line 2\)|"
        r"nothing in it can be read; 1 readings.*'today' \(download\.csv, line 2\)",
    ),
)
NEW_CYCLE = (
    "Went to bed;Woke up;Sleep Quality;Time in bed (seconds);Time asleep (seconds);"
    "Asleep after (seconds);Regularity;Did snore;Snore time (seconds)\n"
    "2026-08-24 23:10:00;2026-08-25 07:53:00;93%;31380;27000;3767;77%;false;90\n"
    "2026-08-23 22:57:00;2026-08-23 23:43:00;8%;2760;0;2723;—;false;0\n"
)

# --- Sleep as Android -------------------------------------------------------------------------

_SAA_HEAD = (
    "Id,Tz,From,To,Sched,Hours,Rating,Comment,Framerate,Snore,Noise,Cycles,DeepSleep,LenAdjust,Geo"
)
_SAA_ROWS = (
    f'{_SAA_HEAD},"6:27","6:32","Event","Event"\n'
    '"1588483359588","Europe/London","03. 05. 2020 0:22","03. 05. 2020 8:53","14. 05. 2020 4:14",'
    '"8.520","0.0","#home","10007","-1","-1.0","3","0.94","-18","","10.2","0.0",'
    '"LIGHT_START-1588483359588","DHA-1588483359589-9.4E-38"\n'
    f'{_SAA_HEAD},"3:39","Event"\n'
    '"1588386853799","America/New_York","01. 05. 2020 23:00","02. 05. 2020 7:00",'
    '"14. 05. 2020 4:14","8,000","4.5","","10007","-1","-1.0","3","-1.0","-14","","40.3","DHA-1"\n'
)
SLEEP_ANDROID = App(
    "sleepandroid",
    "Sleep as Android export",
    None,
    {"sleep-export.csv": _SAA_ROWS},
    {
        "sleep-export.csv": _SAA_ROWS
        + f'{_SAA_HEAD}\n"1588900000000","Europe/London","07. 05. 2020 23:30","08. 05. 2020 6:00",'
        '"","6.5","3.0","","10007","-1","-1.0","3","0.5","0",""\n'
    },
    {
        "sleepandroid_sleep_hours": {"2020-05-02": 8.0, "2020-05-03": 8.52},
        "sleepandroid_deep_sleep_share": {"2020-05-03": 94.0},
        "sleepandroid_rating": {"2020-05-02": 4.5},
    },
    {"sleepandroid_sleep_hours": {"2020-05-08": 6.5}},
    ["2020-05-08"],
    (
        {"sleep-export.csv": _SAA_ROWS + '"1","Europe/London"' + ',"x"' * 20 + "\n"},
        r"download\.csv, line 5: 22 cells where the header above it has 17",
    ),
)

# --- WHOOP ------------------------------------------------------------------------------------

_CYCLES_HEAD = (
    "Cycle start time,Cycle end time,Cycle timezone,Recovery score %,Resting heart rate (bpm),"
    "Heart rate variability (ms),Skin temp (celsius),Blood oxygen %,Day Strain,"
    "Energy burned (cal),Max HR (bpm),Average HR (bpm),Sleep onset,Wake onset,"
    "Sleep performance %,Respiratory rate (rpm),Asleep duration (min),In bed duration (min),"
    "Light sleep duration (min),Deep (SWS) duration (min),REM duration (min),"
    "Awake duration (min),Sleep need (min),Sleep debt (min),Sleep efficiency %\n"
)
_SLEEPS_HEAD = (
    "Cycle start time,Cycle end time,Cycle timezone,Sleep onset,Wake onset,Sleep performance %,"
    "Respiratory rate (rpm),Asleep duration (min),In bed duration (min),"
    "Light sleep duration (min),Deep (SWS) duration (min),REM duration (min),"
    "Awake duration (min),Sleep need (min),Sleep debt (min),Sleep efficiency %,Nap\n"
)
_CYCLE = (
    "2024-03-31 21:57:34,2024-04-01 20:30:26,UTC-07:00,86,50,112,33.80,97.93,18.5,3379,190,73,"
    "2024-03-31 21:57:34,2024-04-01 06:53:41,87,13.8,459,533,335,57,67,74,529,45,86\n"
)
_OPEN_CYCLE = (
    "2024-04-02 21:33:22,,UTC-07:00,61,54,87,33.90,96.90,,,,,"
    "2024-04-02 21:33:22,2024-04-03 06:56:11,81,13.8,440,562,377,30,33,122,543,97,79\n"
)
_NIGHT_AND_NAP = (
    "2024-03-31 21:57:34,2024-04-01 20:30:26,UTC-07:00,2024-03-31 21:57:34,2024-04-01 06:53:41,"
    "87,13.8,450,533,335,57,67,74,529,45,86,false\n"
    "2024-03-31 21:57:34,2024-04-01 20:30:26,UTC-07:00,2024-04-01 14:00:00,2024-04-01 14:40:00,"
    "10,14.0,30,40,30,0,0,10,529,45,75,true\n"
)
WHOOP = App(
    "whoop",
    "WHOOP export",
    None,
    {
        "physiological_cycles.csv": _CYCLES_HEAD + _CYCLE,
        "sleeps.csv": _SLEEPS_HEAD + _NIGHT_AND_NAP,
    },
    {
        "physiological_cycles.csv": _CYCLES_HEAD + _OPEN_CYCLE + _CYCLE,
        "sleeps.csv": _SLEEPS_HEAD + _NIGHT_AND_NAP,
    },
    {
        # 450 minutes at night and 30 by day are 8 hours; the nap does not touch the performance.
        "whoop_sleep_hours": {"2024-04-01": 8.0},
        "whoop_sleep_performance": {"2024-04-01": 87.0},
        "whoop_recovery": {"2024-04-01": 86.0},
        "whoop_strain": {"2024-04-01": 18.5},
        "whoop_energy_kcal": {"2024-04-01": 3379.0},
    },
    {"whoop_recovery": {"2024-04-03": 61.0}},
    ["2024-04-03"],
    (
        {"physiological_cycles.csv": _CYCLES_HEAD + _CYCLE + "2024-04-02" + ",x" * 30 + "\n"},
        r"download\.csv, line 3: 31 cells where the header has 25",
    ),
)

# --- Oura -------------------------------------------------------------------------------------


def _oura_sleep(day: str, start: str, end: str, total: int, kind: str = "long_sleep") -> dict:
    return {
        "id": f"{day}-{kind}",
        "day": day,
        "bedtime_start": start,
        "bedtime_end": end,
        "total_sleep_duration": total,
        "deep_sleep_duration": 5400,
        "rem_sleep_duration": 3600,
        "light_sleep_duration": None,
        "time_in_bed": total + 1800,
        "efficiency": 90,
        "latency": 600,
        "lowest_heart_rate": 48,
        "average_hrv": 55,
        "heart_rate": {"interval": 300.0, "items": [50.0, None], "timestamp": start},
        "type": kind,
    }


_OURA_SLEEPS = [
    _oura_sleep(
        "2024-01-02", "2024-01-01T23:00:00.000-05:00", "2024-01-02T07:00:00.000-05:00", 27000
    ),
    _oura_sleep(
        "2024-01-02", "2024-01-02T14:00:00-05:00", "2024-01-02T14:40:00-05:00", 1800, "late_nap"
    ),
    _oura_sleep(
        "2024-01-02", "2024-01-02T18:00:00-05:00", "2024-01-02T19:00:00-05:00", 3600, "deleted"
    ),
]
_OURA_ACTIVITY = {
    "id": "a-1",
    "day": "2024-01-02",
    "steps": 10432,
    "active_calories": 480,
    "equivalent_walking_distance": 8500,
    "score": 77,
    "timestamp": "2024-01-02T04:00:00-05:00",
}
_OURA = {
    "sleep": {"data": _OURA_SLEEPS, "next_token": None},
    "daily_activity": {"data": [_OURA_ACTIVITY]},
}
_OURA_LATER = {
    "sleep": {"data": _OURA_SLEEPS},
    "daily_activity": {
        "data": [_OURA_ACTIVITY, _OURA_ACTIVITY | {"id": "a-2", "day": "2024-01-04", "steps": 500}]
    },
}
OURA = App(
    "oura",
    "Oura export",
    "America/New_York",
    {"oura.json": json.dumps(_OURA)},
    {"oura.json": json.dumps(_OURA_LATER)},
    {
        # 7.5 hours at night and half an hour after lunch; what was deleted is no sleep.
        "oura_sleep_hours": {"2024-01-02": 8.0},
        "oura_deep_sleep_hours": {"2024-01-02": 3.0},
        "oura_lowest_heart_rate": {"2024-01-02": 48.0},
        "oura_latency_minutes": {"2024-01-02": 10.0},
        "oura_steps": {"2024-01-02": 10432.0},
        "oura_distance_km": {"2024-01-02": 8.5},
        "oura_activity_score": {"2024-01-02": 77.0},
    },
    {"oura_steps": {"2024-01-04": 500.0}},
    ["2024-01-04"],
    ({"oura.json": json.dumps(_OURA, indent=1)[:-40]}, r"download\.json, line [0-9]+: not JSON"),
)
OURA_HUB = {
    "App Data/dailyreadiness.csv": (
        "id;contributors;day;score;temperature_deviation;temperature_trend_deviation;timestamp\r\n"
        'dr-0;"{""previous_night"": 75, ""sleep_balance"": 80}";2024-01-02;65;-0.3;;'
        "2024-01-02T00:00:00-05:00\r\n"
    ),
    "App Data/dailysleep.csv": (
        "id;contributors;day;score;timestamp\r\n"
        'ds-0;"{""deep_sleep"": 60, ""efficiency"": 80}";2024-01-02;70;'
        "2024-01-02T00:00:00-05:00\r\n"
    ),
    "App Data/sleepmodel.csv": (
        "id;bedtime_end;bedtime_start;day;deep_sleep_duration;total_sleep_duration;type\r\n"
        "sl-0;2024-01-02T07:00:00-05:00;2024-01-01T23:00:00-05:00;2024-01-02;5400;27000;long_sleep\r\n"
    ),
    "App Data/ringconfiguration.csv": "id;color\r\nrc-1;silver\r\n",
}
OURA_TRENDS = (
    "date,Total Sleep Duration,Deep Sleep Duration,Sleep Score,Readiness Score,Steps,"
    "Activity Burn\n"
    "2024-01-02,27000,5400,84,79,10432,480\n2024-01-03,,,,,9000,400\n"
)

# --- Garmin -----------------------------------------------------------------------------------

_UDS = "DI_CONNECT/DI-Connect-Aggregator/UDSFile_2024-01-10_2024-04-19.json"
_SLEEP = "DI_CONNECT/DI-Connect-Wellness/2024-01-10_2024-04-19_123_sleepData.json"
_GARMIN_DAY = {
    "userProfilePK": 123,
    "calendarDate": "2024-01-15",
    "totalSteps": 8000,
    "totalDistanceMeters": 6400,
    "activeKilocalories": 410.0,
    "restingHeartRate": 52,
    "bodyBattery": {"bodyBatteryStatList": []},
}
_GARMIN_NIGHT = {
    "calendarDate": "2024-01-15",
    "sleepStartTimestampGMT": "2024-01-14T22:00:00.0",
    "sleepEndTimestampGMT": "2024-01-15T06:00:00.0",
    "sleepWindowConfirmationType": "ENHANCED_CONFIRMED_FINAL",
    "deepSleepSeconds": 7200,
    "lightSleepSeconds": 16200,
    "remSleepSeconds": 1800,
    "awakeSleepSeconds": 900,
    "sleepScores": {"overallScore": 81},
}
_GARMIN = {_UDS: json.dumps([_GARMIN_DAY]), _SLEEP: json.dumps([_GARMIN_NIGHT])}
GARMIN = App(
    "garmin",
    "Garmin export",
    "Europe/Berlin",
    _GARMIN,
    _GARMIN | {_UDS: json.dumps([_GARMIN_DAY, _GARMIN_DAY | {"calendarDate": "2024-01-17"}])},
    {
        "garmin_steps": {"2024-01-15": 8000.0},
        "garmin_distance_km": {"2024-01-15": 6.4},
        "garmin_resting_heart_rate": {"2024-01-15": 52.0},
        # 2 + 4.5 + 0.5 hours.
        "garmin_sleep_hours": {"2024-01-15": 7.0},
        "garmin_deep_sleep_hours": {"2024-01-15": 2.0},
    },
    {"garmin_steps": {"2024-01-17": 8000.0}},
    ["2024-01-17"],
    ({**_GARMIN, _UDS: json.dumps([_GARMIN_DAY, 7])}, r"UDSFile.*record 2: not a JSON object"),
)

# --- Exist ------------------------------------------------------------------------------------


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


# --- Garmin Connect ---------------------------------------------------------------------------

CONNECT_SLEEP = (
    "Sleep Score 4 Weeks,Score,Resting Heart Rate,Body Battery,Pulse Ox,Respiration,HRV Status,"
    "Quality,Duration,Sleep Need,Bedtime,Wake Time\n"
)
CONNECT_ACTIVITIES = (
    "Activity Type,Date,Favorite,Title,Distance,Calories,Time,Avg HR,Max HR,Cadence,Cadence\n"
)
_CONNECT = {
    "Sleep.csv": CONNECT_SLEEP
    + "2025-10-03,88,53,72,96.18,14.63,34,Good,7h 45min,8h 0min,11:40 PM,7:31 AM\n"
    # A night without the watch.
    "2025-10-02,0,0,--,0,0,--,--,--,--,--,--\n",
    "Steps.csv": ',Actual,Goal\n10/01/2025,5565,11790\n09/30/2025,"12,000",11790\n',
    "Activities.csv": CONNECT_ACTIVITIES
    + 'Running,2025-10-01 11:06:32,false,"Leuven Running","8.98","1,118","00:47:30","139","159"\n'
    'Walking,2025-10-01 18:00:00,false,"Home","1.0","--","00:12:15.0","--","--","1","2","3"\n'
    'Walking,2025-10-03 08:00:00,false,"Home","1.0","80","00:10:00","--","--"\n',
    "Weight.csv": "Time,Weight,Change,BMI,Body Fat,Skeletal Muscle Mass,Bone Mass,Body Water,\n"
    '" Oct 3, 2025",\n8:43 AM,80.4 kg,0.4 kg,35.1,21.5 %,--,--,--,\n'
    "9:10 PM,81.4 kg,--,35.2,--,--,--,--,\n"
    '" 2 Oct 2025",\n17:08,200 lbs,--,35.2,--,--,--,--,\n',
    "Resting Heart Rate.csv": "\ufeff,Resting Heart Rate\n2025-10-01,52 bpm\n2025-10-02,--\n",
    "notes.csv": "Date,Stress\n2025-10-02,9\n",
}
GARMIN_CONNECT = App(
    "garminconnect",
    "Garmin Connect export",
    "Europe/Brussels",
    _CONNECT,
    _CONNECT | {"Stress.csv": ",Stress\n10/20/2025,36\n"},
    {
        "garminconnect_sleep_hours": {"2025-10-03": 7.75},
        "garminconnect_sleep_score": {"2025-10-03": 88.0},
        "garminconnect_resting_heart_rate": {"2025-10-01": 52.0, "2025-10-03": 53.0},
        "garminconnect_steps": {"2025-09-30": 12000.0, "2025-10-01": 5565.0},
        # 47.5 and 12.25 minutes; nothing in between.
        "garminconnect_activity_minutes": {
            "2025-10-01": 59.75,
            "2025-10-02": 0.0,
            "2025-10-03": 10.0,
        },
        "garminconnect_activity_kcal": {"2025-10-01": 1118.0, "2025-10-03": 80.0},
        "garminconnect_weight_kg": {"2025-10-02": 90.718474, "2025-10-03": 80.9},
        "garminconnect_body_fat_percent": {"2025-10-03": 21.5},
    },
    {"garminconnect_stress": {"2025-10-20": 36.0}},
    ["2025-10-20"],
    (
        {"Steps.csv": ",Actual,Goal\n10/02/2025,5565,11790,1,2\n"},
        r"download\.csv, line 2: 5 cells where the header has 3",
    ),
)

APPS = (
    APPLE,
    DAYLIO,
    FITBIT,
    SLEEP_CYCLE,
    SLEEP_ANDROID,
    WHOOP,
    OURA,
    GARMIN,
    EXIST,
    GARMIN_CONNECT,
)


def written(app: App, members: Members, folder: Path) -> Path:
    """Write an export as people have it: one file, or a ZIP of several."""
    return as_file(members, folder) if len(members) == 1 else as_zip(members, folder)
