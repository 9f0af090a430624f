"""A store with an export in it, as the tests of each app look at it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq

from its_pipeline.events.daily import read_series
from its_pipeline.events.exported import Said
from its_pipeline.events.importing import ImportResult, import_export
from its_pipeline.exports.recognising import recognised
from its_pipeline.ingest import daily, steps
from its_pipeline.settings import Settings
from its_pipeline.stores.lake import REJECTED_EVENTS

USER = "anna"


class Store:
    """One person's store."""

    def __init__(self, folder: Path, time_zone: str | None, **moods: float) -> None:
        self.settings = Settings(store_root=folder / "store")
        self.said = Said(time_zone, moods)
        self._changed = False

    def take(self, path: Path) -> ImportResult:
        export = recognised(path)
        assert export is not None, f"{path} is not recognised"
        return import_export(self.settings, export, USER, self.said)

    def run(self) -> list[str]:
        """Bring what changed into the lake; return its UTC days."""
        changed = steps.changed_days(self.settings)
        for day in changed:
            steps.export_day(self.settings, day)
        for day in changed:
            assert steps.validate_day_partition(self.settings, day).summary.adds_up
        self._changed |= bool(changed)
        return [day.isoformat() for day in changed]

    def daily(self, metric: str) -> Mapping[str, float]:
        """Return a metric by local day; the days are aggregated where something has changed."""
        if self._changed:
            daily.build_daily(self.settings)
            self._changed = False
        series = read_series(self.settings.daily_outcomes_path, USER, metric)
        return {
            f"{day:%Y-%m-%d}": round(value, 6)
            for day, value in zip(series["day"], series["value"], strict=True)
        }

    def rejected(self) -> list[dict]:
        lake = steps.open_lake(self.settings)
        found = []
        for day in lake.days(REJECTED_EVENTS):
            found += pq.read_table(lake.path(REJECTED_EVENTS, day)).to_pylist()
        return found


def versions(store: Store, name: str) -> list[str]:
    folder = store.settings.store_root / "imports" / name
    return sorted(entry.name for entry in folder.iterdir())
