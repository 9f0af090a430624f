"""Stores evaluated in shards: the same numbers as without, nothing lost, nothing done twice."""

from __future__ import annotations

import struct
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.interventions import InterventionLog
from its_pipeline.events.shards import Shard
from its_pipeline.experiments import shard_input, shard_work
from its_pipeline.experiments.bulk import refresh
from its_pipeline.experiments.looking import looks_at
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.service import fit_experiment, open_store
from its_pipeline.experiments.shard_plan import input_path, plan_shards
from its_pipeline.experiments.shard_runs import (
    mark_told,
    refresh_shard,
    refresh_shards,
    stale_shards,
)
from its_pipeline.files.atomic import UNFINISHED_PREFIX
from its_pipeline.files.damage import set_aside_files
from its_pipeline.its.packing import packed
from its_pipeline.leaving.results import delete_results
from its_pipeline.settings import Settings
from its_pipeline.stores.external_series import write_external
from its_pipeline.stores.result_rows import STANDING
from its_pipeline_tests.integration.experiments.shard_nights import (
    ANALYSED,
    DECIDED_AT,
    PEOPLE,
    SHARDS,
    contents,
    copied,
    counts,
    filled,
    looks_of,
    night,
    raising_always,
    stored_of,
    told,
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


def test_a_sharded_night_says_what_one_without_shards_says(settings, tmp_path):
    assert counts(night(settings)) == {"analysed": 4, "waiting": 1, "refused": 1}
    assert not settings.experiments_dir.exists()
    other = filled(tmp_path / "other")
    snapshot = Snapshot(other)
    refresh(snapshot, snapshot.experiment_keys(), lambda _: None)
    for user in PEOPLE:
        assert told(verdict_of(settings, user)) == told(verdict_of(other, user))
        assert looks_of(settings, user) == looks_of(other, user)
        if user in ANALYSED:
            (mine, own), (yours, others) = stored_of(settings, user), stored_of(other, user)
            yours.told["timing"] = {}
            assert packed(mine, {}) == packed(yours, {})
            assert own["series"]["value"].tolist() == others["series"]["value"].tolist()


def test_the_bytes_are_the_same_whoever_computes_them_and_however_often(settings, tmp_path):
    other = copied(settings, tmp_path / "other", refresh_workers=2)
    night(settings)
    night(other)
    assert contents(settings) == contents(other)
    assert len(contents(settings)) == 2


def test_an_interrupted_night_goes_on_with_what_is_missing(settings, tmp_path, monkeypatch):
    whole = copied(settings, tmp_path / "whole")
    night(whole)
    asked: list[str] = []

    def watched(people, with_):
        asked.extend(people["user_id"].to_pylist())
        return evaluate(people, with_)

    evaluate = shard_work.evaluate_chunk
    monkeypatch.setattr("its_pipeline.experiments.shard_engines.evaluate_chunk", watched)

    class Killed(BaseException):
        pass

    def kill(done, total, summary):
        raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            night(settings, on_progress=kill)
    assert len(asked) == 4
    # Another day's clock: the input that was written first says when it is decided.
    summaries = night(settings, decided_at="2026-06-20T09:00:00.000000+00:00")
    assert sorted(asked) == sorted(PEOPLE)
    assert sum(summary.total for summary in summaries.values()) == len(PEOPLE)
    assert contents(settings) == contents(whole)
    assert list((settings.store_root / "shards").glob("*.parquet")) == []


def test_a_chunk_lost_after_its_looks_were_taken_comes_to_the_same(settings, tmp_path, monkeypatch):
    whole = copied(settings, tmp_path / "whole")
    night(whole)
    with monkeypatch.context() as patched:
        patched.setattr(
            "its_pipeline.stores.result_sets.write_file", raising_always(KeyboardInterrupt())
        )
        with pytest.raises(KeyboardInterrupt):
            night(settings)
    assert [len(looks_of(settings, user)) for user in ANALYSED].count(1) in (1, 2)
    night(settings)
    assert contents(settings) == contents(whole)
    assert [len(looks_of(settings, user)) for user in ANALYSED] == [1, 1, 1, 1]


def test_one_crash_is_one_experiments(settings, monkeypatch):
    from its_pipeline.its import engine

    analyze = engine.analyze

    def broken(outcome, *args, **kwargs):
        if len(outcome) == 80 and abs(outcome.iloc[0] - PEOPLE["dee"]["value"].iloc[0]) < 1e-9:
            raise ArithmeticError("no root")
        return analyze(outcome, *args, **kwargs)

    monkeypatch.setattr("its_pipeline.its.analyze", broken)
    crashes = []
    summaries = [s for _, s in refresh_shards(settings, SHARDS, on_crash=crashes.append)]
    assert [crash.key for crash in crashes] == ["dee|morning"]
    assert "no root" in crashes[0].detail
    assert sum(s.counts["analysed"] for s in summaries) == 3
    verdict = verdict_of(settings, "dee")
    assert (verdict.status, "no root" in verdict.reason) == ("crashed", True)
    for shard in SHARDS:
        mark_told(settings, shard)
    assert stale_shards(settings, SHARDS) == [Shard.of_person("dee", 2)]
    monkeypatch.undo()
    assert refresh_shard(settings, Shard.of_person("dee", 2)).computed == 1


def test_a_full_disk_is_no_experiments_fault(settings, monkeypatch):
    full = OSError(28, "No space left on device")
    monkeypatch.setattr("its_pipeline.its.analyze", raising_always(full))
    with pytest.raises(OSError, match="No space"):
        night(settings)
    assert open_store(settings).sets.paths() == []


def test_somebody_elses_look_leaves_an_experiment_stale(settings, monkeypatch):
    """An analysis asked for while the chunk is computed takes the look first, on other days."""
    evaluate = shard_work.evaluate_chunk

    def raced(people, with_):
        result = evaluate(people, with_)
        if "ada" in people["user_id"].to_pylist():
            others = settings.model_copy(update={"today_on": date(2026, 5, 30)})
            fit_experiment(Snapshot(others), "ada|morning")
        return result

    monkeypatch.setattr("its_pipeline.experiments.shard_engines.evaluate_chunk", raced)
    night(settings)
    assert [look.looked_on for look in looks_of(settings, "ada")] == [date(2026, 5, 29)]
    assert open_store(settings).sets.row("ada|morning", STANDING) is None
    monkeypatch.undo()
    assert Shard.of_person("ada", 2) in stale_shards(settings, SHARDS)
    assert counts(night(settings))["analysed"] == 1
    assert [look.number for look in looks_of(settings, "ada")] == [1, 2]
    assert (verdict_of(settings, "ada").standing or {})["n_looks"] == 2


def test_a_single_analysis_wins_and_is_gathered(settings):
    night(settings)
    write_daily(settings, {**PEOPLE, "ada": with_another_last_day(PEOPLE["ada"])})
    single = fit_experiment(Snapshot(settings), "ada|morning").verdict
    assert verdict_of(settings, "ada") == single
    assert counts(night(settings)) == {"unchanged": 6}
    assert verdict_of(settings, "ada") == single
    assert not list(settings.experiments_dir.rglob("*.json"))


def test_nothing_is_kept_of_who_is_forgotten_meanwhile(settings, monkeypatch):
    evaluate = shard_work.evaluate_chunk

    def raced(people, with_):
        result = evaluate(people, with_)
        Forgotten(settings.store_root).begin("eve")
        return result

    monkeypatch.setattr("its_pipeline.experiments.shard_engines.evaluate_chunk", raced)
    night(settings)
    assert "eve|morning" not in open_store(settings).sets.experiments()
    monkeypatch.undo()
    assert len(looks_of(settings, "bob")) == 1
    log = InterventionLog(settings.resolved_intervention_log_url)
    assert looks_at(settings, log.get("eve", "morning")) == ()
    log.close()


def test_who_leaves_is_in_no_input_any_more(settings):
    plan_shards(settings, SHARDS)
    Forgotten(settings.store_root).begin("bob")
    delete_results(settings, "bob")
    others = [shard for shard in SHARDS if not shard.has("bob")]
    left = [input_path(settings, shard) for shard in others]
    assert sorted((settings.store_root / "shards").glob("*.parquet")) == sorted(left)
    assert counts(night(settings)).keys() == {"analysed", "waiting", "refused"}
    assert "bob|morning" not in open_store(settings).sets.experiments()


def test_a_lost_set_is_made_again(settings):
    night(settings)
    for shard in SHARDS:
        mark_told(settings, shard)
    kept = contents(settings)
    shard = Shard.of_person("bob", 2)
    [path] = [p for p in open_store(settings).sets.paths() if shard.slug in p.name]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    assert shard in stale_shards(settings, SHARDS)
    night(settings)
    assert all(verdict_of(settings, user) for user in PEOPLE)
    assert len(kept) == len(SHARDS)


def test_the_next_plan_takes_away_what_a_killed_one_left(settings):
    folder = settings.store_root / "shards"
    left = folder / f"{UNFINISHED_PREFIX}killed"
    left.mkdir(parents=True)
    (left / "days-0.arrow").write_bytes(b"rows of everybody")
    (folder / f"{UNFINISHED_PREFIX}input.parquet").write_bytes(b"half an input")
    plan_shards(settings, SHARDS)
    assert not list(folder.glob(f"{UNFINISHED_PREFIX}*"))
    assert all(input_path(settings, shard).is_file() for shard in SHARDS)


def test_a_flipped_bit_of_an_input_is_nobodys_other_answer(settings, tmp_path):
    whole = copied(settings, tmp_path / "whole")
    night(whole)
    plan_shards(settings, SHARDS, decided_at=DECIDED_AT)
    for user in ("ada", "dee"):
        path = input_path(settings, Shard.of_person(user, len(SHARDS)))
        content = bytearray(path.read_bytes())
        # A bit of what somebody measured on one day.
        value = struct.pack("<d", PEOPLE[user]["value"].iloc[40])
        content[content.index(value) + 5] ^= 2
        path.write_bytes(bytes(content))
    assert counts(night(settings)) == {"analysed": 4, "waiting": 1, "refused": 1}
    assert contents(settings) == contents(whole)
    assert len(set_aside_files(settings.store_root)) == len(SHARDS)


def test_comparison_series_cross_with_the_input(settings, tmp_path):
    days = PEOPLE["bob"]["day"]
    weather = pd.Series(range(len(days)), pd.DatetimeIndex(days), dtype=float).map(
        lambda day: (day * 7919) % 13
    )
    for each in (settings, other := filled(tmp_path / "other")):
        write_external(each, "weather", weather)
        log = InterventionLog(each.resolved_intervention_log_url)
        log.amend("bob", "morning", analysis={"comparisons": ["weather"]})
        log.close()
    night(settings)
    fit_experiment(Snapshot(other), "bob|morning")
    assert told(verdict_of(settings, "bob")) == told(verdict_of(other, "bob"))
    (_, mine), (_, yours) = stored_of(settings, "bob"), stored_of(other, "bob")
    assert mine["comparisons"].equals(yours["comparisons"])
