"""Which shards have anything to do, and what of them is done again."""

from __future__ import annotations

import os
import resource
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from its_pipeline.events.interventions import InterventionLog
from its_pipeline.events.shards import Shard
from its_pipeline.experiments import shard_input
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.shard_runs import (
    mark_told,
    refresh_shard,
    refresh_shards,
    stale_shards,
    untold,
)
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import RunContext
from its_pipeline_tests.integration.experiments.shard_nights import (
    ANALYSED,
    PEOPLE,
    SHARDS,
    contents,
    counts,
    filled,
    night,
    verdict_of,
)
from tools.stores import (
    with_another_last_day,
    write_daily,
)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(shard_input, "CHUNK_PEOPLE", 2)
    return filled(tmp_path / "store")


def test_nothing_new_is_nothing_to_do(settings):
    assert set(stale_shards(settings, SHARDS)) == set(SHARDS)
    night(settings)
    assert all(untold(settings, shard) for shard in SHARDS)
    assert set(stale_shards(settings, SHARDS)) == set(SHARDS)
    for shard in SHARDS:
        mark_told(settings, shard)
    assert stale_shards(settings, SHARDS) == []
    before = contents(settings)
    assert counts(night(settings)) == {"unchanged": 6}
    # The same days in a new file, as every ingestion writes it.
    os.utime(settings.daily_outcomes_path)
    assert stale_shards(settings, SHARDS) == []
    assert counts(night(settings)) == {"unchanged": 6}
    assert contents(settings) == before
    assert not any(untold(settings, shard) for shard in SHARDS)


def test_a_late_event_makes_its_own_person_stale(settings, monkeypatch):
    night(settings)
    for shard in SHARDS:
        mark_told(settings, shard)
    write_daily(settings, {**PEOPLE, "ada": with_another_last_day(PEOPLE["ada"])})
    shard = Shard.of_person("ada", 2)
    assert stale_shards(settings, SHARDS) == [shard]
    summary = refresh_shard(settings, shard)
    assert (summary.counts["analysed"], summary.computed) == (1, 1)
    assert untold(settings, shard)
    assert len(open_store(settings).history("ada|morning")) == 2


def test_a_later_day_is_looked_at_where_it_can_matter(settings):
    night(settings)
    for shard in SHARDS:
        mark_told(settings, shard)
    tomorrow = settings.model_copy(update={"today_on": date(2026, 6, 21)})
    assert set(stale_shards(tomorrow, SHARDS)) == set(SHARDS)
    # Who waits is told another date.
    assert counts(night(tomorrow)) == {"unchanged": 5, "waiting": 1}
    assert stale_shards(tomorrow, SHARDS) == [Shard.of_person("cy", 2)]


def test_another_wording_is_told_without_computing(settings):
    night(settings)
    log = InterventionLog(settings.resolved_intervention_log_url)
    log.amend("ada", "morning", name="Read in the morning")
    log.close()
    before = verdict_of(settings, "ada")
    summary = refresh_shard(settings, Shard.of_person("ada", 2))
    after = verdict_of(settings, "ada")
    assert (summary.counts["analysed"], summary.computed) == (1, 0)
    assert after == replace(before, intervention_name="Read in the morning", intervention_version=2)


def test_all_is_told_again_and_nothing_computed_again(settings):
    night(settings)
    before = [verdict_of(settings, user) for user in ANALYSED]
    summaries = night(settings, select="all")
    assert counts(summaries) == {"analysed": 4, "waiting": 1, "refused": 1}
    assert sum(each.computed for each in summaries.values()) == 0
    assert [verdict_of(settings, user) for user in ANALYSED] == before


def test_given_experiments_alone(settings):
    shard = Shard.of_person("bob", 2)
    summary = refresh_shard(settings, shard, keys=["bob|morning"], run=RunContext("r"))
    assert dict(summary.counts) == {"unchanged": 0, "analysed": 1}
    assert open_store(settings).sets.experiments() == {"bob|morning"}
    assert verdict_of(settings, "bob").dagster_run_id == "r"
    assert set(stale_shards(settings, SHARDS)) == set(SHARDS)


def test_a_shard_of_nobody_has_nothing_to_do(settings):
    many = [Shard(64, number) for number in range(64)]
    empty = [shard for shard in many if not any(map(shard.has, PEOPLE))]
    assert stale_shards(settings, empty[:1]) == []
    assert dict(refresh_shard(settings, empty[0]).counts) == {"unchanged": 0}


def test_shards_with_nothing_to_do_hold_nothing_open(settings):
    """More of them than a process may have files."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    night(settings)
    many = [Shard(4096, number) for number in range(4096)]
    some = sorted({Shard.of_person(user, 4096) for user in PEOPLE} | set(many[:200]))
    # Other tests of this process may hold some open.
    room = sum(1 for _ in Path("/proc/self/fd").iterdir()) + 150
    resource.setrlimit(resource.RLIMIT_NOFILE, (room, _))
    try:
        assert sum(found.total for _, found in refresh_shards(settings, some)) == len(PEOPLE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, _))


def test_more_shards_find_what_fewer_have_stored(settings):
    night(settings)
    more = [Shard(8, number) for number in range(8)]
    done = [summary for _, summary in refresh_shards(settings, more)]
    assert sum(each.counts["unchanged"] for each in done) == len(PEOPLE)
    assert sum(each.computed for each in done) == 0
