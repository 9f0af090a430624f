"""Events of simulated people through the ingest job and through single days, on a real instance."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import dagster as dg
import pytest

from its_pipeline.defs.build import build_defs
from its_pipeline.defs.home import open_instance
from its_pipeline.defs.local import LocalRunner
from its_pipeline.defs.names import TAG_SHARDS
from its_pipeline.defs.recording import told_together
from its_pipeline.events.people import Defects, Person
from its_pipeline.events.simulator import simulate
from its_pipeline.events.sources.opening import simulation_dir
from its_pipeline.ingest.ahead import ingest_ahead
from its_pipeline.ingest.steps import changed_days, ingest_days
from its_pipeline.ingest.untold import untold_days
from tools.stores import log_intervention, short_settings

DAYS, START_ON = 12, date(2026, 5, 1)
DAY_CHECKS = {"reject_rate", "counts_add_up", "no_drift"}


@pytest.fixture(scope="module")
def ingested(tmp_path_factory):
    settings = short_settings(
        tmp_path_factory.mktemp("ingest"), source="simulator", today_on=date(2026, 5, 13)
    )
    crooked = Person("bob", "Europe/Berlin", defects=Defects(malformed=8, duplicates=4, late=3))
    people = [Person("ada", "Pacific/Auckland"), crooked]
    simulate(people, simulation_dir(settings), seed=1, start_on=START_ON, days=DAYS)
    log_intervention(settings, "ada")
    with open_instance(settings) as instance:
        runner = LocalRunner(settings, instance, "test")
        yield settings, instance, runner, runner.ingest()


def day_of(asset, instance, partition):
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[partition]), limit=1
    )
    return records.records[0].asset_materialization


def evaluations(instance, partition):
    found = {}
    for name in DAY_CHECKS:
        for record in instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey("valid_events"), name), limit=100
        ):
            evaluation = record.event.dagster_event.asset_check_evaluation_data
            if evaluation.partition == partition:
                found.setdefault(name, evaluation)
    return found


def test_every_day_is_a_materialised_partition_with_its_checks(ingested):
    _, instance, _, outcome = ingested
    assert outcome.success, outcome.message
    for asset in ("behavioral_events", "valid_events"):
        days = instance.get_materialized_partitions(dg.AssetKey(asset))
        assert len(days) >= DAYS
        assert "2026-05-03" in days
    assert set(evaluations(instance, "2026-05-03")) == DAY_CHECKS
    numbers = outcome.numbers
    assert numbers["rejected"] == 8
    assert numbers["read"] > numbers["valid"] + numbers["rejected"]


def test_rejected_rows_carry_their_reasons_in_the_metadata(ingested):
    _, instance, _, _ = ingested
    tables = [
        day_of("valid_events", instance, day).metadata.get("broken_rules")
        for day in instance.get_materialized_partitions(dg.AssetKey("valid_events"))
    ]
    rows = [record.data for table in tables if table for record in table.records]
    assert sum(row["rows"] for row in rows) == 8
    assert all(row["rule"] and row["column"] for row in rows)


def test_the_run_counts_what_is_stale_and_makes_its_partition(ingested):
    _, instance, _, outcome = ingested
    assert instance.get_run_by_id(outcome.run_id).tags[TAG_SHARDS] == "1"
    assert instance.get_dynamic_partitions("experiment") == ["ada|morning"]


def test_a_single_day_records_what_the_bulk_run_did(ingested):
    settings, instance, _, _ = ingested
    day = "2026-05-04"
    before = {a: day_of(a, instance, day).metadata for a in ("behavioral_events", "valid_events")}
    job = build_defs(settings).resolve_implicit_global_asset_job_def()
    selected = [dg.AssetKey("behavioral_events"), dg.AssetKey("valid_events")]
    result = job.execute_in_process(
        asset_selection=selected, partition_key=day, instance=instance, raise_on_error=False
    )
    assert result.success
    for asset, metadata in before.items():
        after = dict(day_of(asset, instance, day).metadata)
        shared = {name: value for name, value in after.items() if name != "changed"}
        assert shared == {name: value for name, value in metadata.items() if name != "changed"}


def test_several_days_in_one_run_keep_each_days_own_numbers(ingested):
    settings, instance, _, _ = ingested
    job = build_defs(settings).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        asset_selection=[dg.AssetKey("valid_events")],
        instance=instance,
        tags={
            "dagster/asset_partition_range_start": "2026-05-02",
            "dagster/asset_partition_range_end": "2026-05-04",
        },
        raise_on_error=False,
    )
    assert result.success
    counts = {
        str(event.partition): event.materialization.metadata["valid"].value
        for event in result.get_asset_materialization_events()
    }
    assert set(counts) == {"2026-05-02", "2026-05-03", "2026-05-04"}
    from its_pipeline.ingest.steps import read_validation

    for day, count in counts.items():
        assert read_validation(settings, date.fromisoformat(day)).summary.valid == count


def test_the_next_ingest_touches_the_late_window_alone(ingested):
    _, _, runner, _ = ingested
    again = runner.ingest()
    assert again.success
    assert again.numbers["days"] <= 4
    assert runner.ingest(["2026-05-02"]).numbers["days"] == 1


def test_days_that_dagster_was_not_told_of_are_told_by_the_next_ingest(tmp_path):
    settings = short_settings(tmp_path, source="simulator", today_on=date(2026, 5, 13))
    simulate(
        [Person("ada", "Europe/Berlin")],
        simulation_dir(settings),
        seed=1,
        start_on=START_ON,
        days=DAYS,
    )
    # As after a kill between the days' files and what Dagster is told of them.
    taken = [one.day.isoformat() for portion in ingest_days(settings, changed_days(settings))
             for one in portion]  # fmt: skip
    with open_instance(settings) as instance:
        runner = LocalRunner(settings, instance, "test")
        assert not instance.get_materialized_partitions(dg.AssetKey("valid_events"))
        assert runner.ingest().numbers["days"] == len(taken)
        for asset in ("behavioral_events", "valid_events"):
            assert instance.get_materialized_partitions(dg.AssetKey(asset)) == set(taken)
        assert set(evaluations(instance, taken[0])) == DAY_CHECKS
        assert runner.ingest().numbers["days"] <= 4


def test_days_that_came_again_and_were_not_told_of_are_told_by_the_next_ingest(tmp_path):
    settings = short_settings(tmp_path, source="simulator", today_on=date(2026, 5, 13))
    settings = settings.model_copy(update={"late_window_days": 0})
    folder = simulation_dir(settings)
    ada, bob = (Person(name, "Europe/Berlin") for name in ("ada", "bob"))
    simulate([ada], folder, seed=1, start_on=START_ON, days=DAYS)
    with open_instance(settings) as instance:
        runner = LocalRunner(settings, instance, "test")
        assert runner.ingest().success
        assert not untold_days(settings)
        simulate([ada, bob], folder, seed=1, start_on=START_ON, days=DAYS)
        changed = changed_days(settings)
        # As after a kill when all days are whole, and Dagster knows them as they were.
        portions = ingest_ahead(settings, changed)
        made = next(portions)
        portions.close()
        rows = {one.day: one.validated.summary.valid for one in made if one.validated is not None}
        assert not changed_days(settings)
        assert untold_days(settings) == set(changed)
        assert runner.ingest().numbers["days"] == len(changed)
        for day in changed:
            told = day_of("valid_events", instance, day.isoformat())
            assert told is not None
            assert told.metadata["valid"].value == rows[day]
        assert runner.ingest().numbers["days"] <= 2


def test_days_are_among_the_untold_until_the_next_portion_is_asked_for(tmp_path, monkeypatch):
    settings = short_settings(tmp_path, source="simulator", today_on=date(2026, 5, 13))
    simulate(
        [Person("ada", "Europe/Berlin")],
        simulation_dir(settings),
        seed=1,
        start_on=START_ON,
        days=DAYS,
    )
    monkeypatch.setattr("its_pipeline.ingest.steps.DAYS_AT_ONCE", 4)
    days = changed_days(settings)
    told = []
    for portion in ingest_ahead(settings, days):
        assert {one.day for one in portion} <= untold_days(settings)
        told += [one.day for one in portion]
    assert told == days
    assert not untold_days(settings)


def test_daily_outcomes_are_checked(ingested):
    settings, instance, _, _ = ingested
    job = build_defs(settings).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        asset_selection=[dg.AssetKey("daily_outcomes")], instance=instance, raise_on_error=False
    )
    assert result.success
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    assert check.metadata["rows"] != dg.IntMetadataValue(0)
    assert check.metadata["repeated"].value == 0


def test_a_day_that_was_never_exported_fails_with_the_remedy(ingested):
    settings, instance, _, _ = ingested
    job = build_defs(settings).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        asset_selection=[dg.AssetKey("valid_events")],
        partition_key="2026-05-13",
        instance=instance,
        raise_on_error=False,
    )
    if (settings.lake_dir / "behavioral_events" / "day=2026-05-13").exists():
        pytest.skip("the simulation has events on that UTC day")
    assert not result.success
    failure = result.failure_data_for_node("valid_events")
    assert failure is not None
    assert "materialise behavioral_events first" in str(failure.error)


def test_what_is_told_together_is_stored_at_the_end_or_not_at_all(tmp_path):
    settings = short_settings(tmp_path, source="simulator")
    with open_instance(settings) as instance, open_instance(settings) as other:
        key = dg.AssetKey("behavioral_events")

        def tell(day):
            event = dg.AssetMaterialization(key, partition=day)
            instance.report_runless_asset_event(event)

        with told_together(instance):
            tell("2026-05-01")
            tell("2026-05-02")
            assert other.get_materialized_partitions(key) == set()
        assert other.get_materialized_partitions(key) == {"2026-05-01", "2026-05-02"}

        def tell_and_fail():
            with told_together(instance):
                tell("2026-05-03")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            tell_and_fail()
        tell("2026-05-04")
        days = {"2026-05-01", "2026-05-02", "2026-05-04"}
        assert other.get_materialized_partitions(key) == days


def test_another_thread_tells_as_ever_meanwhile(tmp_path):
    settings = short_settings(tmp_path, source="simulator")
    with open_instance(settings) as instance:
        key = dg.AssetKey("behavioral_events")
        with ThreadPoolExecutor(1) as pool, told_together(instance):
            event = dg.AssetMaterialization(key, partition="2026-05-01")
            pool.submit(instance.report_runless_asset_event, event).result()
            event = dg.AssetMaterialization(key, partition="2026-05-02")
            instance.report_runless_asset_event(event)
        assert instance.get_materialized_partitions(key) == {"2026-05-01", "2026-05-02"}
