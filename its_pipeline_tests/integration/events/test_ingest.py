"""From a source to daily outcomes: the demo's people, real ratings, kills, drift, drop folder."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from its_pipeline.events.daily import read_series
from its_pipeline.events.importing import import_file
from its_pipeline.events.inbox import inbox_dir, take_inbox
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.events.metrics import SESSION_PERFORMANCE, registered_metrics, write_metrics_file
from its_pipeline.events.people import (
    DEMO_DAYS,
    DEMO_START_ON,
    WAITING_POST_DAYS,
    Defects,
    Person,
    Planted,
    demo_metrics,
    demo_people,
)
from its_pipeline.events.simulation import read_simulation
from its_pipeline.events.simulator import simulate
from its_pipeline.events.sources.base import SourceError
from its_pipeline.events.sources.opening import simulation_dir
from its_pipeline.files.atomic import UNFINISHED_PREFIX
from its_pipeline.ingest import daily
from its_pipeline.ingest import steps as ingest
from its_pipeline.ingest.drift import drift_of_days
from its_pipeline.schedules.schedule import Schedule
from its_pipeline.settings import Settings
from its_pipeline.stores.lake import BEHAVIORAL_EVENTS, REJECTED_EVENTS, VALID_EVENTS
from its_pipeline_tests.support import shared_data_dir

DAYS = 16
"""Days of the demo's people that are run through; enough for what is tested."""


def run(settings: Settings, days: list[date] | None = None) -> list[ingest.ValidationResult]:
    """Export what changed, validate it and aggregate."""
    changed = ingest.changed_days(settings) if days is None else days
    for day in changed:
        ingest.export_day(settings, day)
    results = [ingest.validate_day_partition(settings, day) for day in changed]
    daily.build_daily(settings)
    return results


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(store_root=tmp_path_factory.mktemp("demo"), source="simulator")
    write_metrics_file(settings.store_root / "metrics.yaml", demo_metrics())
    simulate(demo_people(), simulation_dir(settings), seed=0, start_on=DEMO_START_ON, days=DAYS)
    run(settings)
    return settings


def test_the_demo_covers_what_happens_in_life(tmp_path: Path) -> None:
    simulate(demo_people(), tmp_path / "all", seed=0, start_on=DEMO_START_ON, days=DEMO_DAYS)
    found = read_simulation(tmp_path / "all").truth
    assert len({(t.user_id, t.intervention_id) for t in found}) == len(found) == 19
    truth = {t.user_id: t for t in found}
    assert len(truth) == 18
    assert sorted(t.expected for t in found).count("analysed") == 17
    assert (truth["nia"].n_pre, truth["nia"].n_post) == (45, 45)
    # Half of 56 days by lot, and the days ahead of the first one.
    assert (truth["omar"].n_pre, truth["omar"].n_post) == (34 + 28, 28)
    assert [t.counterfactual_effect for t in found if t.user_id == "pia"] == [7.0, 0.0]
    assert truth["kim"].n_post == WAITING_POST_DAYS
    assert truth["lee"].expected == "refused"
    assert truth["fay"].direction == "decrease"
    assert truth["ben"].counterfactual_effect == pytest.approx(2.0 * 39 / 2 / 7)
    assert all(t.clipped == 0 for t in truth.values())
    assert 58 <= truth["gus"].n_pre + truth["gus"].n_post <= 62


def test_every_defect_is_in_quarantine_and_the_rest_unharmed(demo: Settings) -> None:
    mia = next(p for p in demo_people() if p.user_id == "mia")
    days = ingest.open_lake(demo).days(VALID_EVENTS)
    summaries = [ingest.read_validation(demo, day).summary for day in days]
    assert all(s.adds_up for s in summaries)
    assert sum(s.rejected for s in summaries) == mia.defects.malformed
    assert sum(s.duplicates for s in summaries) == mia.defects.duplicates
    assert sum(s.late for s in summaries) == mia.defects.late
    assert len({rule.rule for s in summaries for rule in s.broken_rules}) == 10
    lake = ingest.open_lake(demo)
    rejected = [row for day in days for row in lake.read(REJECTED_EVENTS, day).to_pylist()]
    assert {row["value"] for row in rejected} >= {"n/a", "250", "Mars/Olympus", "EXTREME", "NaN"}
    folder = demo.store_root.parent / "clean_mia"
    clean = dataclasses.replace(mia, defects=Defects())
    simulate([clean], folder / "simulated", seed=0, start_on=DEMO_START_ON, days=DAYS)
    alone = Settings(store_root=folder, source="simulator")
    run(alone)
    expected = read_series(alone.daily_outcomes_path, "mia", SESSION_PERFORMANCE)
    found = read_series(demo.daily_outcomes_path, "mia", SESSION_PERFORMANCE)
    pd.testing.assert_frame_equal(found, expected)


def test_a_constant_person_is_constant_and_everyone_has_local_days(demo: Settings) -> None:
    lee = read_series(demo.daily_outcomes_path, "lee", SESSION_PERFORMANCE)
    assert lee["value"].nunique() == 1
    for user in ("ivo", "jo", "ada"):
        series = read_series(demo.daily_outcomes_path, user, SESSION_PERFORMANCE)
        assert series["day"].min().date() == DEMO_START_ON
        assert series["day"].max().date() == DEMO_START_ON + timedelta(days=DAYS - 1)
        assert len(series) == DAYS


def test_the_planted_truth_is_in_the_series_on_average(tmp_path: Path) -> None:
    people = [
        Person(f"p{n}", immediate=6.0, slope_per_week=1.0, rho=0.3, other_events=0)
        for n in range(120)
    ]
    settings = Settings(store_root=tmp_path, source="simulator")
    simulation = simulate(
        people, simulation_dir(settings), seed=5, start_on=DEMO_START_ON, days=DEMO_DAYS
    )
    found = pq.read_table(sorted(simulation.folder.glob("block-*.parquet"))[0]).to_pandas()
    found["post"] = found["occurred_at"] >= pd.Timestamp(simulation.truth[0].started_on, tz="UTC")
    means = found.groupby(["user_id", "post"])["session_performance_score"].mean().unstack()
    differences = means[True] - means[False] - simulation.truth[0].counterfactual_effect
    assert abs(differences.mean()) < 3.5 * differences.std() / np.sqrt(len(people))
    assert differences.std() < 2.0


def test_effects_are_planted_by_each_schedule_on_its_days(tmp_path: Path) -> None:
    def days(*numbers: int) -> list[date]:
        return [DEMO_START_ON + timedelta(days=number) for number in numbers]

    first = Schedule.periods([days(10, 29), days(50, 69)])
    second = Schedule.periods([days(20, 59)])
    walk = Planted("walk", -4.0, schedule=second)
    people = [
        Person(f"p{n}", immediate=6.0, schedule=first, rho=0.0, other_events=0, also=(walk,))
        for n in range(120)
    ]
    simulation = simulate(people, tmp_path / "s", seed=5, start_on=DEMO_START_ON, days=80)
    assert [(t.intervention_id, t.counterfactual_effect, t.n_pre, t.n_post)
            for t in simulation.truth[:2]] == [
        ("new_habit", 6.0, 40, 40), ("walk", -4.0, 40, 40)
    ]  # fmt: skip
    found = pq.read_table(simulation.folder / "block-0000.parquet").to_pandas()
    day = (found["occurred_at"].dt.date).to_numpy()
    on = [np.array([schedule.is_on(one) for one in day]) for schedule in (first, second)]
    means = found.groupby(on)["session_performance_score"].mean()
    for both, planted in {(True, False): 6.0, (False, True): -4.0, (True, True): 2.0}.items():
        assert means[both] - means[False, False] == pytest.approx(planted, abs=0.5)


def test_an_effect_that_grows_starts_with_the_first_day_on(tmp_path: Path) -> None:
    on = Schedule.periods([(DEMO_START_ON + timedelta(days=7), DEMO_START_ON + timedelta(days=20))])
    person = Person("ada", slope_per_week=7.0, schedule=on)
    [truth] = simulate([person], tmp_path, seed=1, start_on=DEMO_START_ON, days=30).truth
    assert truth.counterfactual_effect == pytest.approx(np.arange(14).mean())


def test_a_person_has_each_intervention_once() -> None:
    with pytest.raises(ValueError, match="must differ in intervention_id but 'ada' has walk, walk"):
        Person("ada", intervention_id="walk", also=(Planted("walk"),))


def test_one_persons_events_do_not_depend_on_the_others_and_seeds_differ(tmp_path: Path) -> None:
    people = [Person("ada"), Person("bob")]

    def events(name: str, who: list[Person], seed: int) -> list[dict[str, object]]:
        simulation = simulate(who, tmp_path / name, seed=seed, start_on=DEMO_START_ON, days=5)
        table = pq.read_table(simulation.folder / "block-0000.parquet")
        return [row for row in table.to_pylist() if row["user_id"] == "ada"]

    assert events("a", people, 1) == events("b", people[:1], 1)
    assert events("c", people, 2) != events("a", people, 1)
    with pytest.raises(ValueError, match="share a user_id"):
        simulate([Person("ada"), Person("ada")], tmp_path / "d", seed=1,
                 start_on=DEMO_START_ON, days=5)  # fmt: skip


def test_running_a_day_again_gives_the_same_files(demo: Settings) -> None:
    day = DEMO_START_ON + timedelta(days=7)
    lake = ingest.open_lake(demo)
    tables = (BEHAVIORAL_EVENTS, VALID_EVENTS, REJECTED_EVENTS)
    before = {table: lake.path(table, day).read_bytes() for table in tables}
    outcomes = demo.daily_outcomes_path.read_bytes()
    assert not ingest.export_day(demo, day).changed
    ingest.validate_day_partition(demo, day)
    daily.build_daily(demo)
    assert {table: lake.path(table, day).read_bytes() for table in tables} == before
    assert demo.daily_outcomes_path.read_bytes() == outcomes
    assert ingest.unvalidated_days(demo) == []


def test_the_warehouse_is_replaced_under_an_open_reader(demo: Settings) -> None:
    reader = duckdb.connect(str(demo.warehouse_path), read_only=True)
    count = "SELECT count(*) FROM daily_outcomes"
    try:
        (before,) = reader.execute(count).fetchone() or (0,)
        warehouse = daily.refresh_warehouse(demo)
        assert reader.execute(count).fetchone() == (before,)
        assert warehouse.rows["daily_outcomes"] == before > 0
    finally:
        reader.close()


def test_a_day_replaced_during_the_aggregation_stays_out_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(store_root=tmp_path, source="simulator")
    people = [Person("ada", "Asia/Tokyo")]
    simulate(people, simulation_dir(settings), seed=0, start_on=DEMO_START_ON, days=3)
    run(settings)
    before = settings.daily_outcomes_path.read_bytes()
    lake = ingest.open_lake(settings)
    build = daily.build_daily_outcomes

    def replaced_meanwhile(files: list[Path], *arguments: Any, **options: Any) -> object:
        for day in lake.days(VALID_EVENTS):
            rows = lake.read(VALID_EVENTS, day)
            lake.write(VALID_EVENTS, day, rows.schema, [rows.slice(0, 1)])
        return build(files, *arguments, **options)

    monkeypatch.setattr(daily, "build_daily_outcomes", replaced_meanwhile)
    daily.build_daily(settings)
    assert settings.daily_outcomes_path.read_bytes() == before
    assert list(tmp_path.rglob(f"{UNFINISHED_PREFIX}*")) == []


def test_a_new_metric_makes_days_due_for_validation(tmp_path: Path) -> None:
    settings = Settings(store_root=tmp_path, source="simulator")
    simulate([Person("ada")], simulation_dir(settings), seed=0, start_on=DEMO_START_ON, days=3)
    results = run(settings)
    assert ingest.unvalidated_days(settings) == []
    write_metrics_file(tmp_path / "metrics.yaml", demo_metrics())
    assert ingest.unvalidated_days(settings) == [result.day for result in results]


def test_steps_out_of_order_say_what_to_run(tmp_path: Path) -> None:
    settings = Settings(store_root=tmp_path)
    with pytest.raises(FileNotFoundError, match="materialise behavioral_events first"):
        ingest.validate_day_partition(settings, DEMO_START_ON)
    with pytest.raises(SourceError, match="no simulation at"):
        ingest.export_day(settings.model_copy(update={"source": "simulator"}), DEMO_START_ON)
    assert ingest.changed_days(settings) == []
    assert ingest.export_day(settings, DEMO_START_ON).rows == 0
    assert ingest.validate_day_partition(settings, DEMO_START_ON).reject_rate == 0.0


def _export_for_ever(settings: Settings, day: date) -> None:
    while True:
        ingest.export_day(settings, day)
        ingest.validate_day_partition(settings, day)


def test_kill_in_mid_write_leaves_whole_files_and_the_next_run_clean_folders(
    tmp_path: Path,
) -> None:
    settings = Settings(store_root=tmp_path, source="simulator")
    people = [Person(f"p{n}") for n in range(40)]
    simulate(people, simulation_dir(settings), seed=0, start_on=DEMO_START_ON, days=2)
    ingest.export_day(settings, DEMO_START_ON)
    expected = ingest.validate_day_partition(settings, DEMO_START_ON)
    contents = expected.valid_path.read_bytes()
    context = multiprocessing.get_context("fork")
    rng = np.random.default_rng(3)
    for _ in range(5):
        child = context.Process(target=_export_for_ever, args=(settings, DEMO_START_ON))
        child.start()
        time.sleep(0.2 + rng.random() * 0.4)
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        assert expected.valid_path.read_bytes() == contents
        assert ingest.open_lake(settings).rows(BEHAVIORAL_EVENTS, DEMO_START_ON) > 0
    ingest.export_day(settings, DEMO_START_ON)
    ingest.validate_day_partition(settings, DEMO_START_ON)
    assert list(tmp_path.rglob(f"{UNFINISHED_PREFIX}*")) == []


def test_drift_warns_of_a_jump_and_stays_quiet_otherwise(tmp_path: Path) -> None:
    settings = Settings(store_root=tmp_path, source="simulator")
    quiet = [Person(f"p{n}", weekend=-3.0, sd=2.0) for n in range(8)]
    simulate(quiet, simulation_dir(settings), seed=1, start_on=DEMO_START_ON, days=16)
    run(settings)
    last = DEMO_START_ON + timedelta(days=14)
    assert drift_of_days(settings, [DEMO_START_ON + timedelta(days=2)])[0].jumped is None
    report = drift_of_days(settings, [last])[0]
    assert report.jumped is False
    assert report.reference_days == 14
    loud = [
        dataclasses.replace(p, immediate=25.0, sessions_per_day=20, started_after_days=14)
        for p in quiet
    ]
    other = Settings(store_root=tmp_path / "other", source="simulator")
    lake = ingest.open_lake(settings)
    simulate(loud, simulation_dir(other), seed=1, start_on=DEMO_START_ON, days=16)
    run(other, [last])
    target = lake.path(VALID_EVENTS, last)
    target.write_bytes(ingest.open_lake(other).path(VALID_EVENTS, last).read_bytes())
    report = drift_of_days(settings, [last])[0]
    jumped = {s.name for s in report.statistics if s.jumped}
    assert jumped >= {"events", "score distribution"}


def test_real_ratings_go_through_with_counts_that_add_up(tmp_path: Path) -> None:
    file = shared_data_dir() / "kossakowski_depression_nof1_obs.csv"
    ratings = pd.read_csv(file)
    first_weeks = tmp_path / "ratings.csv"
    ratings[ratings["date"] < "2012-09-01"].to_csv(first_weeks, index=False)
    settings = Settings(store_root=tmp_path / "store")
    mapping = ImportMapping(
        time="date",
        user_constant="patient1",
        time_zone="Europe/Amsterdam",
        outcomes={"mood_down": "mood_down", "mood_relaxed": "mood_relaxed"},
    )
    whole = import_file(Settings(store_root=tmp_path / "whole"), file, mapping)
    assert (whole.rows, whole.days) == (len(ratings), ratings["date"].nunique())
    imported = import_file(settings, first_weeks, mapping)
    results = run(settings)
    assert sum(r.summary.read for r in results) == imported.rows
    assert sum(r.summary.valid for r in results) == imported.rows
    assert all(r.summary.adds_up for r in results)
    wanted = ratings[ratings["date"] < "2012-09-01"].groupby("date")["mood_down"]
    series = read_series(settings.daily_outcomes_path, "patient1", "mood_down")
    assert [str(day.date()) for day in series["day"]] == list(wanted.mean().index)
    assert series["value"].to_numpy() == pytest.approx(wanted.mean().to_numpy())
    assert series["n_events"].tolist() == wanted.count().tolist()
    assert "mood_down" in registered_metrics(settings)


def test_day_numbers_count_from_the_start_date(tmp_path: Path) -> None:
    file = tmp_path / "phases.csv"
    file.write_text("case,mt,score\n1a1,1,4\n1a1,2,NA\n1a1,3,6\n1a1,x,6\n")
    settings = Settings(store_root=tmp_path / "store")
    mapping = ImportMapping(
        time="mt", time_kind="day_number", start_on=date(2018, 1, 1), user="case",
        time_zone="Pacific/Auckland", outcomes={"score": "score"},
    )  # fmt: skip
    import_file(settings, file, mapping)
    results = run(settings)
    assert sum(r.summary.rejected for r in results) == 1
    series = read_series(settings.daily_outcomes_path, "1a1", "score")
    assert [day.date() for day in series["day"]] == [date(2018, 1, 2), date(2018, 1, 4)]


def test_the_drop_folder_takes_each_file_once_and_one_bad_file_stops_nobody(
    tmp_path: Path,
) -> None:
    settings = Settings(store_root=tmp_path)
    inbox = inbox_dir(settings)
    inbox.mkdir()
    old = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    files = {
        "good.csv": "who,when,mood\nada,2026-03-10,5\n",
        "good.csv.mapping.yaml": "{time: when, user: who, outcomes: {mood: mood}}",
        "bad.csv": "who,when\nada,2026-03-10\n",
        "bad.csv.mapping.yaml": "{time: when, user: who, outcomes: {calm: calm}}",
        "wrong.csv": "a\n1\n",
        "wrong.csv.mapping.yaml": "{time: when, colour: red}",
        "lost.csv": "a\n1\n",
        "loading.csv.part": "who",
        ".hidden.csv": "who",
    }
    for name, content in files.items():
        (inbox / name).write_text(content)
        os.utime(inbox / name, (old, old))
    taken = {found.name: found for found in take_inbox(settings, sleep=lambda _: None)}
    assert {name: found.outcome for name, found in taken.items()} == {
        "good.csv": "taken", "bad.csv": "refused", "wrong.csv": "refused", "lost.csv": "refused",
    }  # fmt: skip
    assert "column 'calm' is missing" in taken["bad.csv"].reason
    assert "colour" in taken["wrong.csv"].reason
    assert "no mapping; put lost.csv.mapping.yaml" in taken["lost.csv"].reason
    again = {found.name: found for found in take_inbox(settings, sleep=lambda _: None)}
    assert again["good.csv"].outcome == "unchanged"
    (inbox / "good.csv").write_text("who,when,mood\nada,2026-03-10,7\n")
    os.utime(inbox / "good.csv", (old + 9, old + 9))
    third = {found.name: found for found in take_inbox(settings, sleep=lambda _: None)}
    result = third["good.csv"].result
    assert third["good.csv"].outcome == "taken"
    assert result is not None
    assert result.version == 2
