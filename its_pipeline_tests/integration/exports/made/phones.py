"""Exports of what a phone knows by itself: Apple Health."""

from __future__ import annotations

from its_pipeline_tests.integration.exports.made.form import App, Members

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
