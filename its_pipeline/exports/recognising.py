"""Which app's export a file, folder or ZIP is.

What belongs here: the apps that are known, and asking each. What does not: any app's format.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from its_pipeline.exports.apple import AppleHealth
from its_pipeline.exports.base import AppExport
from its_pipeline.exports.daylio import Daylio
from its_pipeline.exports.exist import Exist
from its_pipeline.exports.files import ExportFiles
from its_pipeline.exports.fitbit import Fitbit
from its_pipeline.exports.garmin import Garmin
from its_pipeline.exports.garmin_connect import GarminConnect
from its_pipeline.exports.oura import Oura
from its_pipeline.exports.sleep_android import SleepAsAndroid
from its_pipeline.exports.sleep_cycle import SleepCycle
from its_pipeline.exports.whoop import Whoop

APPS: Final[tuple[type[AppExport], ...]] = (
    AppleHealth,
    Fitbit,
    Garmin,
    Daylio,
    SleepCycle,
    SleepAsAndroid,
    Whoop,
    Oura,
    GarminConnect,
    Exist,
)
"""In the order in which they are asked: first those that know their files by name."""


def recognised(path: Path) -> AppExport | None:
    """Return the export that lies at a path, or None where it is none that is known.

    Raises
    ------
    ImportFileError
        If there is nothing at the path, it is a pipe or a device, or a ZIP file is damaged.
    """
    files = ExportFiles(path)
    for app in APPS:
        if export := app.recognised(files):
            return export
    return None
