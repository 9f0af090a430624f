"""Lists over a store with shards: evidence, front page, status, doctor, prune; none by folders."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

import its_pipeline.its as engine
from its_pipeline.cli.main import app
from its_pipeline.defs.home import open_instance
from its_pipeline.defs.local import LocalRunner
from its_pipeline.experiments import evidence_files
from its_pipeline.experiments.doctor import findings
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import page_facts
from its_pipeline.experiments.service import load_analysis, open_store
from its_pipeline.report.cent import checklist
from its_pipeline.stores import standing
from its_pipeline_tests.integration.pipeline.conftest import make_store, moody_analyze, people
from its_pipeline_tests.integration.pipeline.test_refresh import key
from tools.stores import (
    log_intervention,
    series,
    short_settings,
    with_another_last_day,
    write_daily,
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory):
    """Two nights' results; of ada another day came in between."""
    chosen = make_store(short_settings(tmp_path_factory.mktemp("listed"), partition_limit=0))
    log_intervention(
        chosen,
        "ada",
        intervention_id="evening",
        name="Study in the evening",
        hypothesis="It calms me",
        protocol={"background": "Evenings are quiet"},
    )
    with pytest.MonkeyPatch.context() as patch, open_instance(chosen) as instance:
        patch.setattr(engine, "analyze", moody_analyze)
        runner = LocalRunner(chosen, instance, "test")
        runner.refresh()
        changed = {**people(), "ada": with_another_last_day(series(effect=8.0, seed=1))}
        write_daily(chosen, changed)
        runner.refresh()
        assert runner.evidence().success
    return chosen


def invoke(settings, *arguments):
    environment = {
        "ITS_STORE_ROOT": str(settings.store_root),
        "ITS_TODAY_ON": str(settings.today_on),
        "ITS_PARTITION_LIMIT": "0",
    }
    return CliRunner().invoke(app, list(arguments), env=environment)


def test_the_evidence_has_every_experiment_in_order_and_effects_of_converged_ones_alone(settings):
    table = pd.read_parquet(settings.evidence_path)
    assert list(table["key"]) == sorted([*(key(user) for user in people()), "ada|evening"])
    status = dict(zip(table["key"], table["status"], strict=True))
    assert status[key("stuck")] == "not_converged"
    assert set(table["status"][table["counterfactual_mean"].notna()]) == {"analysed"}
    store = open_store(settings)
    for row in table.to_dict("records"):
        verdict = store.verdict(row["key"])
        assert verdict is not None
        assert (row["fingerprint"] or None) == verdict.fingerprint or pd.isna(row["fingerprint"])
    # Its types do not hang on what happens to be empty.
    assert str(table["n_looks"].dtype) == "float64"


def test_the_checklists_have_the_statuses_that_every_page_has(settings):
    table = pd.read_parquet(settings.compliance_path)
    store, snapshot = open_store(settings), Snapshot(settings)
    keys = sorted([*(key(user) for user in people()), "ada|evening"])
    assert sorted(set(table["experiment"])) == keys
    for name in keys:
        verdict = store.verdict(name)
        assert verdict is not None
        analysis = load_analysis(settings, verdict)
        answers = checklist(page_facts(verdict, analysis, snapshot, {}, None))
        own = table[table["experiment"] == name]
        wanted = [(each.item.id, each.status, each.source) for each in answers]
        assert list(zip(own["item"], own["status"], own["source"], strict=True)) == wanted
    assert table["text"].isna().all()


def test_the_front_page_counts_and_shows_what_failed(settings):
    html = (settings.reports_dir / "index.html").read_text()
    assert "<b>7</b>" not in html
    assert "7 experiments" in html
    assert "the model fell over" in html
    assert "stuck" in html
    assert "its-pipeline status PERSON" in html
    assert "Reporting checklist (CENT 2015) over 7 experiments" in html


def test_a_batch_of_any_size_gives_the_same_table(settings, monkeypatch):
    before = pd.read_parquet(settings.evidence_path)
    monkeypatch.setattr(standing, "ROWS_AT_ONCE", 2)
    counted = evidence_files.write_evidence(settings)
    pd.testing.assert_frame_equal(pd.read_parquet(settings.evidence_path), before)
    assert sum(counted.states.values()) == len(before)


def test_status_counts_them_and_shows_one_persons(settings):
    told = invoke(settings, "status")
    assert told.exit_code == 0
    assert key("stuck") in told.output
    assert key("bob") not in told.output
    one = invoke(settings, "status", "bob")
    assert key("bob") in one.output
    assert key("ada") not in one.output
    everything = json.loads(invoke(settings, "status", "--json").output)
    assert {k: v["status"] for k, v in everything.items()}[key("wait")] == "waiting"
    assert len(everything) == len(people()) + 1


def test_nothing_is_damaged_and_older_analyses_are_pruned_from_the_sets(settings):
    assert list(findings(settings)) == []
    store = open_store(settings)
    newest = store.verdict(key("ada"))
    assert newest is not None
    before = len(store.history(key("ada")))
    assert before == 2
    pruned = invoke(settings, "prune", "--keep", "1")
    assert pruned.exit_code == 0
    assert [each.fingerprint for each in store.history(key("ada"))] == [newest.fingerprint]
    assert len(store.history(key("bob"))) == 1
    # No folder was made for anybody.
    assert not list(settings.experiments_dir.glob("*/*"))


def test_a_damaged_set_is_told_and_its_rest_is_read(settings):
    path = max(open_store(settings).sets.paths(), key=lambda each: each.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(bytes(content))
    assert [each.path for each in findings(settings)] == [path]
