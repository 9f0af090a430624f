"""Questions with other options than the installation's: answered, stored, and never the newest."""

from __future__ import annotations

from dataclasses import replace

from its_pipeline.events.analysis_options import AnalysisOptions
from its_pipeline.experiments.preparation import Options, Snapshot
from its_pipeline.experiments.service import fit_prepared, open_store
from tools.stores import log_intervention, series, short_settings, write_daily


def test_a_snapshot_knows_what_its_caller_has_read(tmp_path):
    settings = short_settings(tmp_path)
    logged = log_intervention(settings)
    log_intervention(settings, "other")

    assert set(Snapshot(settings).interventions) == {"u", "other"}
    assert Snapshot(settings, logged=[logged]).interventions == {"u": (logged,)}
    assert Snapshot(settings, logged=[]).interventions == {}


def test_before_the_first_events_an_experiment_waits(tmp_path):
    settings = short_settings(tmp_path)
    logged = log_intervention(settings)

    plan = Snapshot(settings).prepare_intervention(logged).plan

    assert (plan.state, plan.n_pre, plan.n_post) == ("waiting", 0, 0)


def test_another_question_leaves_the_experiments_verdict_alone(tmp_path):
    settings = short_settings(tmp_path)
    write_daily(settings, {"u": series()})
    logged = log_intervention(settings)
    snapshot = Snapshot(settings)
    store = open_store(settings)
    own = fit_prepared(settings, snapshot.prepare_intervention(logged))

    without_shares = replace(
        Options.from_settings(settings), analysis=AnalysisOptions(covariates=())
    )
    question = snapshot.prepare_intervention(logged, without_shares)
    answer = fit_prepared(settings, question, make_newest=False)
    again = fit_prepared(settings, question, make_newest=False)

    assert answer.verdict.fingerprint != own.verdict.fingerprint
    assert (answer.cached, again.cached) == (False, True)
    assert again.verdict.effects == answer.verdict.effects
    assert store.verdict("u|morning") == own.verdict
    assert len(store.history("u|morning")) == 2
