"""Somebody takes their data along and is forgotten, in a store that a night has gone over."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import zipfile
from fnmatch import fnmatch
from types import SimpleNamespace

import dagster as dg
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from its_pipeline.cli.main import app
from its_pipeline.defs.build import build_defs
from its_pipeline.defs.home import open_instance
from its_pipeline.events.forgotten import Forgotten, ForgottenPersonError
from its_pipeline.events.importing import import_file
from its_pipeline.events.inbox import inbox_dir, take_inbox
from its_pipeline.events.interventions import open_log
from its_pipeline.experiments.kind_pages import kind_page_path
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import page_path
from its_pipeline.files.atomic import write_json
from its_pipeline.ingest.steps import changed_days, export_day, open_lake
from its_pipeline.leaving.dagster_records import runs_at_work
from its_pipeline.leaving.forget import finish_forgetting
from its_pipeline.stores.pooled_results import PooledResult
from its_pipeline.stores.pooled_store import PooledStore
from its_pipeline_tests.integration.leaving.departing import (
    Source,
    events_of,
    night,
    others,
    set_running,
    traces,
)
from its_pipeline_tests.support import PROJECT_ROOT
from tools import departures
from tools.departures import NUMBERS, OTHERS, TEXTS, WHO
from tools.leftovers import leftovers


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """The store after a night, a download, and the command that forgets them."""
    settings = departures.build(tmp_path_factory.mktemp("leaving") / "store")
    own = {
        "today_on": settings.utc_today().isoformat(),
        "draws": 500,
        "tune": 500,
        "pooled_min_people": 2,
    }
    write_json(settings.installation_file, {**own, "dagster_url": None, "mlflow_url": None})
    first = night(settings)
    with open_instance(settings) as instance:
        job = build_defs(settings).resolve_job_def("analyse_experiment")
        for user in (WHO, OTHERS[0]):
            run = job.execute_in_process(partition_key=f"{user}|morning", instance=instance)
            assert run.success
    before = others(settings)
    before_events = {user: events_of(settings, user) for user in (WHO, *OTHERS)}
    found_before = leftovers(settings.store_root, TEXTS, NUMBERS)
    zipped = settings.store_root.parent / "mine.zip"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ITS_STORE_ROOT", str(settings.store_root))
        exported = CliRunner().invoke(app, ["export", WHO, "--to", str(zipped)])
        asked = CliRunner().invoke(app, ["forget", WHO], input="somebody-else\n")
        kept = leftovers(settings.store_root, TEXTS, NUMBERS)
        forgotten = CliRunner().invoke(app, ["forget", WHO], input=f"{WHO}\n")
    return SimpleNamespace(**locals())


def test_the_download_has_everything_and_says_what_it_is(left):
    assert left.exported.exit_code == 0, left.exported.output
    with zipfile.ZipFile(left.zipped) as packed:
        names = set(packed.namelist())

        def table(name):
            return list(csv.DictReader(io.StringIO(packed.read(name).decode())))

        readme = packed.read("README.txt").decode()
        daily, events, rejected = map(
            table, ("daily_outcomes.csv", "events.csv", "rejected_events.csv")
        )
        assert {row["outcome"] for row in daily} == {"sessionPerformanceScore", "sleep_hours"}
        assert str(departures.SCORE) in {row["value"] for row in daily}
        assert len(events) == 2 * departures.DAYS
        assert [row["value"] for row in rejected] == [str(departures.REJECTED)]
        assert {row["user_id"] for row in daily + events + rejected} == {WHO}
        versions = json.loads(packed.read("interventions.json"))
        assert [(v["intervention_id"], v["reason"]) for v in versions] == [
            ("morning", "logged"),
            ("tea", "logged"),
        ]
        assert table("interventions.csv")[0]["name"] == TEXTS[1]
        assert {plan["key"] for plan in json.loads(packed.read("plans.json"))} == {
            f"{WHO}|morning",
            f"{WHO}|tea",
        }
        assert table("looks.csv")[0]["intervention_id"] in ("morning", "tea")
        results = json.loads(packed.read("results.json"))
        for result in results:
            if result["verdict"]["status"] != "analysed":
                assert result["posterior"] is None
                continue
            assert result["is_newest"]
            assert result["verdict"]["effects"]["counterfactual"]["mean"]
            assert packed.read(result["posterior"])[:4] in (b"\x89HDF", b"CDF\x01", b"CDF\x02")
        assert sum(result["posterior"] is not None for result in results) >= 1
        [kind] = json.loads(packed.read("kinds.json"))
        assert (kind["kind"], kind["n_with_estimate"]) == ("morning", 3)
        assert [row["user_id"] for row in kind["members"]] == [WHO]
        assert table("traits.csv") == [{"trait": "age", "value": str(departures.SCORE)}]
        page = packed.read("reports/morning.html").decode()
        assert "data:image/png;base64," in page
        assert 'src="counterfactual' not in page
        assert "Way back" not in page
    for name in names - {"README.txt"}:
        assert name.split("/")[0] in readme
    assert not any(user in readme for user in OTHERS)


def test_forgetting_asks_for_the_id_again(left):
    assert left.asked.exit_code == 2
    assert "another id" in left.asked.output
    assert left.kept == left.found_before


def test_nothing_of_theirs_is_found_in_any_byte(left):
    # A database's journal is found in its place.
    paths = {each.split(":")[0].split("/")[0] for each in left.found_before}
    places = {path.removesuffix("-wal") for path in paths}
    assert places >= {
        "lake", "imports", "inbox", "interventions.sqlite", "interventions.copy.sqlite",
        "daily_outcomes.parquet", "evidence.parquet", "compliance.parquet", "warehouse.duckdb",
        "experiments", "results", "reports", "mlflow.db", "mlartifacts", "dagster", "placebo_audit",
        "peer_audit.json", "pooled", "set-aside", "page_cache", "person_traits.parquet",
    }  # fmt: skip
    assert left.forgotten.exit_code == 0, left.forgotten.output
    assert traces(left.settings) == []
    assert WHO in Forgotten(left.settings.store_root)


def test_every_file_of_a_store_is_explained(left):
    page = (PROJECT_ROOT / "data" / "README.md").read_text()
    named = {
        part for text in re.findall(r"`([^`]+)`", page) for part in text.strip("/").split("/")
    } | set(re.findall(r"`([^`]+)`", page))
    of_ours = [
        path.relative_to(left.settings.store_root)
        for path in left.settings.store_root.rglob("*")
        if path.is_file()
    ]
    unknown = set()
    for path in of_ours:
        if not any(fnmatch(path.parts[0], part) for part in named):
            unknown.add(path.parts[0])
        # What is inside of databases and the lake is theirs; names in `recorded` are hashes.
        if path.parts[0] in ("experiments", "reports", "imports", "placebo_audit", "api"):
            is_known = path.name in named or path.suffix in named or path.parts[-2] == "recorded"
            if not (is_known or path.suffix == ".lock"):
                unknown.add(path.name)
    assert {name for name in unknown if not name.endswith((".lock", "-wal", "-shm"))} == set()


def test_the_audit_log_keeps_who_deleted_whom(left):
    lines = (left.settings.store_root / "api" / "audit.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert [(e["command"], e["user_id"]) for e in entries] == [("its-pipeline forget", WHO)]
    assert entries[0]["by"]


def test_those_who_stay_have_what_they_had(left):
    after = others(left.settings)
    assert after.own == left.before.own
    assert after.verdicts == left.before.verdicts
    assert after.runs == left.before.runs
    pd.testing.assert_frame_equal(after.daily, left.before.daily)
    # Of nobody who waits there are no counts that are not there.
    pd.testing.assert_frame_equal(after.evidence, left.before.evidence, check_dtype=False)
    for user in OTHERS:
        assert events_of(left.settings, user) == left.before_events[user]
    assert events_of(left.settings, WHO) == {"its_plan": [], "its_fit": [], "its_report": []}
    assert left.before_events[WHO]["its_report"] != []
    index = (left.settings.reports_dir / "index.html").read_text()
    assert all(user in index for user in OTHERS)


def test_dagster_keeps_the_runs_over_many_and_drops_theirs(left):
    with open_instance(left.settings) as instance:
        runs = instance.get_runs()
        jobs = sorted(run.job_name for run in runs)
        assert jobs == [
            "analyse_experiment", "collect_evidence", "ingest_events", "refresh_experiments",
            "refresh_pooled_effects",
        ]  # fmt: skip
        assert all(run.is_success for run in runs)
        for run in runs:
            assert [e for e in instance.all_logs(run.run_id) if e.is_dagster_event]
        assert instance.get_latest_materialization_event(dg.AssetKey("its_report")) is not None
        partitions = instance.get_dynamic_partitions("experiment")
        assert sorted(partitions) == [f"{user}|morning" for user in OTHERS]


def test_what_was_set_aside_of_others_stays(left):
    place = left.settings.store_root / "set-aside"
    assert sorted(path.relative_to(place).parts[0] for path in place.rglob("*.json.*")) == [
        "experiments",
        "peer_audit.json.20260501T000000000000",
    ]


def test_the_audits_are_those_of_the_others(left):
    windows = pq.read_table(left.settings.placebo_audit_dir / "windows.parquet")
    assert set(windows["user_id"].to_pylist()) == set(OTHERS)
    audit = json.loads((left.settings.placebo_audit_dir / "audit.json").read_text())
    assert {row["people"] for row in audit["rows"]} == {2}
    answers = json.loads(left.settings.peer_audit_path.read_text())["answers"]
    assert [each["key"] for each in answers] == [f"{user}|morning" for user in OTHERS]


def test_the_pages_of_the_others_tell_of_a_kind_without_them(left):
    page = kind_page_path(left.settings, "morning", "sessionPerformanceScore").read_text()
    assert "of the 2 people has been" in page
    for user in OTHERS:
        assert user in page
        told = page_path(left.settings, f"{user}|morning").read_text()
        assert "what the days of 1 other person say" in told


def test_the_kind_they_were_in_is_that_of_the_others(left):
    record = PooledStore(left.settings).read("morning", "sessionPerformanceScore")
    assert isinstance(record, PooledResult)
    assert [each.user_id for each in record.members] == list(OTHERS)
    assert record.without_estimate == {}
    assert record.traits is not None
    assert record.traits.refused == (
        "fewer than 2 people differ from the others in age, and of so few nothing is told"
    )


def test_nothing_is_logged_or_shown_of_them(left, monkeypatch):
    monkeypatch.setenv("ITS_STORE_ROOT", str(left.settings.store_root))
    for command in (
        ["status", WHO],
        ["history", WHO],
        ["plan", WHO],
        ["export", WHO],
        ["posterior", f"{WHO}|morning", "--to", "x.nc"],
        ["intervention", "show", WHO, "morning"],
        ["intervention", "log", WHO, "again", "--from", "2026-05-01"],
    ):
        said = CliRunner().invoke(app, command)
        assert said.exit_code == 2, (command, said.output)
    assert WHO not in CliRunner().invoke(app, ["intervention", "list"]).output


def test_no_night_and_no_file_brings_them_back(left, tmp_path):
    settings = left.settings.model_copy(update={"store_root": tmp_path / "store"})
    shutil.copytree(left.settings.store_root, settings.store_root)
    departures.write_alone(tmp_path / "alone.csv")
    with pytest.raises(ForgottenPersonError, match=f"all {departures.DAYS} events"):
        import_file(settings, tmp_path / "alone.csv", departures.ALONE)
    assert traces(settings) == []
    departures.write_both(tmp_path / "both.csv")
    again = import_file(settings, tmp_path / "both.csv", departures.MAPPING)
    assert (again.taken, again.rows, again.left_out) == (
        False,
        departures.DAYS,
        departures.DAYS,
    )
    # Under another name it is another import: taken, without them.
    new = import_file(settings, tmp_path / "both.csv", departures.MAPPING, "new")
    assert (new.taken, new.rows, new.left_out) == (True, departures.DAYS, departures.DAYS)
    shutil.rmtree(settings.store_root / "imports" / "new")
    night(settings)
    assert traces(settings) == []
    after = others(settings)
    assert after.verdicts == left.before.verdicts
    pd.testing.assert_frame_equal(after.daily, left.before.daily)
    Forgotten(settings.store_root).lift(WHO)
    back = import_file(settings, tmp_path / "both.csv", departures.MAPPING, "back")
    assert (back.rows, back.left_out) == (2 * departures.DAYS, 0)


def test_a_source_that_still_has_them_is_read_without_them(left, tmp_path):
    """What streams in again, as from the app's database, is left out and counted."""
    settings = left.settings.model_copy(update={"store_root": tmp_path})
    Forgotten(tmp_path).begin(WHO)
    Forgotten(tmp_path).finish(WHO)
    source = Source()
    days = changed_days(settings, source)
    exported = [export_day(settings, day, source) for day in days]
    assert [(each.rows, each.left_out) for each in exported] == [(1, 2)]
    assert changed_days(settings, source) == []
    table = open_lake(settings).read("behavioral_events", days[0])
    assert table["user_id"].to_pylist() == [OTHERS[0]]


def test_what_ran_before_is_waited_for(left, tmp_path):
    settings = left.settings.model_copy(update={"store_root": tmp_path / "store"})
    shutil.copytree(left.settings.store_root, settings.store_root)
    set_running(settings, True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ITS_STORE_ROOT", str(settings.store_root))
        said = CliRunner().invoke(app, ["forget", WHO, "--yes"])
        assert said.exit_code == 1
        assert "under way" in said.output
        lifted = CliRunner().invoke(app, ["forget", WHO, "--lift"])
        assert lifted.exit_code == 2
    forgotten = Forgotten(settings.store_root)
    [(user, since)] = forgotten.under_way().items()
    assert user == WHO
    assert len(runs_at_work(settings, since)) == 1
    set_running(settings, False)
    assert [each.finished for each in finish_forgetting(settings)] == [True]
    assert forgotten.under_way() == {}
    assert finish_forgetting(settings) == []


def test_the_log_goes_on_where_it_was(left):
    log = open_log(left.settings)
    try:
        newest = log.list()
    finally:
        log.close()
    assert {entry.user_id for entry in newest} == set(OTHERS)
    assert set(Snapshot(left.settings).interventions) == set(OTHERS)
    inbox = inbox_dir(left.settings)
    assert sorted(path.name for path in inbox.iterdir()) == ["mapping.yaml"]
    assert take_inbox(left.settings, 0) == ()
