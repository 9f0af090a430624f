"""The placebo audit on real stores: what is measured, kept, adopted, shown and analysed anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from its_pipeline.cli.main import app
from its_pipeline.defs.audit_asset import intervals_hold
from its_pipeline.defs.home import open_instance
from its_pipeline.defs.local import LocalRunner
from its_pipeline.defs.resources import Installation
from its_pipeline.experiments import audit as audits
from its_pipeline.experiments.audit import audit_windows, is_due, run_audit
from its_pipeline.experiments.evidence import collect_evidence
from its_pipeline.experiments.placebo_windows import PretendedWindow
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import page_path, publish_experiment
from its_pipeline.experiments.service import fit_experiment, is_stale
from its_pipeline.experiments.trust import people_of
from its_pipeline.its import analyze
from its_pipeline.its.spec import MODEL_VERSION
from its_pipeline.schedules.schedule import Schedule
from its_pipeline.stores.placebo_audit import AuditStore
from tools.stores import METRIC, START_ON, log_intervention, series, short_settings, write_daily

KEY = "p00|morning"


def jumping(seed: int, n_pre: int = 150):
    """Days on which every fortnight is another level: more than the intervals allow for."""
    frame = series(n_pre, 40, seed=seed)
    levels = np.random.default_rng(seed).normal(scale=12.0, size=len(frame) // 14 + 1)
    return frame.assign(value=frame["value"] + levels[np.arange(len(frame)) // 14])


def judged(settings) -> Any:
    """The check's result, untyped: called by hand it is what Dagster gets."""
    return intervals_hold(Installation(settings))


def make_store(root, people, frame=jumping):
    settings = short_settings(root)
    write_daily(settings, {f"p{i:02d}": frame(i) for i in range(people)})
    for i in range(people):
        log_intervention(settings, f"p{i:02d}")
    return settings


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """A store in which intervals are too narrow, audited once."""
    settings = make_store(tmp_path_factory.mktemp("moved"), 32)
    before = Snapshot(settings).prepare(KEY).fingerprint
    return settings, before, run_audit(settings)


def test_a_window_is_told_what_an_analysis_of_it_would_tell(tmp_path):
    settings = make_store(tmp_path, 1, lambda i: series(70, 40, seed=i))
    snapshot = Snapshot(settings)
    table = audit_windows(snapshot, ["p00"])
    assert set(table["n_days"]) == {28, 60}
    row = table[table["n_days"] == 60].iloc[0]
    frame = snapshot.series("p00", METRIC)
    frame = frame[frame["day"] < frame["day"].min() + timedelta(days=60)]
    prepared = snapshot.prepare(KEY)
    assert prepared.spec is not None
    index = pd.DatetimeIndex(frame["day"])
    shares = frame[["share_morning", "share_afternoon", "share_evening"]].set_index(index)
    whole = analyze(
        pd.Series(frame["value"].to_numpy(), index=index),
        row["middle_on"],
        prepared.spec,
        shares,
        audited=False,
    )
    assert whole.effects is not None
    effect = whole.effects.counterfactual
    for name, expected in (
        ("mean", effect.mean),
        ("sd", effect.sd),
        ("lower", effect.ci_lower),
        ("upper", effect.ci_upper),
    ):
        assert row[name] == pytest.approx(expected, abs=0.03 * effect.sd)
    assert row["probability_of_benefit"] == pytest.approx(effect.probability_positive, abs=0.01)


def test_no_window_reaches_into_an_intervention_or_an_unfinished_day(tmp_path):
    settings = make_store(tmp_path, 2, lambda i: series(90, 40, seed=i))
    table = audit_windows(Snapshot(settings), ["p00", "p01"])
    ends = pd.to_datetime(table["middle_on"]) + pd.to_timedelta((table["n_days"] + 1) // 2, "D")
    assert ends.max() <= pd.Timestamp(START_ON)
    assert len(table) == 2 * (3 + 1 + 1)
    # Without interventions the later days count, up to those that are over everywhere.
    early = settings.model_copy(update={"today_on": START_ON})
    everything = audit_windows(Snapshot(early, logged=()), ["p00", "p01"])
    ends = pd.to_datetime(everything["middle_on"]) + pd.to_timedelta(everything["n_days"] // 2, "D")
    assert ends.max() <= pd.Timestamp(START_ON) - pd.Timedelta(days=1)


def test_what_is_pretended_is_one_change_alone_in_its_model(tmp_path, monkeypatch):
    settings = short_settings(tmp_path)
    write_daily(settings, {"u": series(220, 40, seed=1)})
    schedule = Schedule.periods([("2026-05-01", "2026-05-10"), ("2026-05-21", "2026-05-30")])
    log_intervention(settings, schedule=schedule)
    log_intervention(settings, intervention_id="walks", started_on=date(2026, 5, 5))
    asked = []

    def prepare(self, intervention, options=None):
        prepared = ask(self, intervention, options)
        asked.append(prepared)
        return prepared

    ask = Snapshot.prepare_intervention
    monkeypatch.setattr(Snapshot, "prepare_intervention", prepare)
    assert len(audit_windows(Snapshot(settings), ["u"])) == len(asked) > 5
    assert all(each.schedule.is_single_change for each in asked)
    assert [each.others for each in asked] == [{}] * len(asked)
    assert max(each.outcome.index.max().date() for each in asked) < START_ON
    # The logged ones are in one model, and their effects are what the factor widens.
    prepared = Snapshot(settings).prepare("u|morning")
    assert list(prepared.others) == ["Study in the morning"]


def test_the_pretended_window_is_prepared_whole(tmp_path, monkeypatch):
    settings = make_store(tmp_path, 1, lambda i: series(90, 40, seed=i))
    found = []
    judge = audits._judge

    def watched(snapshot, user, metric, direction, window):
        prepare = snapshot.prepare_intervention

        def seen(intervention):
            prepared = prepare(intervention)
            found.append((window, prepared))
            return prepared

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(snapshot, "prepare_intervention", seen)
            return judge(snapshot, user, metric, direction, window)

    monkeypatch.setattr(audits, "_judge", watched)
    audit_windows(Snapshot(settings), ["p00"])
    assert found
    for window, prepared in found:
        plan = prepared.plan
        assert (plan.n_pre, plan.n_post) == (window.n_days // 2, window.n_days - window.n_days // 2)
        assert plan.window.pre_start_on == window.start_on
        assert plan.window.post_end_on == window.end_on
        assert prepared.covariates is not None
    assert isinstance(found[0][0], PretendedWindow)


def test_of_many_people_some_are_looked_at_and_always_the_same(tmp_path, monkeypatch):
    settings = make_store(tmp_path, 4, lambda i: series(30, 40, seed=i))
    monkeypatch.setattr(audits, "MOST_PEOPLE", 2)
    monkeypatch.setattr(audits, "_PEOPLE_AT_ONCE", 1)
    told = []
    people = ["p00", "p01", "p02", "p03"]
    found = [
        audit_windows(Snapshot(settings), order, lambda done, total: told.append((done, total)))
        for order in (people, people[::-1])
    ]
    assert found[0]["user_id"].nunique() == 2
    pd.testing.assert_frame_equal(found[0], found[1])
    assert told == [(1, 2), (2, 2)] * 2


def test_too_few_people_are_said_to_be_too_few(tmp_path):
    settings = make_store(tmp_path, 3, lambda i: series(60, 40, seed=i))
    index = collect_evidence(settings).index_path
    page = index.with_name("trust.html")
    for html in (page.read_text(), _audited_page(settings)):
        assert "too few people to tell" in html
        assert "no factor is in force" in html
        assert "benchmarks/README.md" in html
    assert 'href="trust.html"' in index.read_text()
    check = judged(settings)
    assert check.passed
    assert "too few people to tell" in check.description


def _audited_page(settings):
    assert run_audit(settings).factors == {}
    return (settings.reports_dir / "trust.html").read_text()


def test_intervals_that_are_too_narrow_are_widened_from_the_first_measurement_on(moved):
    settings, before, outcome = moved
    raw = next(row for row in outcome.audit.rows if row.n_days is None and row.factor == 1.0)
    assert raw.windows >= 200
    assert raw.coverage < 0.93
    (factor,) = outcome.adopted
    assert factor.factor > 1.05
    assert (factor.version, factor.people, factor.coverage) == (1, 32, raw.coverage)
    published = next(
        row for row in outcome.audit.rows if row.n_days is None and row.factor == factor.factor
    )
    assert published.coverage >= 0.95
    prepared = Snapshot(settings).prepare(KEY)
    assert prepared.spec is not None
    assert prepared.spec.interval_factor == factor.factor
    assert prepared.fingerprint != before
    stored = pd.read_parquet(AuditStore(settings).windows_path)
    assert len(stored) == raw.windows
    assert AuditStore(settings).read() == outcome.audit
    check = judged(settings)
    assert METRIC in check.description


def test_pages_say_the_factor(moved):
    settings, _, outcome = moved
    factor = outcome.factors[METRIC].factor
    fit_experiment(Snapshot(settings), KEY)
    publish_experiment(settings, KEY)
    page = page_path(settings, KEY).read_text()
    assert f"widened by a factor of {factor:.2f}" in page
    assert 'href="../../trust.html"' in page
    trust = (settings.reports_dir / "trust.html").read_text()
    assert f"× {factor:.2f}" in trust
    assert "180 days" not in trust
    assert "Session performance" in trust


def test_a_factor_stays_until_it_is_due_or_asked_for(moved):
    settings, _, outcome = moved
    again = run_audit(settings)
    assert again.adopted == ()
    assert again.factors == outcome.factors
    fit_experiment(Snapshot(settings), KEY)
    assert not is_stale(Snapshot(settings), KEY)
    asked = run_audit(settings, adopt=True)
    # What is measured is the model, not what it was widened to: the factor comes out the same.
    assert [(each.version, each.factor) for each in asked.adopted] == [
        (2, outcome.factors[METRIC].factor)
    ]
    assert len(AuditStore(settings).history()) == 2
    known = outcome.factors[METRIC]
    assert not is_due(known, 38)
    assert is_due(known, 39)
    assert is_due(None, 30)
    assert is_due(replace(known, model_version=f"not {MODEL_VERSION}"), 30)


def test_intervals_that_are_published_too_narrow_warn(moved, tmp_path):
    settings, _, outcome = moved
    other = short_settings(tmp_path)
    # The same measurement in a store where nobody adopted anything.
    AuditStore(other).write(outcome.audit, pd.DataFrame({"metric": [METRIC]}))
    check = judged(other)
    assert not check.passed
    assert check.severity.value == "WARN"
    assert "too narrow" in check.description
    assert settings.store_root != other.store_root


def test_the_audit_runs_as_a_job_of_dagsters(tmp_path):
    settings = make_store(tmp_path, 2, lambda i: series(40, 40, seed=i))
    with open_instance(settings) as instance:
        outcome = LocalRunner(settings, instance, "manual").audit()
    assert outcome.success, outcome.message
    assert outcome.numbers["people"] == 2
    assert outcome.numbers["windows"] == 2
    assert outcome.numbers["factors_adopted"] == 0


def test_the_command_prints_what_was_found(tmp_path, monkeypatch):
    settings = make_store(tmp_path, 2, lambda i: series(40, 40, seed=i))
    monkeypatch.setenv("ITS_STORE_ROOT", str(settings.store_root))
    monkeypatch.setenv("ITS_TODAY_ON", date(2026, 6, 20).isoformat())
    result = CliRunner().invoke(app, ["audit", "--adopt"])
    assert result.exit_code == 0, (result.output, result.exception)
    assert f"{METRIC}: too few people to tell (2 of at least 12)" in result.output
    assert "trust.html" in result.output


def test_people_are_counted_once_whatever_groups_their_days_lie_in(tmp_path):
    settings = make_store(tmp_path, 5)
    assert people_of(settings) == [f"p{n:02d}" for n in range(5)]
    table = pq.read_table(settings.daily_outcomes_path)
    pq.write_table(table, settings.daily_outcomes_path, row_group_size=7)
    assert people_of(settings) == [f"p{n:02d}" for n in range(5)]
    settings.daily_outcomes_path.unlink()
    assert people_of(settings) == []
