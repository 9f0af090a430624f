"""Kinds in Dagster: partitions, materialisations, checks and their end; nobody is named there."""

from __future__ import annotations

import dagster as dg
import pytest

from its_pipeline.defs.build import build_defs
from its_pipeline.defs.home import open_instance
from its_pipeline.defs.local import LocalRunner
from its_pipeline.defs.pooled_asset import accuracy, kind_metadata
from its_pipeline.experiments.kinds import KindKey
from its_pipeline.experiments.pooling import MOST_ERROR_SDS, RefreshedKind
from its_pipeline.leaving.forget import forget
from its_pipeline.stores.pooled_results import PooledResult
from its_pipeline.stores.pooled_store import PooledStore
from tools.kinds import pooled_result, too_few
from tools.leftovers import leftovers
from tools.stores import METRIC, log_intervention, series, short_settings, write_daily

KEY = f"morning|{METRIC}"
ASSET = dg.AssetKey("pooled_effects")
PEOPLE = ["uma-1", "vic-2", "wim-3"]


@pytest.fixture
def runner(tmp_path):
    """A store in which three people tried the same, refreshed."""
    settings = short_settings(tmp_path / "store", pooled_min_people=2)
    write_daily(settings, {who: series(20, 20, effect=5.0, seed=n) for n, who in enumerate(PEOPLE)})
    for who in PEOPLE:
        log_intervention(settings, who)
    with open_instance(settings) as instance:
        runner = LocalRunner(settings, instance, "test")
        assert runner.refresh().success
        yield runner


def materialisations(runner):
    wanted = dg.AssetRecordsFilter(asset_key=ASSET, asset_partitions=[KEY])
    records = runner.instance.fetch_materializations(wanted, limit=20).records
    return [record.asset_materialization for record in records]


def partitions(runner):
    return runner.instance.get_dynamic_partitions("kind")


def test_a_kind_is_told_when_it_changes_and_gone_when_its_people_are(runner):
    first = runner.pooled()
    assert first.success, first.message
    assert (first.numbers["kinds"], first.numbers["made"]) == (1, 1)
    assert partitions(runner) == [KEY]
    [told] = materialisations(runner)
    record = PooledStore(runner.settings).read("morning", METRIC)
    assert isinstance(record, PooledResult)
    assert told.metadata["mean"].value == record.mean.mean
    assert told.metadata["people_with_estimate"].value == 3
    checks = runner.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(ASSET, "pool_is_accurate"), limit=5
    )
    assert [check.status.value for check in checks] == ["SUCCEEDED"]
    shown = checks[0].event.dagster_event.event_specific_data.metadata
    assert shown["error_sds"].value == record.error
    assert shown["most_error_sds"].value == MOST_ERROR_SDS

    again = runner.pooled()
    assert (again.numbers["kinds"], again.numbers["made"], again.numbers["told"]) == (1, 0, 0)
    assert len(materialisations(runner)) == 1

    # What forgetting makes anew, the next run tells.
    forget(runner.settings, PEOPLE[0])
    after = runner.pooled()
    assert (after.numbers["made"], after.numbers["told"]) == (0, 1)
    assert materialisations(runner)[0].metadata["people_with_estimate"].value == 2

    forget(runner.settings, PEOPLE[1])
    last = runner.pooled()
    assert (last.numbers["kinds"], last.numbers["gone"]) == (0, 1)
    assert partitions(runner) == []
    assert runner.pooled() is None
    names = leftovers(runner.settings.dagster_home, PEOPLE[:2])
    assert names == []


def test_one_kind_is_made_by_its_partition(runner):
    runner.pooled()
    defs = build_defs(runner.settings)
    graph = defs.resolve_asset_graph()
    job = dg.define_asset_job("one_kind", ["pooled_effects"]).resolve(asset_graph=graph)
    done = job.execute_in_process(instance=runner.instance, partition_key=KEY)
    assert done.success
    assert len(materialisations(runner)) == 2
    [check] = done.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("pool_is_accurate", True)


def test_the_check_is_red_beyond_its_threshold():
    assert accuracy(pooled_result(["a"], error=0.5 * MOST_ERROR_SDS)).passed
    assert not accuracy(pooled_result(["a"], error=MOST_ERROR_SDS)).passed
    assert accuracy(too_few()).passed


def test_metadata_name_no_member_and_of_too_few_give_no_number(tmp_path):
    settings = short_settings(tmp_path)
    key = KindKey("morning", METRIC)
    told = kind_metadata(settings, RefreshedKind(key, pooled_result(["uma-1"]), True))
    assert "uma-1" not in repr(told)
    few = kind_metadata(settings, RefreshedKind(key, too_few(), True))
    assert few["state"] == "too few people"
    assert "mean" not in few
