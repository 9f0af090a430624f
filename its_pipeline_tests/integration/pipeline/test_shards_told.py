"""A store with shards: what Dagster and MLflow are told of a night, and how partitions come and go.

Four people a shard at most, so that a few people are several shards.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

import its_pipeline.its as engine
from its_pipeline.defs import shard_refresh
from its_pipeline.defs.home import open_instance
from its_pipeline.defs.local import LocalRunner
from its_pipeline.experiments import sharding
from its_pipeline.experiments.page_cache import PageCache
from its_pipeline.experiments.pages import draw_page, open_page
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.shard_runs import untold
from its_pipeline.experiments.sharding import known_shards, shard_of_key
from its_pipeline.leaving.forget import forget
from its_pipeline.settings import Settings
from its_pipeline.stores.runs import RunStore
from its_pipeline.stores.shard_newest import recorded_shard_run
from its_pipeline.stores.shard_records import (
    TABLE_FILE,
    TAG_SHARD,
    delete_from_shards,
    is_recorded,
)
from its_pipeline_tests.integration.pipeline.conftest import (
    Night,
    make_store,
    moody_analyze,
    people,
)
from its_pipeline_tests.integration.pipeline.test_refresh import checks, key
from tools.faults.world import give_shards
from tools.leftovers import leftovers
from tools.stores import log_intervention, series, short_settings, write_daily

ASSETS = ("its_plan", "its_fit", "its_report")


@pytest.fixture(scope="module", autouse=True)
def small_shards() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharding, "SHARD_EXPERIMENTS", 2)
        yield


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """One night over everybody, in shards, with the moody engine."""
    folder = tmp_path_factory.mktemp("sharded")
    settings = make_store(short_settings(folder, partition_limit=5, mlflow_url="http://mlflow"))
    with pytest.MonkeyPatch.context() as patch, open_instance(settings) as instance:
        patch.setattr(engine, "analyze", moody_analyze)
        outcome = LocalRunner(settings, instance, "test").refresh()
        yield Night(settings, instance, outcome)


def partitions(instance: dg.DagsterInstance) -> set[str]:
    return set(instance.get_dynamic_partitions("experiment"))


def effects_of(settings: Settings, users: int) -> dict[int, Any]:
    found = {n: open_store(settings).verdict(f"u{n}|morning") for n in range(users)}
    return {n: None if verdict is None else verdict.effects for n, verdict in found.items()}


def shown(night: Night, asset: str, name: str) -> dict[str, Any]:
    event = night.materializations(asset, name)[0].asset_materialization
    assert event is not None
    return {each: getattr(value, "value", value) for each, value in event.metadata.items()}


def test_the_partitions_are_the_shards_and_each_has_one_materialisation_an_asset(sharded):
    names = {shard.name for shard in known_shards(sharded.settings)}
    assert len(names) == 4
    assert partitions(sharded.instance) == names
    for asset in ASSETS:
        assert {len(sharded.materializations(asset, name)) for name in names} == {1}


def test_a_shard_tells_its_counts_and_what_failed(sharded):
    shards = known_shards(sharded.settings)
    totals = {
        status: sum(shown(sharded, "its_fit", shard.name)[status] for shard in shards)
        for status in ("analysed", "waiting", "refused", "not_converged", "crashed")
    }
    assert totals == {
        "analysed": 2, "waiting": 1, "refused": 1, "not_converged": 1, "crashed": 1,
    }  # fmt: skip
    own = shard_of_key(key("stuck"), len(shards)).name
    rows = sharded.materializations("its_fit", own)[0].asset_materialization.metadata["problems"]
    assert key("stuck") in {row.data["experiment"] for row in rows.records}
    gate = checks(sharded.instance, "its_fit", "sampler_converged")
    days = checks(sharded.instance, "its_plan", "enough_days")
    assert {name for name, each in gate.items() if not each.passed} == {
        shard_of_key(key(user), len(shards)).name for user in ("stuck", "crash")
    }
    assert {name for name, each in days.items() if not each.passed} == {
        shard_of_key(key("wait"), len(shards)).name
    }
    # A thousand others' answers are not held up by one that did not converge.
    assert {each.severity for each in gate.values()} == {dg.AssetCheckSeverity.WARN}


def test_a_crash_of_one_fails_the_run_at_its_end(sharded):
    assert sharded.outcome.success is False
    assert "1 of 6 experiments crashed" in sharded.outcome.message
    assert "the model fell over" in sharded.outcome.message


def test_mlflow_has_a_run_a_shard_with_a_table_and_none_an_experiment(sharded):
    client, experiment_id = RunStore.from_settings(sharded.settings).open()
    runs = [r for r in client.search_runs([experiment_id]) if TAG_SHARD in r.data.tags]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sorted(run.data.tags[TAG_SHARD] for run in runs) == sorted(
        shard.name for shard in known_shards(sharded.settings)
    )
    keys = []
    for run in runs:
        table = pq.read_table(str(run.info.artifact_uri).removeprefix("file://") + f"/{TABLE_FILE}")
        assert run.data.metrics["experiments"] == table.num_rows
        keys += table["key"].to_pylist()
        for row in table.to_pylist():
            assert (row["effect"] is not None) == (row["status"] == "analysed")
    assert sorted(keys) == sorted(key(user) for user in people())
    assert not [r for r in client.search_runs([experiment_id]) if "its.user_id" in r.data.tags]


def test_no_page_and_no_folder_is_made_and_a_page_opens_all_the_same(sharded):
    settings = sharded.settings
    assert not list(settings.experiments_dir.rglob("verdict.json"))
    assert not list(settings.reports_dir.glob("*/*"))
    assert open_page(settings, key("ada")) is None
    draw_page(settings, key("ada"))
    opened = open_page(settings, key("ada"))
    assert opened is not None
    with opened.file as file:
        html = file.read().decode()
    shard = shard_of_key(key("ada"), len(known_shards(settings)))
    assert f"http://mlflow/#/runs/{recorded_shard_run(settings, shard.name)}" in html
    draw_page(settings, key("stuck"))
    assert len(list(settings.page_cache_dir.glob("*.html"))) == 2


def test_a_page_is_drawn_again_once_the_days_are_others(sharded):
    settings = sharded.settings
    draw_page(settings, key("bob"))
    first = open_page(settings, key("bob"))
    assert first is not None
    first.file.close()
    path = settings.daily_outcomes_path
    path.write_bytes(path.read_bytes())
    assert open_page(settings, key("bob")) is None
    draw_page(settings, key("bob"))
    again = open_page(settings, key("bob"))
    assert again is not None
    again.file.close()
    # The same page as before takes the other one's place.
    assert again.digest == first.digest


def test_what_was_told_is_passed_over_and_what_was_not_is_told(sharded, moody_engine, monkeypatch):
    settings = sharded.settings
    before = {name: len(sharded.materializations("its_fit", name)) for name in
              partitions(sharded.instance)}  # fmt: skip
    failing = shard_of_key(key("crash"), 4).name
    sharded.runner().refresh()
    after = {name: len(sharded.materializations("its_fit", name)) for name in before}
    # What crashed is tried again; nothing else has anything to do.
    assert after == {name: n + (name == failing) for name, n in before.items()}

    def broken(*_):
        raise OSError(5, "Dagster's disk is gone")

    settled = shard_of_key(key("ada"), 4)
    log_intervention(settings, "ada", intervention_id="evening", name="Study in the evening")
    with monkeypatch.context() as patch:
        patch.setattr(shard_refresh, "log_event", broken)
        assert not sharded.runner().refresh().success
    assert untold(settings, settled)
    assert open_store(settings).verdict("ada|evening") is not None
    told = sharded.runner().refresh()
    assert told.numbers["computed"] == 0 or failing == settled.name
    assert not untold(settings, settled)
    assert len(sharded.materializations("its_fit", settled.name)) > after[settled.name]
    assert shown(sharded, "its_fit", settled.name)["experiments"] >= 2


@pytest.mark.parametrize("way", ["damaged", "lost"])
def test_a_table_of_mlflows_that_is_no_good_is_made_again(sharded, way):
    settings = sharded.settings
    sharded.runner().refresh()
    shard = shard_of_key(key("bob"), 4).name
    before = recorded_shard_run(settings, shard)
    path = settings.mlflow_artifact_dir / str(before) / "artifacts" / TABLE_FILE
    told = pq.read_table(path).drop_columns(["decided_at"])
    if way == "damaged":
        content = bytearray(path.read_bytes())
        path.write_bytes(bytes(content[: len(content) // 2]))
    else:
        path.unlink()
    assert not is_recorded(settings, shard)
    sharded.runner().refresh()
    after = recorded_shard_run(settings, shard)
    assert after != before
    again = settings.mlflow_artifact_dir / str(after) / "artifacts" / TABLE_FILE
    assert pq.read_table(again).drop_columns(["decided_at"]).equals(told)
    client, experiment_id = RunStore.from_settings(settings).open()
    runs = [str(run.info.run_id) for run in client.search_runs([experiment_id])]
    assert str(before) not in runs
    # One that was moved, with another time, is no reason to record anything.
    os.utime(again)
    assert is_recorded(settings, shard)


def test_a_shard_of_nobody_that_was_recorded_and_not_told_of_is_told(
    tmp_path, moody_engine, monkeypatch
):
    settings = short_settings(tmp_path, partition_limit=0, mlflow_url="http://mlflow")
    write_daily(settings, {"ada": series(seed=4)})
    log_intervention(settings, "ada")
    give_shards(settings, 1)

    def broken(*_):
        raise OSError(5, "Dagster's disk is gone")

    with open_instance(settings) as instance:
        runner = LocalRunner(settings, instance, "test")
        with monkeypatch.context() as patch:
            patch.setattr(shard_refresh, "log_event", broken)
            assert not runner.refresh().success
        shards = known_shards(settings)
        assert len(shards) == 4
        assert all(is_recorded(settings, shard.name) for shard in shards)
        # As the next night's aggregation leaves it: nobody is known to be settled any more.
        os.utime(settings.daily_outcomes_path)
        assert runner.refresh().success
        told = instance.get_materialized_partitions(dg.AssetKey("its_fit"))
    assert told == {shard.name for shard in shards}
    assert shard_refresh.shards_to_do(settings, shards) == []


def test_whoever_leaves_is_in_no_table_that_cannot_be_read(tmp_path, moody_engine):
    settings = short_settings(tmp_path, partition_limit=0, mlflow_url="http://mlflow")
    write_daily(settings, {"ada": series(seed=4), "ben": series(seed=2)})
    for user in ("ada", "ben"):
        log_intervention(settings, user)
    with open_instance(settings) as instance:
        LocalRunner(settings, instance, "test").refresh()
    paths = list(settings.mlflow_artifact_dir.rglob(TABLE_FILE))
    for path in paths:
        os.truncate(path, path.stat().st_size // 2)
    assert delete_from_shards(settings, "ada") == 1
    gone = [path for path in paths if not path.exists()]
    assert len(gone) == 1
    assert not is_recorded(settings, shard_of_key(key("ada"), len(known_shards(settings))).name)


def test_a_shard_is_brought_up_to_date_from_dagsters_own_page(sharded):
    shard = shard_of_key(key("bob"), 4)
    log_intervention(sharded.settings, "bob", intervention_id="tea", name="Tea")
    result = sharded.analyse(shard.name)
    assert result.success
    assert open_store(sharded.settings).verdict("bob|tea") is not None
    assert shown(sharded, "its_plan", shard.name)["experiments"] >= 2
    sharded.instance.add_dynamic_partitions("experiment", ["shard 09 of 16"])
    gone = sharded.analyse("shard 09 of 16")
    sharded.instance.delete_dynamic_partition("experiment", "shard 09 of 16")
    assert not gone.success


def test_a_person_who_leaves_is_in_no_byte_of_it(tmp_path, moody_engine):
    settings = short_settings(tmp_path, partition_limit=0, mlflow_url="http://mlflow")
    names = {"zebedee-the-first": series(level=2000.0, seed=4), "ben": series(seed=2)}
    write_daily(settings, names)
    for user in names:
        log_intervention(settings, user)
    with open_instance(settings) as instance:
        runner = LocalRunner(settings, instance, "test")
        runner.refresh()
        runner.evidence()
        draw_page(settings, "zebedee-the-first|morning")
        assert list(PageCache.of(settings).folder.glob("*.html"))
    assert leftovers(tmp_path, ["zebedee-the-first"])
    assert forget(settings, "zebedee-the-first").finished
    assert leftovers(tmp_path, ["zebedee-the-first"]) == []
    with open_instance(settings) as instance:
        names = partitions(instance)
        assert names == {shard.name for shard in known_shards(settings)}
        # Of the shard only the name is gone: it is still there for everybody else.
        assert instance.get_materialized_partitions(dg.AssetKey("its_fit")) == names


def test_a_store_gets_shards_beyond_the_limit_and_loses_them_well_below_it(tmp_path):
    settings = short_settings(tmp_path, partition_limit=3)
    write_daily(settings, {f"u{n}": series(seed=n, effect=3.0) for n in range(5)})
    for n in range(3):
        log_intervention(settings, f"u{n}")
    with open_instance(settings) as instance:
        runner = LocalRunner(settings, instance, "test")
        assert runner.refresh().success
        assert partitions(instance) == {"u0|morning", "u1|morning", "u2|morning"}
        effects = effects_of(settings, 3)
        log_intervention(settings, "u3")
        assert runner.refresh().success
        assert partitions(instance) == {"shard 1 of 2", "shard 2 of 2"}
        # What Dagster remembers of the experiments stays.
        assert "u0|morning" in instance.get_materialized_partitions(dg.AssetKey("its_fit"))
        assert effects_of(settings, 3) == effects
    forget(settings, "u3")
    with open_instance(settings) as instance:
        runner = LocalRunner(settings, instance, "test")
        assert runner.refresh().success
        # At the limit it stays as it is: 3 is more than nine tenths of 3.
        assert partitions(instance) == {"shard 1 of 2", "shard 2 of 2"}
    forget(settings, "u2")
    with open_instance(settings) as instance:
        runner = LocalRunner(settings, instance, "test")
        assert runner.refresh().success
        assert partitions(instance) == {"u0|morning", "u1|morning"}
        assert runner.refresh().numbers["unchanged"] == 2
        assert effects_of(settings, 2) == {n: effects[n] for n in range(2)}
