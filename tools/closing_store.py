"""A store with days that are old enough to be closed, and its file with late events.

What belongs here: building it, and adding to it. What does not: closing anything.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from its_pipeline.events.importing import import_file
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.ingest.steps import changed_days, ingest_days
from its_pipeline.settings import Settings
from tools.stores import short_settings

START_ON, DAYS, KEPT = date(2026, 1, 1), 100, 90
TODAY_ON: Final = START_ON + timedelta(days=DAYS)
#: People of the zones in which local days reach furthest into other UTC days.
ZONES: Final = {"ada": "Pacific/Auckland", "bob": "Pacific/Honolulu", "cleo": "Europe/Berlin"}
MAPPING: Final = ImportMapping(
    time="time",
    user="who",
    outcomes={"sessionPerformanceScore": "score"},
    event_type="SESSION_ENDED",
    time_zone_column="zone",
)
METRICS: Final = """metrics:
  - name: sessionsPerDay
    event_types: [SESSION_ENDED]
    aggregation: count
    unit: sessions
    zero_days: true
"""


def settings_of(root: Path, **changes: Any) -> Settings:
    """Return the settings of the store: events are kept for 90 days, of which 10 are over."""
    fields = {"today_on": TODAY_ON, "late_window_days": 3, "keep_events_days": KEPT}
    return short_settings(root, **{**fields, **changes})


def rows() -> pd.DataFrame:
    """Return two events a UTC day of each person; one of them is away for two months."""
    rng = np.random.default_rng(11)
    found = []
    for day in range(DAYS):
        for who, zone in ZONES.items():
            if who == "cleo" and 4 <= day < 65:
                continue
            for second in rng.integers(0, 86_400, 2):
                moment = pd.Timestamp(START_ON) + pd.Timedelta(days=day, seconds=int(second))
                score = round(float(rng.uniform(20, 90)), 2)
                found.append((f"{moment.isoformat()}Z", who, zone, score))
    return pd.DataFrame(found, columns=["time", "who", "zone", "score"])


def take(settings: Settings, table: pd.DataFrame) -> None:
    """Import a table as the next version of the store's file."""
    file = settings.store_root.parent / f"{settings.store_root.name}-events.csv"
    table.to_csv(file, index=False)
    import_file(settings, file, MAPPING, "app")


def build(root: Path) -> Settings:
    """Make the store, with every day in the lake and none closed."""
    settings = settings_of(root)
    root.mkdir(parents=True)
    (root / "metrics.yaml").write_text(METRICS)
    take(settings, rows())
    for portion in ingest_days(settings, changed_days(settings)):
        failed = [day.failure for day in portion if day.failure]
        if failed:
            raise RuntimeError(failed[0])
    return settings
