"""What an app's fields mean: a metric of ours, its unit, and by what to multiply.

What belongs here: the declaration of a field, and the number in it. What does not: any app.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from its_pipeline.events.exported import ExportMetric
from its_pipeline.events.metrics import OutcomeMetric


@dataclass(frozen=True)
class Measure:
    """One field of an export.

    Attributes
    ----------
    field
        Its name in the export.
    name, label
        Name of the metric, without the app's, and for people.
    unit
        Unit of the metric.
    aggregation
        From one day's readings to one number.
    maximum, minimum
        Legal range of a reading in that unit, both **INCLUSIVE**.
    factor
        From the export's unit to the metric's.
    hourly
        Whether there are so many readings that an hour's are one event.
    zero_days
        Whether a day without one is a real zero.
    """

    field: str
    name: str
    label: str
    unit: str
    aggregation: Literal["mean", "sum"]
    maximum: float
    minimum: float = 0.0
    factor: float = 1.0
    hourly: bool = False
    zero_days: bool = False


SLEEP_LABELS: Final = {
    "sleep": "Sleep",
    "deep_sleep": "Deep sleep",
    "rem_sleep": "REM sleep",
    "light_sleep": "Light sleep",
    "core_sleep": "Core sleep",
    "awake": "Awake at night",
    "in_bed": "In bed",
}
"""Parts of a night, each a metric of hours."""


def hours(field: str, part: str, factor: float = 1.0) -> Measure:
    """Return the measure of a part of a night (`SLEEP_LABELS`); naps add to it."""
    return Measure(field, f"{part}_hours", SLEEP_LABELS[part], "hours", "sum", 24.0, factor=factor)


def export_metric(app: str, title: str, measure: Measure) -> ExportMetric:
    """Return the metric of a field: its name begins with the app's, so that apps stay apart."""
    name = f"{app}_{measure.name}"
    return ExportMetric(
        OutcomeMetric(
            name=name,
            event_types=(name,),
            json_path="$.value",
            aggregation=measure.aggregation,
            minimum=measure.minimum,
            maximum=measure.maximum,
            unit=measure.unit,
            zero_days=measure.zero_days,
            label=f"{measure.label} ({title})",
        ),
        measure.label,
        measure.hourly,
    )


def scaled(text: str, factor: float) -> str:
    """Return a number's text times a factor; any other text as it is, to be rejected as such.

    Rounded to nine significant digits, so that a unit's factor leaves no trace in the last place.
    """
    if factor == 1.0:
        return text
    try:
        return f"{float(text) * factor:.9g}"
    except ValueError:
        return text
