"""What a store with shards asks for: runs of a night, and what was logged; its partitions."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from its_pipeline.defs import sensors
from its_pipeline.defs.home import open_instance
from its_pipeline.defs.names import JOB_REFRESH
from its_pipeline.defs.partitions import register_experiments, register_shards
from its_pipeline.defs.resources import Installation
from its_pipeline.defs.sensors import intervention_sensor
from its_pipeline.defs.shard_refresh import RUN_TIMES, runs_of_night, shards_of_part
from its_pipeline.events.shards import Shard
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.service import fit_experiment
from its_pipeline.experiments.shard_state import ShardState, write_state
from its_pipeline.experiments.sharding import SHARDS_FILE, has_shards, known_shards, shards_now
from its_pipeline.files.atomic import UNFINISHED_PREFIX
from its_pipeline.settings import Settings
from tools.stores import log_intervention, series, short_settings, write_daily


@pytest.fixture
def settings(tmp_path):
    return short_settings(tmp_path, partition_limit=1, burst_size=100)


@pytest.fixture
def instance(settings):
    with open_instance(settings) as instance:
        yield instance


def tick(settings: Settings, instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"installation": Installation(settings)}
    )
    return intervention_sensor(context)


def keys_of(request: dg.RunRequest) -> Any:
    return request.run_config["ops"]["refresh"]["config"].get("keys")


def test_what_was_logged_becomes_one_run_with_its_keys_and_no_partition(settings, instance):
    write_daily(settings, {"ada": series(n_post=3), "bob": series(n_post=3)})
    log_intervention(settings, "ada")
    log_intervention(settings, "bob")
    fit_experiment(Snapshot(settings), "ada|morning")
    result = tick(settings, instance)
    (request,) = result.run_requests
    assert request.job_name == JOB_REFRESH
    # What has its verdict is not asked for.
    assert keys_of(request) == ["bob|morning"]
    assert not result.dynamic_partitions_requests
    assert isinstance(tick(settings, instance, result.cursor), dg.SkipReason)


def test_very_many_at_once_are_found_by_the_run_itself(settings, instance, monkeypatch):
    monkeypatch.setattr(sensors, "MOST_KEYS", 2)
    newest, *_ = [log_intervention(settings, f"u{n}") for n in (0, 1, 2)][::-1]
    result = tick(settings, instance)
    (request,) = result.run_requests
    assert keys_of(request) is None
    assert result.cursor == str(newest.sequence)


@pytest.mark.parametrize(("stale", "runs"), [(0, 0), (1, 1), (64, 3), (1024, 34)])
def test_a_night_has_as_many_runs_as_its_stale_shards_deserve(stale, runs):
    shards = [Shard(1024, number) for number in range(1024)]
    settings = Settings(shard_size=300)
    # A run takes 30,000 experiments; 64 shards have 62,500.
    assert RUN_TIMES == 100
    assert runs_of_night(settings, shards, stale, 1_000_000) == runs


def test_the_parts_of_a_night_have_every_shard_once():
    shards = [Shard(8, number) for number in range(8)]
    parts = [shards_of_part(shards, part, 3) for part in range(3)]
    assert sorted(each for part in parts for each in part) == shards
    with pytest.raises(ValueError, match=r"in \[0, 3\) but got 3"):
        shards_of_part(shards, 3, 3)


def test_partitions_are_exchanged_in_portions_and_others_stay(instance, monkeypatch):
    monkeypatch.setattr("its_pipeline.defs.partitions._AT_ONCE", 7)
    instance.add_dynamic_partitions("kind", ["mornings|score"])
    keys = [f"u{n:03d}|m" for n in range(50)]
    assert register_experiments(instance, keys) == keys
    shards = [Shard(16, number) for number in range(16)]
    assert register_shards(instance, shards) == [shard.name for shard in shards]
    assert instance.get_dynamic_partitions("experiment") == [shard.name for shard in shards]
    assert register_shards(instance, shards) == []
    more = [Shard(32, number) for number in range(32)]
    register_shards(instance, more)
    assert instance.get_dynamic_partitions("experiment") == [shard.name for shard in more]
    assert register_experiments(instance, keys[:2]) == keys[:2]
    assert instance.get_dynamic_partitions("experiment") == keys[:2]
    assert instance.get_dynamic_partitions("kind") == ["mornings|score"]


def test_a_store_at_its_limit_does_not_change_its_mind_every_night(tmp_path):
    settings = Settings(store_root=tmp_path, partition_limit=100)
    assert shards_now(settings, 100) == []
    assert not has_shards(settings)
    assert len(shards_now(settings, 101)) == 1
    # People leave and come back.
    for experiments in (99, 91, 100):
        assert shards_now(settings, experiments)
    assert shards_now(settings, 90) == []
    assert not has_shards(settings)
    assert shards_now(settings, 100) == []


def test_the_number_of_shards_stays_while_they_are_not_too_large(tmp_path):
    settings = Settings(store_root=tmp_path, partition_limit=0)
    assert len(shards_now(settings, 3_000)) == 4
    assert len(shards_now(settings, 8_000)) == 4
    assert len(known_shards(settings)) == 4
    assert len(shards_now(settings, 8_001)) == 16


@pytest.mark.parametrize("way", ["damaged", "lost"])
def test_the_number_of_shards_is_found_again_where_its_file_is_no_good(tmp_path, way):
    settings = Settings(store_root=tmp_path, partition_limit=0)
    # As many as it had are not as many as it would begin with now.
    shards = shards_now(settings, 3_000)
    write_state(settings, shards[-1], ShardState("told"))
    file = tmp_path / SHARDS_FILE
    if way == "damaged":
        file.write_text("{")
        # Whoever only reads comes first, and decides nothing.
        assert known_shards(settings) == shards
    else:
        file.unlink()
    assert shards_now(settings, 1_000) == shards
    assert known_shards(settings) == shards


def test_a_killed_writer_of_the_number_of_shards_leaves_nothing_for_long(tmp_path):
    settings = Settings(store_root=tmp_path, partition_limit=0)
    left = tmp_path / "shards" / "known" / f"{UNFINISHED_PREFIX}killed"
    left.parent.mkdir(parents=True)
    left.write_text("{")
    assert shards_now(settings, 1_000)
    assert not left.exists()
    assert not list(tmp_path.glob(f"{UNFINISHED_PREFIX}*"))
