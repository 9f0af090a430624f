"""Somebody takes their data along and leaves, when the events of their first days are gone."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import date

import pyarrow.parquet as pq

from its_pipeline.events.closed_days import closed_days
from its_pipeline.ingest.closing import close_old_days
from its_pipeline.ingest.daily import build_daily
from its_pipeline.ingest.deletion import delete_from_closed_days
from its_pipeline.ingest.steps import open_lake
from its_pipeline.leaving.forget import forget
from its_pipeline.leaving.take_along import write_archive
from its_pipeline.stores.lake import CLOSED_EVENTS
from tools.closing_store import ZONES, build, rows
from tools.leftovers import leftovers

WHO = "bob"


def test_their_closed_days_are_in_the_archive_and_gone_with_them(tmp_path):
    settings = build(tmp_path / "store")
    daily = build_daily(settings).path
    assert close_old_days(settings).deleted
    build_daily(settings)
    theirs = pq.read_table(daily, filters=[("user_id", "=", WHO)])
    others = pq.read_table(daily, filters=[("user_id", "!=", WHO)])
    kept = closed_days(settings)
    assert kept is not None
    numbers = [
        float(score)
        for moment, who, score in rows()[["time", "who", "score"]].itertuples(index=False)
        if who == WHO and date.fromisoformat(moment[:10]) <= kept.gone_through
    ][:3]
    assert any("closed_days" in where for where in leftovers(settings.store_root, [WHO]))
    write_archive(settings, WHO, tmp_path / "mine.zip")
    with zipfile.ZipFile(tmp_path / "mine.zip") as packed:
        text = packed.read("daily_outcomes.csv").decode()
    assert len(list(csv.DictReader(io.StringIO(text)))) == theirs.num_rows
    marks = {
        day: open_lake(settings).read(CLOSED_EVENTS, day)
        for day in open_lake(settings).days(CLOSED_EVENTS)
    }

    departure = forget(settings, WHO)
    assert departure.finished
    assert departure.deleted["rows of closed days"]
    assert leftovers(settings.store_root / "closed_days", [WHO], numbers) == []
    assert leftovers(settings.store_root / "lake", [WHO], numbers) == []
    for day, table in marks.items():
        # Two events a day of each person.
        now = open_lake(settings).read(CLOSED_EVENTS, day)
        assert table.num_rows - now.num_rows == 2
        assert len(set(now["person"].to_pylist())) <= len(ZONES) - 1
    build_daily(settings)
    assert pq.read_table(daily).equals(others)
    assert delete_from_closed_days(settings, WHO) == 0
