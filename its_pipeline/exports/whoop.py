"""WHOOP: its tables of physiological cycles and of sleeps, alone or together in a folder or ZIP.

What belongs here: cycles and sleeps. What does not: workouts and the journal.

Format as in the file andrewignatescu1/whoop-dashboard data/physiological_cycles.csv. Times are by
the clock of the offset in `Cycle timezone` (`UTC-07:00`, `UTCZ`). A cycle goes from one evening to
the next, so what it came to belongs to the day in its middle; recovery and sleep belong to the day
of waking. A cycle that has not ended yet has no strain. Energy is in kilocalories, whatever its
column is called. Where the table of sleeps is there, sleep is read of it, naps and all, and not of
the cycles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from its_pipeline.events.exported import Reading, Said
from its_pipeline.exports.base import AppExport, all_of, by_field
from its_pipeline.exports.files import ExportFiles, first_line
from its_pipeline.exports.measures import Measure, hours
from its_pipeline.exports.times import instant_text, zone_of_offset

_MINUTES: Final = 1 / 60

SLEEP: Final = by_field(
    hours("Asleep duration (min)", "sleep", _MINUTES),
    hours("In bed duration (min)", "in_bed", _MINUTES),
    hours("Light sleep duration (min)", "light_sleep", _MINUTES),
    hours("Deep (SWS) duration (min)", "deep_sleep", _MINUTES),
    hours("REM duration (min)", "rem_sleep", _MINUTES),
    hours("Awake duration (min)", "awake", _MINUTES),
)
NIGHT: Final = by_field(
    Measure("Sleep performance %", "sleep_performance", "Sleep performance", "%", "mean", 100.0),
    Measure("Sleep efficiency %", "sleep_efficiency", "Sleep efficiency", "%", "mean", 100.0),
    Measure("Sleep consistency %", "sleep_consistency", "Sleep consistency", "%", "mean", 100.0),
    Measure(
        "Respiratory rate (rpm)",
        "respiratory_rate",
        "Respiratory rate",
        "breaths/min",
        "mean",
        80.0,
        2.0,
    ),
)
RECOVERY: Final = by_field(
    Measure("Recovery score %", "recovery", "Recovery", "%", "mean", 100.0),
    Measure(
        "Resting heart rate (bpm)",
        "resting_heart_rate",
        "Resting heart rate",
        "beats/min",
        "mean",
        200.0,
        20.0,
    ),
    Measure("Heart rate variability (ms)", "hrv_rmssd", "HRV (RMSSD)", "ms", "mean", 500.0),
    Measure(
        "Skin temp (celsius)",
        "skin_temperature",
        "Skin temperature",
        "\N{DEGREE SIGN}C",
        "mean",
        45.0,
        15.0,
    ),
    Measure("Blood oxygen %", "oxygen_percent", "Oxygen saturation", "%", "mean", 100.0),
)
STRAIN: Final = by_field(
    Measure("Day Strain", "strain", "Strain", "of 21", "mean", 21.0),
    Measure("Energy burned (cal)", "energy_kcal", "Energy", "kcal", "sum", 30_000.0),
    Measure("Average HR (bpm)", "heart_rate", "Heart rate", "beats/min", "mean", 300.0, 20.0),
)

_CYCLES, _SLEEPS = "cycles", "sleeps"


class Whoop(AppExport):
    """An export of WHOOP."""

    name = "whoop"
    app = "WHOOP"
    measures = all_of(SLEEP, NIGHT, RECOVERY, STRAIN)

    @classmethod
    def recognised(cls, files: ExportFiles) -> Whoop | None:
        """Return the export if a table has the columns of WHOOP's cycles or sleeps."""
        export = cls(files)
        heads = files.heads(lambda name: name.lower().endswith(".csv"))
        export.kinds = {name: kind for name, head in heads if (kind := _kind(head))}
        export.named_by_kind()
        return export if export.kinds else None

    def readings(self, said: Said, left_out: Counter[tuple[str, str]]) -> Iterator[Reading]:
        """Return the readings of every cycle and sleep.

        Raises
        ------
        ImportFileError
            If a file is broken, or an offset is not one of whole hours and no zone was said.
        """
        has_sleeps = _SLEEPS in self.kinds.values()
        for name, stream in self.files.each(self.wanted):
            for row in self.files.rows(name, stream):
                offset = row.cells["Cycle timezone"].strip().removeprefix("UTC") or "Z"
                zone = zone_of_offset(offset, said, self.path)
                asleep, woke, start, end = (
                    _instant(row.cells.get(column, ""), offset)
                    for column in (
                        "Sleep onset",
                        "Wake onset",
                        "Cycle start time",
                        "Cycle end time",
                    )
                )
                if self.kinds[name] == _CYCLES:
                    night = (start, end or start, woke or start)
                    yield from self.of_row(row, RECOVERY, night, zone)
                    if end:
                        yield from self.of_row(row, STRAIN, (start, end, _middle(start, end)), zone)
                if self.kinds[name] == _SLEEPS or not has_sleeps:
                    yield from self.of_row(row, SLEEP, (asleep, woke, woke), zone)
                    if row.cells.get("Nap", "").strip().casefold() != "true":
                        yield from self.of_row(row, NIGHT, (asleep, woke, woke), zone)


def _kind(head: bytes) -> str:
    columns = {cell.strip().strip('"') for cell in first_line(head).split(",")}
    if not {"Cycle start time", "Cycle timezone"} <= columns:
        return ""
    if "Recovery score %" in columns:
        return _CYCLES
    return _SLEEPS if {"Wake onset", "Asleep duration (min)"} <= columns else ""


def _instant(text: str, offset: str) -> str:
    """Return a local time of an offset as an instant, and a text that is none as it is."""
    try:
        moment = datetime.fromisoformat(text.strip() + ("+00:00" if offset == "Z" else offset))
    except ValueError:
        return text.strip()
    return instant_text(moment) if moment.tzinfo else text.strip()


def _middle(start: str, end: str) -> str:
    try:
        first, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
    except ValueError:
        return start
    return instant_text(first + (last - first) / 2)
