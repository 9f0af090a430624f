"""Exports of those who measure nights: Sleep Cycle, Sleep as Android, WHOOP, Oura."""

from __future__ import annotations

import json

from its_pipeline_tests.integration.exports.made.form import App

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
