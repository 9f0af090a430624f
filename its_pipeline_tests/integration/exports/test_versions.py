"""Versions of a table know their days as those of an export do, and older ones still open."""

from __future__ import annotations

import json

from its_pipeline.events.import_metrics import restore_metrics
from its_pipeline.events.importing import import_file
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.events.metrics import registered_metrics
from its_pipeline.files.contents import CONTENTS_FILE
from its_pipeline_tests.integration.exports.store import USER, Store

MAPPING = ImportMapping(time="day", user_constant=USER, outcomes={"mood": "mood"})
TABLE = "day,mood\n2024-02-01,4\n2024-02-02,5\n"


def test_a_table_with_a_row_more_leaves_the_days_ahead_of_it_alone(tmp_path) -> None:
    store, table = Store(tmp_path, None), tmp_path / "mood.csv"
    table.write_text(TABLE)
    import_file(store.settings, table, MAPPING)
    assert store.run() == ["2024-02-01", "2024-02-02"]
    table.write_text(TABLE + "2024-02-03,3\n")
    assert import_file(store.settings, table, MAPPING).version == 2
    assert store.run() == ["2024-02-03"]
    assert store.daily("mood") == {"2024-02-01": 4.0, "2024-02-02": 5.0, "2024-02-03": 3.0}
    table.write_text(TABLE.replace(",4", ",2"))
    assert import_file(store.settings, table, MAPPING).version == 3
    assert store.run() == ["2024-02-01", "2024-02-03"]
    assert store.daily("mood") == {"2024-02-01": 2.0, "2024-02-02": 5.0}


def test_a_version_of_an_earlier_release_stays_as_it_is(tmp_path) -> None:
    store, table = Store(tmp_path, None), tmp_path / "mood.csv"
    table.write_text(TABLE)
    import_file(store.settings, table, MAPPING)
    version = store.settings.store_root / "imports" / "mood_csv" / "000001"
    record = json.loads((version / "import.json").read_text())
    for part in ("day_digests", "metrics"):
        del record[part]
    (version / "import.json").write_text(json.dumps(record))
    (version / CONTENTS_FILE).unlink()
    assert store.run() == ["2024-02-01", "2024-02-02"]
    assert not import_file(store.settings, table, MAPPING).taken
    assert store.run() == []
    (store.settings.store_root / "metrics.d" / "mood_csv.yaml").unlink()
    assert restore_metrics(store.settings) == ["mood_csv"]
    assert registered_metrics(store.settings)["mood"].label == "mood"
    table.write_text(TABLE + "2024-02-03,3\n")
    assert import_file(store.settings, table, MAPPING).version == 2
