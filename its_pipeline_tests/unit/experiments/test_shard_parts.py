"""Parts of a shard's input and of the engines, without any analysis."""

from __future__ import annotations

import json
import math
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from its_pipeline.events.metrics import OutcomeMetric
from its_pipeline.events.shards import Shard
from its_pipeline.experiments import shard_days, shard_engines, shard_spill
from its_pipeline.experiments.shard_chunks import Chunk, Lost
from its_pipeline.experiments.shard_days import only_needed, people_days
from its_pipeline.experiments.shard_input import DAY_COLUMNS, digests, series_of
from its_pipeline.experiments.shard_preparer import ChunkPreparer
from its_pipeline.experiments.shard_shared import SharedInput
from its_pipeline.experiments.shard_spill import Spill
from its_pipeline.experiments.shard_work import ChunkResult, ChunkSettings
from its_pipeline.its.decisions.looks import Look
from its_pipeline.settings import Settings
from its_pipeline.stores.look_log import LookLog, NextLook, Question, TakenLooks
from its_pipeline.stores.result_file import GROUP_ROWS, ResultFile, write_file
from its_pipeline.stores.result_rows import ResultRow
from its_pipeline.stores.result_sets import ResultSets

SHARED = SharedInput("2026-06-20T04:00:00+00:00", None, 2000, 1000, 4, 0, 1.0, {})


def daily(path: Path, days: dict[tuple[str, str], int]) -> None:
    """Write daily outcomes: of each person and outcome so many days, counted through."""
    rows = [
        {
            "user_id": user,
            "outcome": outcome,
            "day": date(2026, 1, 1 + day),
            "value": float(number * 100 + day),
            "n_events": 1 + day,
            "share_morning": 1.0,
            "share_afternoon": 0.0,
            "share_evening": 0.0,
            "share_night": 0.0,
        }
        for number, ((user, outcome), count) in enumerate(sorted(days.items()))
        for day in range(count)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)


@pytest.mark.parametrize("rows_at_a_time", [1, 4, 1000])
def test_everybodys_days_are_read_once_and_whole(tmp_path, monkeypatch, rows_at_a_time):
    """Whatever the batches, one ends in the middle of a person."""
    monkeypatch.setattr(shard_days, "_ROWS_AT_A_TIME", rows_at_a_time)
    path = tmp_path / "daily.parquet"
    days = {("a", "x"): 3, ("a", "y"): 2, ("b", "z"): 4, ("c", "x"): 1, ("d", "y"): 5}
    daily(path, days)
    places = {"a": 0, "b": 0, "c": -1, "d": 1}
    found = pa.concat_tables(
        people_days(path, {"x", "y"}, lambda users: [places[user] for user in users])
    )
    assert found["user_id"].to_pylist() == ["a", "d"]
    assert found["shard"].to_pylist() == [0, 1]
    assert found["outcomes"].to_pylist() == [["x", "y"], ["y"]]
    series = series_of(found)
    assert {key: len(frame) for key, frame in series.items()} == {
        ("a", "x"): 3,
        ("a", "y"): 2,
        ("d", "y"): 5,
    }
    assert series["a", "y"]["value"].tolist() == [100.0, 101.0]
    assert series["d", "y"]["day"].dt.day.tolist() == [1, 2, 3, 4, 5]
    needs = found.append_column("needs", pa.array([["y"], ["y", "w"]]))
    series = series_of(only_needed(needs))
    assert list(series) == [("a", "y"), ("d", "y")]
    assert series["a", "y"]["value"].tolist() == [100.0, 101.0]


def test_days_that_were_read_do_not_stay_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_days, "_ROWS_AT_A_TIME", 2_000)
    path, rng, n = tmp_path / "daily_outcomes.parquet", np.random.default_rng(0), 200_000
    columns = {
        name: pa.array(rng.standard_normal(n) if pa.types.is_floating(kind) else np.arange(n))
        for name, kind in DAY_COLUMNS.items()
    }
    columns["day"] = pa.array(np.arange(n) % 1_000, pa.int32()).cast(pa.date32())
    users = pa.array([f"person-{number // 1_000:05d}" for number in range(n)])
    table = pa.table({"user_id": users, "outcome": pa.array(["x"] * n), **columns})
    pq.write_table(table, path, row_group_size=2_000)
    del table, columns, users
    before, held = pa.total_allocated_bytes(), []
    for _ in people_days(path, {"x"}, lambda users: [0] * len(users)):
        held.append(pa.total_allocated_bytes() - before)
    assert len(held) > 50
    assert max(held) < path.stat().st_size / 4


def test_rows_that_do_not_fit_are_found_again(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_spill, "RUN_BYTES", 2_000)
    spill, rng = Spill(tmp_path, "rows"), np.random.default_rng(0)
    shards = rng.integers(0, 7, 1000)
    for start in range(0, 1000, 50):
        numbers = range(start, start + 50)
        lists = [[float(number)] * (number % 3) for number in numbers]
        own = shards[start : start + 50]
        spill.add(pa.table({"n": numbers, "shard": pa.array(own, pa.int32()), "l": lists}))
    assert len(list(tmp_path.iterdir())) > 3
    for shard in range(7):
        found = spill.of(shard)
        assert found is not None
        assert sorted(found["n"].to_pylist()) == np.flatnonzero(shards == shard).tolist()
        assert all(set(row["l"]) <= {row["n"]} for row in found.to_pylist())
    assert spill.of(7) is None


def people(**changes: object) -> pa.Table:
    row = {
        "user_id": "a",
        "interventions": "[]",
        "rejected": None,
        "outcomes": ["x"],
        "n_days": [2],
        "day": [date(2026, 1, 1), date(2026, 1, 2)],
        "value": [1.0, 2.0],
        "n_events": [1, 1],
        **{f"share_{part}": [0.25] * 2 for part in ("morning", "afternoon", "evening", "night")},
    }
    schema = {"rejected": pa.string(), "n_events": pa.list_(pa.int32())}
    table = pa.Table.from_pylist([{**row, **changes}])
    for name, kind in schema.items():
        table = table.set_column(table.column_names.index(name), name, table[name].cast(kind))
    return table


@pytest.mark.parametrize(
    "changes",
    [
        {"interventions": "[1]"},
        {"rejected": "{}"},
        {"outcomes": ["y"]},
        {"value": [1.0, 2.0 + 1e-12]},
        {"day": [date(2026, 1, 1), date(2026, 1, 3)]},
        {"n_events": [1, 2]},
        {"share_night": [0.25, 0.26]},
    ],
)
def test_a_digest_changes_with_whatever_an_answer_can_depend_on(changes):
    [before], [after] = digests(people(), "s"), digests(people(**changes), "s")
    assert before != after
    assert digests(people(), "s") == [before]
    assert digests(people(), "t") != [before]


def test_the_clock_is_no_part_of_what_all_share():
    later = SharedInput(**{**vars(SHARED), "decided_at": "2027-01-01T00:00:00+00:00"})
    seeded = SharedInput(**{**vars(SHARED), "seed": 1})
    assert later.digest() == SHARED.digest() != seeded.digest()
    assert SharedInput.of_json(SHARED.to_json()) == SHARED
    assert SHARED.last_complete_day("Pacific/Auckland") == date(2026, 6, 19)
    assert SHARED.last_complete_day("America/Los_Angeles") == date(2026, 6, 18)


def test_rejected_events_cross_with_the_input():
    """A day that could not be read is no day, and one of somebody else's is nobody's here."""
    metric = OutcomeMetric(name="mood", json_path="$.mood")
    shared = SharedInput(**{**vars(SHARED), "metrics": {"mood": metric.model_dump(mode="json")}})
    told = json.dumps({"mood": [[None, "late", 2], ["2026-01-03", "range", 4]]})
    table = people(rejected=told).append_column("digest", pa.array(["d"]))
    preparer = ChunkPreparer(table.append_column("known", pa.nulls(1, pa.string())), shared)
    of = preparer.rejections.of
    assert of("a", preparer.metrics["mood"], date(2026, 1, 1), date(2026, 1, 2)) == {"late": 2}
    assert of("a", preparer.metrics["mood"], None, None) == {"late": 2, "range": 4}
    assert of("b", preparer.metrics["mood"], None, None) == {}


LOOK = Look(
    number=1,
    looked_on=date(2026, 5, 30),
    planned_until_on=date(2026, 7, 30),
    plan="daily",
    direction="increase",
    information=0.4,
    planned_information=1.0,
    z=1.0,
    boundary=math.inf,
    alpha_spent=0.001,
    effect_mean=2.0,
    effect_sd=1.0,
    said="",
    fingerprint="f",
)
QUESTION = Question("u", "a", "mood", date(2026, 5, 1))


def test_looks_made_ahead_are_taken_once(tmp_path):
    """The same by two who looked at the same days; another one's leaves a look untaken."""
    log = LookLog(f"sqlite:///{tmp_path / 'log.sqlite'}")
    other = replace(QUESTION, intervention_id="b")
    first = NextLook(QUESTION, LOOK, 0)
    assert log.take_all([first, NextLook(other, LOOK, 0)]) == set()
    assert log.take_all([first]) == set()
    assert log.looks(QUESTION) == [LOOK]
    differs = replace(LOOK, z=1.5)
    second = replace(LOOK, number=2, looked_on=date(2026, 5, 31))
    wanted = [NextLook(QUESTION, differs, 0), NextLook(other, second, 1)]
    assert log.take_all(wanted) == {QUESTION}
    assert log.looks(other) == [LOOK, second]
    # Under another start: the same intervention, whose error was spent meanwhile.
    moved = replace(QUESTION, started_on=date(2026, 5, 2))
    assert log.take_all([NextLook(moved, LOOK, 0)]) == {moved}
    assert log.take_all([NextLook(QUESTION, second, 1)], {"u"}) == {QUESTION}
    assert log.looks(QUESTION) == [LOOK]
    taken = log.of_people(["u", "v"])
    assert list(taken) == ["u"]
    assert TakenLooks.of_json("u", taken["u"].to_json()) == taken["u"]
    assert taken["u"].spent_elsewhere(moved) == LOOK.alpha_spent
    log.close()


def result(people: pa.Table) -> ChunkResult:
    return ChunkResult((), (), {"analysed": people.num_rows}, {}, (), (), people.num_rows)


def test_a_lost_chunk_is_computed_one_by_one(monkeypatch, tmp_path):
    """Of three people the second ends every process that works on them."""
    handed_out = []

    def engine(chunks):
        for chunk in chunks:
            users = chunk.people["user_id"].to_pylist()
            handed_out.append(users)
            yield chunk, Lost("gone") if "b" in users else result(chunk.people)

    monkeypatch.setattr(shard_engines, "_engine", lambda *_: engine)
    monkeypatch.setattr(shard_engines, "given_up", lambda people, *_: result(people.slice(0, 0)))
    several = pa.table({"user_id": ["a", "b", "c"]})
    chunks = [
        Chunk(7, several, ChunkSettings("{}")),
        Chunk(8, pa.table({"user_id": ["d"]}), ChunkSettings("{}")),
    ]
    settings = Settings(store_root=tmp_path)
    found = [
        (number, done.people) for number, done in shard_engines.run_chunks(settings, chunks, 4)
    ]
    assert handed_out == [["a", "b", "c"], ["a"], ["b"], ["c"], ["d"]]
    assert found == [(7, 1), (7, 0), (7, 1), (8, 1)]


def test_a_machine_without_ray_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    settings = Settings(store_root=tmp_path, engine="ray")
    with pytest.raises(ModuleNotFoundError, match=r"its-pipeline\[ray\].*ITS_ENGINE=local"):
        list(shard_engines.run_chunks(settings, [], 0))


def test_shards_of_different_numbers_share_people_or_do_not():
    assert Shard(8, 5).overlaps(Shard(4, 1))
    assert Shard(4, 1).overlaps(Shard(8, 5))
    assert not Shard(8, 5).overlaps(Shard(4, 2))
    assert not Shard(8, 5).overlaps(Shard(8, 1))
    assert Shard.of_slug(f"{Shard(8, 5).slug}-some.parquet") == Shard(8, 5)
    user = "u"
    assert Shard.of_person(user, 8).overlaps(Shard.of_person(user, 4))


def row(user: str, verdict: str) -> ResultRow:
    return ResultRow(f"{user}|a", user, "", "2026-01-01T00:00:00+00:00", json.dumps(verdict))


def test_sets_of_one_shard_are_merged_and_only_looked_at_for_its_people(tmp_path):
    sets = ResultSets(tmp_path)
    users = [f"u{number:03d}" for number in range(40)]
    halves = [Shard(2, number) for number in range(2)]
    for turn in ("old", "new"):
        for shard in halves:
            sets.add([row(user, turn) for user in users if shard.has(user)], shard)
    sets.add([row(users[0], "by itself")])
    assert len(sets.paths()) == 5
    assert len(sets.paths_of(users[0])) == 3
    assert sets.merge(shard=halves[0]) == 1
    assert sets.merge() == 1
    assert len(sets.paths()) == 3
    told = {each.key: json.loads(each.verdict) for user in users for each in sets.rows(f"{user}|a")}
    assert told == {**{f"{user}|a": "new" for user in users}, "u000|a": "by itself"}
    table = sets.small_table(Shard.of_person("u000", 4), ["verdict"])
    assert set(table["key"].to_pylist()) == {
        f"{user}|a" for user in users if Shard.of_person("u000", 4).has(user)
    }


def test_two_shards_are_written_at_once_and_everybodys_sets_alone(tmp_path):
    sets = ResultSets(tmp_path)
    mine, other = Shard.of_person("u", 2), Shard(2, 1 - Shard.of_person("u", 2).number)
    with ThreadPoolExecutor(2) as pool:
        with sets._writing(other):
            pool.submit(sets.add, [row("u", "of the shard")], mine).result(timeout=20)
            waiting = pool.submit(sets.add, [row("u", "of everybody")])
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
        assert waiting.result(timeout=20) == sets.folder / "set-000000002.parquet"
    assert json.loads(sets.rows("u|a")[0].verdict) == "of everybody"


def test_nothing_older_goes_past_a_set_that_shares_people(tmp_path):
    """Of three versions the one in between lies in a set of everybody's."""
    sets, half = ResultSets(tmp_path), Shard.of_person("u", 2)
    for verdict, shard in (("1", half), ("2", None), ("3", half)):
        sets.add([row("u", verdict)], shard)
    assert sets.merge() == 0
    sets.rewrite(lambda each: None if json.loads(each.verdict) == "3" else each)
    assert json.loads(sets.rows("u|a")[0].verdict) == "2"


def test_a_set_of_an_earlier_version_lacks_columns_and_is_read(tmp_path):
    path = tmp_path / "old.parquet"
    told = [row(f"u{number:03d}", "v") for number in range(GROUP_ROWS + 1)]
    columns = ("key", "user_id", "fingerprint", "decided_at", "verdict", "announced")
    plain = [
        {**{name: getattr(each, name) for name in columns}, "mlflow_run_id": None} for each in told
    ]
    write_file(path, [])
    table = pa.Table.from_pylist(plain)
    for name in ("announced", "mlflow_run_id"):
        table = table.set_column(table.column_names.index(name), name, table[name].cast("string"))
    table = table.append_column("analysis", pa.nulls(len(plain), pa.binary()))
    pq.write_table(table, path, row_group_size=GROUP_ROWS, write_page_checksum=True)
    assert ResultFile(path).all_rows() == told
    os.truncate(path, path.stat().st_size - 9)
    with pytest.raises((ValueError, OSError)):
        ResultFile(path)
