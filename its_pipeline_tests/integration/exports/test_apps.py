"""Each app's export: whole, once more, longer, and broken; its days' figures worked out by hand."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from its_pipeline.events.exported import Said
from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.events.import_folders import import_versions
from its_pipeline.exports.recognising import recognised
from its_pipeline_tests.integration.exports.made import APPS
from its_pipeline_tests.integration.exports.made.form import App, as_folder, as_zip, written
from its_pipeline_tests.integration.exports.store import USER, Store

apps = pytest.mark.parametrize("app", APPS, ids=[app.name for app in APPS])


def _store(app: App, folder) -> Store:
    return Store(folder, app.time_zone, **app.moods)


@apps
def test_a_whole_export_the_same_again_and_a_longer_one(app: App, tmp_path) -> None:
    store = _store(app, tmp_path)
    short = written(app, app.short, tmp_path / "short")
    taken = store.take(short)
    assert taken.name == f"{app.name}-{USER}"
    assert taken.told[0].startswith(f"{app.title}: ")
    days = sorted({day for daily in app.daily.values() for day in daily})
    count = f"{len(days)} day{'s' * (len(days) > 1)}"
    assert taken.told[0].endswith(f" of {count} from {days[0]} to {days[-1]}")
    store.run()
    assert {metric: store.daily(metric) for metric in app.daily} == app.daily
    assert store.rejected() == []

    again = store.take(short)
    assert (again.taken, again.version, again.metrics) == (False, 1, taken.metrics)
    # Another file or folder, and not one other event: no new version either.
    other = as_zip if len(app.short) == 1 else as_folder
    again = store.take(other(app.short, tmp_path / "other"))
    assert (again.taken, again.version) == (False, 1)
    assert store.run() == []

    longer = store.take(written(app, app.longer, tmp_path / "longer"))
    assert (longer.taken, longer.version) == (True, 2)
    assert f"{len(app.changed)} UTC days are new or changed since the version before" in longer.told
    assert store.run() == app.changed
    for metric, daily in app.more.items():
        assert store.daily(metric) == {**app.daily.get(metric, {}), **daily}


@apps
def test_a_broken_export_says_where_and_takes_nothing(app: App, tmp_path) -> None:
    store = _store(app, tmp_path)
    members, said = app.broken
    with pytest.raises(ImportFileError, match=said):
        store.take(written(app, members, tmp_path / "broken"))
    assert import_versions(store.settings.store_root / "imports" / f"{app.name}-{USER}") == []
    assert not (store.settings.store_root / "metrics.d").exists()


@apps
def test_where_no_zone_is_written_one_has_to_be_said(app: App, tmp_path) -> None:
    export = recognised(written(app, app.short, tmp_path))
    assert export is not None
    readings = export.readings(Said(None, app.moods), Counter())
    if app.name not in ("apple", "sleepandroid", "whoop", "oura"):
        with pytest.raises(ImportFileError, match="--time-zone Europe/Berlin"):
            next(readings)
    else:
        assert all(reading.time_zone for reading in readings)


def test_the_record_of_a_version_says_what_was_said(tmp_path) -> None:
    store = _store(APPS[1], tmp_path)
    store.take(written(APPS[1], APPS[1].short, tmp_path / "short"))
    folder = store.settings.store_root / "imports" / "daylio-anna" / "000001"
    record = json.loads((folder / "import.json").read_text())
    assert record["export"] == {
        "app": "daylio",
        "user_id": "anna",
        "time_zone": "Europe/Berlin",
        "moods": {"Zen": 5.0},
    }
