"""Dagster's home: ours where nobody wrote one, kept where somebody did."""

from __future__ import annotations

import logging

import pytest
import yaml

from its_pipeline.defs.home import INSTANCE_FILE, MARK, differences, open_instance, prepare_home
from tools.stores import short_settings


@pytest.fixture
def settings(tmp_path):
    return short_settings(tmp_path)


def dagster_file(settings):
    return settings.dagster_home / "dagster.yaml"


def test_the_home_is_made_from_the_packages_file_and_opens(settings):
    home = prepare_home(settings)
    assert home == settings.dagster_home
    with open_instance(settings) as instance:
        assert instance.telemetry_enabled is False
        assert instance.nux_enabled is False
        assert instance.run_monitoring_enabled is True
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1


def test_shard_concurrency_reaches_the_instance_and_follows_the_setting(tmp_path):
    for shards in (4, 6):
        settings = short_settings(tmp_path, shard_concurrency=shards)
        with open_instance(settings) as instance:
            queue = instance.get_concurrency_config().run_queue_config
            assert queue is not None
            assert {"key": "its/shard", "limit": shards} in queue.tag_concurrency_limits
            assert queue.max_concurrent_runs == shards + 2


def test_dagsters_records_go_to_postgres_and_the_file_does_not_hold_the_address(tmp_path, settings):
    prepare_home(settings)
    url = "postgresql+psycopg2://its:secret@db.example/dagster"
    prepare_home(short_settings(tmp_path, dagster_database_url=url))
    text = dagster_file(settings).read_text()
    assert "secret" not in text
    storage = yaml.safe_load(text)["storage"]
    assert storage == {"postgres": {"postgres_url": {"env": "ITS_DAGSTER_DATABASE_URL"}}}
    prepare_home(settings)
    assert "storage" not in yaml.safe_load(dagster_file(settings).read_text())


OWN = {
    "storage": "storage:\n  sqlite:\n    base_dir: {env: ITS_TEST_BASE_DIR}\n",
    "launcher": (
        "run_launcher:\n  module: dagster._core.launcher.sync_in_memory_run_launcher\n"
        "  class: SyncInMemoryRunLauncher\n"
    ),
    "one of our settings": "nux:\n  enabled: true\n",
    "a comment": "# nothing here yet\n",
}


@pytest.mark.parametrize("own", OWN.values(), ids=OWN.keys())
def test_what_an_operator_wrote_is_kept_and_what_differs_is_said_once(
    settings, caplog, monkeypatch, tmp_path, own
):
    monkeypatch.setenv("ITS_TEST_BASE_DIR", str(tmp_path / "elsewhere"))
    settings.dagster_home.mkdir(parents=True)
    dagster_file(settings).write_text(own)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with open_instance(settings):
                pass
    assert dagster_file(settings).read_text() == own
    (said,) = caplog.messages
    assert str(dagster_file(settings)) in said
    assert "concurrency is missing" in said
    assert "run_launcher" not in said
    assert ("nux.enabled is True instead of False" in said) == ("nux" in own)


def test_an_operators_launcher_is_the_one_that_is_used(settings):
    settings.dagster_home.mkdir(parents=True)
    dagster_file(settings).write_text(OWN["launcher"])
    with open_instance(settings) as instance:
        assert type(instance.run_launcher).__name__ == "SyncInMemoryRunLauncher"


def test_our_file_is_the_operators_once_it_is_edited(settings, caplog):
    prepare_home(settings)
    ours = dagster_file(settings).read_text()
    assert ours.startswith(MARK)
    edited = ours.replace("granularity: run\n", "granularity: op\n")
    dagster_file(settings).write_text(edited)
    prepare_home(settings)
    assert dagster_file(settings).read_text() == edited
    assert "concurrency.pools.granularity is op instead of run" in caplog.text


def test_an_unmarked_file_of_ours_is_brought_up_to_date_unless_it_was_edited(settings, caplog):
    """Before there was a mark, ours was the package's file as PyYAML writes it."""
    instance = yaml.safe_load(INSTANCE_FILE.read_text())
    instance["concurrency"]["runs"]["tag_concurrency_limits"][0]["limit"] = 5
    instance["concurrency"]["runs"]["max_concurrent_runs"] = 7
    settings.dagster_home.mkdir(parents=True)
    unmarked = yaml.safe_dump(instance, sort_keys=False)
    dagster_file(settings).write_text(unmarked)
    prepare_home(settings)
    assert dagster_file(settings).read_text().startswith(MARK)
    assert not caplog.messages
    more = unmarked + "run_launcher: {module: m, class: C}\n"
    dagster_file(settings).write_text(more)
    prepare_home(settings)
    assert dagster_file(settings).read_text() == more


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file_is_nobodys(settings, text):
    settings.dagster_home.mkdir(parents=True)
    dagster_file(settings).write_text(text)
    prepare_home(settings)
    assert dagster_file(settings).read_text().startswith(MARK)


@pytest.mark.parametrize("text", ["a: [1\n", "- a\n"])
def test_a_file_that_is_no_mapping_is_refused_by_name_and_kept(settings, text):
    settings.dagster_home.mkdir(parents=True)
    dagster_file(settings).write_text(text)
    with pytest.raises(ValueError, match=str(dagster_file(settings))):
        prepare_home(settings)
    assert dagster_file(settings).read_text() == text


def test_only_what_ours_has_can_differ():
    ours = {"a": {"b": 1, "c": 3}, "d": {"e": 4}}
    assert differences({"a": {"b": 1, "c": 3, "x": 9}, "d": {"e": 4}, "storage": {}}, ours) == []
    assert differences({"a": {"b": 2}, "d": None}, ours) == [
        "a.b is 2 instead of 1",
        "a.c is missing",
        "d is None instead of {'e': 4}",
    ]
