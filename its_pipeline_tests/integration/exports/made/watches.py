"""Exports of watches: Fitbit, Garmin, Garmin Connect."""

from __future__ import annotations

import json

from its_pipeline_tests.integration.exports.made.form import App


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
