"""Damaged days, imports and tables: set aside, and as they were after one ingestion."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from its_pipeline.events.import_metrics import restore_metrics
from its_pipeline.events.importing import import_file
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.events.sources.base import SourceError
from its_pipeline.events.sources.simulated import SimulatedSource
from its_pipeline.files.damage import set_aside_files
from its_pipeline.ingest import daily, steps
from its_pipeline.settings import Settings
from tools.faults.state import differences, whole_state
from tools.faults.world import build_world, night

MAPPING = ImportMapping(time="time", user="user", outcomes={"mood": "mood"})
DAYS = range(11, 14)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(store_root=tmp_path / "store")
    rows = "".join(f"ada,2026-03-{day}T10:00:00Z,{day}\n" for day in DAYS)
    source(settings).write_text("user,time,mood\n" + rows)
    import_file(settings, source(settings), MAPPING)
    ingest(settings)
    return settings


def source(settings: Settings) -> Path:
    return settings.store_root.parent / "mood.csv"


def ingest(settings: Settings) -> list[str]:
    """Do what a run does; return the failures of single days."""
    restore_metrics(settings)
    days = sorted({*steps.changed_days(settings), *steps.unvalidated_days(settings)})
    portions = list(steps.ingest_days(settings, days))
    daily.build_daily(settings)
    return [one.failure for portion in portions for one in portion if one.failure]


def state(settings: Settings) -> dict[str, bytes]:
    found = [*settings.lake_dir.rglob("*.parquet"), settings.daily_outcomes_path]
    return {str(path): path.read_bytes() for path in sorted(found)}


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def middle(path: Path) -> None:
    """Spoil the rows and leave the footer, which is all that a quick look sees."""
    content = bytearray(path.read_bytes())
    content[4:150] = b"\xff" * 146
    path.write_bytes(content)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("way", [truncate, folder])
@pytest.mark.parametrize("table", ["behavioral_events", "valid_events", "rejected_events"])
def test_a_damaged_day_is_as_it_was_after_one_ingestion(settings, table, way) -> None:
    before = state(settings)
    path = settings.lake_dir / table / "day=2026-03-12" / "events.parquet"
    way(path)
    assert ingest(settings) == []
    assert state(settings) == before
    if way is truncate:
        assert [kept.name.split(".2")[0] for kept in set_aside_files(settings.store_root)] == [
            "events.parquet"
        ]


def test_a_day_damaged_in_its_rows_is_found_when_it_is_read(settings) -> None:
    before = state(settings)
    middle(settings.lake_dir / "valid_events" / "day=2026-03-12" / "events.parquet")
    assert ingest(settings) == []
    assert state(settings) == before


@pytest.mark.parametrize("way", [empty, folder, Path.unlink])
def test_daily_outcomes_and_warehouse_are_made_again(settings, way) -> None:
    before = state(settings)
    way(settings.daily_outcomes_path)
    way(settings.warehouse_path)
    assert daily.ensure_daily(settings)
    assert not daily.ensure_daily(settings)
    assert state(settings) == before
    assert settings.warehouse_path.is_file()


def test_a_damaged_evidence_table_does_not_stop_the_warehouse(settings) -> None:
    settings.evidence_path.write_bytes(b"PAR1 and no more")
    assert "daily_outcomes" in daily.refresh_warehouse(settings).rows
    assert not settings.evidence_path.exists()


@pytest.mark.parametrize("way", [truncate, Path.unlink])
def test_a_damaged_record_of_an_import_loses_no_day(settings, way) -> None:
    before = state(settings)
    way(settings.store_root / "imports" / "mood_csv" / "000001" / "import.json")
    assert ingest(settings) == []
    assert state(settings) == before


@pytest.mark.parametrize("name", ["import.json", "events.parquet"])
def test_a_damaged_import_is_taken_again_from_the_same_file(settings, name) -> None:
    before = state(settings)
    truncate(settings.store_root / "imports" / "mood_csv" / "000001" / name)
    result = import_file(settings, source(settings), MAPPING)
    assert (result.taken, result.version) == (True, 1)
    assert ingest(settings) == []
    assert state(settings) == before
    assert not import_file(settings, source(settings), MAPPING).taken


def test_a_day_whose_import_is_lost_stays_and_the_others_go_on(settings) -> None:
    """The source cannot give the day again, so what the lake has of it is kept, and said."""
    before = state(settings)
    truncate(settings.store_root / "imports" / "mood_csv" / "000001" / "events.parquet")
    other = settings.store_root.parent / "other.csv"
    other.write_text("user,time,mood\nbob,2026-03-12T10:00:00Z,1\nbob,2026-04-12T10:00:00Z,1\n")
    import_file(settings, other, MAPPING)
    (failure,) = ingest(settings)
    assert "Traceback" in failure
    after = state(settings)
    assert {name for name in before if before[name] != after[name]} == {
        str(settings.daily_outcomes_path)
    }
    assert any("day=2026-04-12" in name for name in after)


@pytest.mark.parametrize("way", [truncate, Path.unlink])
def test_the_metrics_of_an_import_are_registered_again(settings, way) -> None:
    file = settings.store_root / "metrics.d" / "mood_csv.yaml"
    before = file.read_bytes()
    file.write_bytes(before[:20])
    way(file)
    steps.registered_metrics(settings)
    assert restore_metrics(settings) == ["mood_csv"]
    assert file.read_bytes() == before


def test_a_damaged_simulation_is_named(tmp_path: Path) -> None:
    (tmp_path / "simulation.json").write_text('{"version": "1", "events": 0}')
    (tmp_path / "truth.json").write_text("[]")
    (tmp_path / "block-0000.parquet").touch()
    with pytest.raises(SourceError, match=r"block-0000\.parquet is damaged"):
        SimulatedSource(tmp_path).day_versions()


@pytest.mark.parametrize("name", ["simulation.json", "truth.json"])
def test_a_night_names_the_file_of_a_simulation_that_is_damaged(tmp_path: Path, name: str) -> None:
    settings = build_world(tmp_path / "store", 1)
    (settings.store_root / "simulated" / name).write_text("{")
    [failure] = night(settings)
    assert f"{name} is damaged" in failure
    assert "empty store" in failure


@pytest.mark.parametrize("limit", [20_000, 0], ids=["experiments", "shards"])
def test_what_an_emptied_index_of_dagster_knew_is_told_again(tmp_path: Path, limit: int) -> None:
    settings = build_world(tmp_path / "store", 1, partition_limit=limit)
    assert night(settings) == []
    before = whole_state(settings)
    os.truncate(settings.store_root / "dagster" / "history" / "runs" / "index.db", 0)
    assert night(settings) == []
    assert differences(before, whole_state(settings)) == []


def test_a_store_without_events_has_nothing_to_make_daily_outcomes_from(settings) -> None:
    shutil.rmtree(settings.lake_dir)
    settings.daily_outcomes_path.unlink()
    assert not daily.ensure_daily(settings)
