"""Sleep Cycle: its CSV with semicolons, in its three forms.

What belongs here: nights as Sleep Cycle measured them. What does not: its weather and steps.

Format as in the file GavinOB/Sleep_Cycle sleepdata.csv (`Start;End;Sleep quality;Time in bed;Wake
up;Sleep Notes;...`, time in bed as hours:minutes). Newer ones have `Sleep Quality`, `Time in bed
(seconds)` and stages in seconds, and the newest `Went to bed;Woke up;...`. Times are by the
phone's clock. Notes may hold semicolons, so a row may be longer than the header. A night without
any sleep was broken off and is passed over.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from its_pipeline.events.exported import Reading, Said
from its_pipeline.exports.base import AppExport, all_of
from its_pipeline.exports.files import ExportFiles, Row, first_line
from its_pipeline.exports.measures import Measure, hours
from its_pipeline.exports.times import local_instant, said_zone

_TIME: Final = "%Y-%m-%d %H:%M:%S"
_CLOCK = re.compile(r"([0-9]{1,3}):([0-9]{2})")
_IN_BED = hours("", "in_bed", 1 / 3600)
_ASLEEP = hours("", "sleep", 1 / 3600)
_DEEP = hours("", "deep_sleep", 1 / 3600)
_LIGHT = hours("", "light_sleep", 1 / 3600)
_DREAM = hours("", "rem_sleep", 1 / 3600)
_AWAKE = hours("", "awake", 1 / 3600)
_QUALITY = Measure("", "sleep_quality", "Sleep quality", "%", "mean", 100.0)
_REGULARITY = Measure("", "regularity", "Regularity", "%", "mean", 100.0)
_SNORE = Measure("", "snore_minutes", "Snoring", "minutes", "sum", 1440.0, factor=1 / 60)

COLUMNS: Final = {
    "time in bed": _IN_BED,
    "time in bed (seconds)": _IN_BED,
    "time in bed(seconds)": _IN_BED,
    "time asleep (seconds)": _ASLEEP,
    "deep (seconds)": _DEEP,
    "light (seconds)": _LIGHT,
    "dream (seconds)": _DREAM,
    "awake (seconds)": _AWAKE,
    "sleep quality": _QUALITY,
    "regularity": _REGULARITY,
    "snore time": _SNORE,
    "snore time (seconds)": _SNORE,
}
"""By column, in small letters."""


class SleepCycle(AppExport):
    """An export of Sleep Cycle."""

    name = "sleepcycle"
    app = "Sleep Cycle"
    measures = all_of(COLUMNS)

    @classmethod
    def recognised(cls, files: ExportFiles) -> SleepCycle | None:
        """Return the export if it is a table with Sleep Cycle's columns."""
        if len(files.names) != 1:
            return None
        first = first_line(files.head(files.names[0]))
        columns = [cell.strip().casefold() for cell in first.split(";")]
        begins = columns[:2] in (["start", "end"], ["went to bed", "woke up"])
        return cls(files) if begins and "sleep quality" in columns else None

    def wanted(self, name: str) -> bool:
        """Tell whether a file of this name is read."""
        return name in self.files.names

    def readings(self, said: Said, left_out: Counter[tuple[str, str]]) -> Iterator[Reading]:
        """Return the readings of every night.

        Raises
        ------
        ImportFileError
            If no time zone was said, or the file is broken.
        """
        zone = said_zone(said, self.path, "Sleep Cycle writes times without a time zone")
        for name, stream in self.files.each(self.wanted):
            for row in self.files.rows(name, stream, ";", ragged=True):
                columns = list(row.cells)
                started, ended = (
                    local_instant(row.cells[column], zone, _TIME) for column in columns[:2]
                )
                cells = {column.casefold(): _plain(text) for column, text in row.cells.items()}
                if _number(cells.get("time asleep (seconds)", "")) == 0.0:
                    continue
                yield from self.of_row(
                    Row(row.place, cells), COLUMNS, (started, ended, ended), zone
                )


def _plain(text: str) -> str:
    """Return `75%` as 75, `8:30` as seconds, a dash as nothing, and any other text as it is."""
    text = text.strip()
    if text in ("-", "\N{EN DASH}", "\N{EM DASH}"):
        return ""
    if found := _CLOCK.fullmatch(text):
        return str(int(found[1]) * 3600 + int(found[2]) * 60)
    return text.removesuffix("%")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
