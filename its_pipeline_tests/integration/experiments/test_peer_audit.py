"""The independent witness: who is drawn, what PyMC is asked, and when the two agree."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import numpy as np
import pytest

from its_pipeline.defs.build import build_defs
from its_pipeline.defs.peer_audit_asset import peers_agree
from its_pipeline.defs.resources import Installation
from its_pipeline.experiments import peer_audit
from its_pipeline.experiments.peer_audit import (
    PeerAnswer,
    PeerAudit,
    _candidates,
    audit_by_peers,
    read_peer_audit,
)
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.service import fit_experiment
from its_pipeline.schedules.schedule import Schedule
from tools.stores import log_intervention, series, short_settings, write_daily

NOW = datetime(2026, 11, 22, 5, tzinfo=UTC)
ANSWER = PeerAnswer("u|morning", "f", "counterfactual", 5.0, 2.0, 5.1, 2.05, 0.03, 1.003)


@pytest.mark.parametrize(
    ("changes", "agrees"),
    [
        ({}, True),
        ({"peer_mean": 5.31}, False),
        ({"peer_mean": 5.31, "peer_mcse": 0.1}, True),
        ({"peer_sd": 2.3}, False),
        ({"peer_sd": 1.7}, False),
    ],
)
def test_answers_agree_within_a_tenth_beyond_monte_carlo_error(changes, agrees):
    assert replace(ANSWER, **changes).agrees is agrees


def test_chains_that_do_not_mix_tell_nothing():
    apart = replace(ANSWER, peer_mean=50.0)
    stuck = replace(apart, r_hat=1.2)
    audit = PeerAudit("2026-11-22", 3, (ANSWER, apart, stuck), {})
    assert audit.disagreeing == (apart,)
    assert audit.unjudged == (stuck,)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    settings = short_settings(tmp_path_factory.mktemp("peers"), peer_audits=1)
    people = {"ada": series(n_pre=16, n_post=16, effect=12.0, seed=1), "wait": series(n_post=4)}
    write_daily(settings, people)
    for user in people:
        log_intervention(settings, user)
        fit_experiment(Snapshot(settings), f"{user}|morning")
    return settings


@pytest.fixture(scope="module")
def audit(store):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peer_audit, "_DRAWS", 500)
        patch.setattr(peer_audit, "_TUNE", 600)
        return audit_by_peers(store, NOW)


def test_pymc_says_what_was_published(store, audit):
    assert audit.candidates == 1
    assert {each.key for each in audit.answers} == {"ada|morning"}
    estimands = [each.estimand for each in audit.answers]
    assert estimands == ["immediate", "sustained", "counterfactual"]
    assert audit.disagreeing == ()
    assert all(png.startswith(b"\x89PNG") for png in audit.pictures["ada|morning"])
    again = read_peer_audit(store)
    assert again is not None
    assert again.answers == audit.answers


def _ask(check: Any, settings: Any) -> Any:
    return check(installation=Installation(settings))


def test_the_check_tells_what_the_newest_audit_came_to(store, audit):
    check = build_defs(store).resolve_asset_graph().asset_check_keys
    assert dg.AssetCheckKey(dg.AssetKey("peer_audit"), "peers_agree") in check
    told = _ask(peers_agree, store)
    assert told.passed
    assert "3 answers" in told.description
    broken = replace(audit.answers[0], peer_mean=audit.answers[0].mean + 1e3, peer_mcse=0.0)
    path = store.peer_audit_path
    kept = path.read_bytes()
    text = kept.decode().replace(str(audit.answers[0].peer_mean), str(broken.peer_mean), 1)
    path.write_text(text)
    assert not _ask(peers_agree, store).passed
    path.write_bytes(kept)


def test_pymc_is_asked_about_the_yearly_season_of_a_long_window(tmp_path, monkeypatch):
    import causalpy

    settings = short_settings(tmp_path)
    write_daily(settings, {"ada": series(n_pre=520, n_post=30, seed=2)})
    log_intervention(settings, "ada", baseline_days=520)
    assert fit_experiment(Snapshot(settings), "ada|morning").verdict.status == "analysed"
    asked = {}

    def fit(frame, formula, model):
        asked.update(frame=frame, formula=formula)
        raise KeyboardInterrupt

    monkeypatch.setattr(causalpy, "PiecewiseITS", fit)
    with pytest.raises(KeyboardInterrupt):
        audit_by_peers(settings, NOW, ["ada|morning"])
    assert " + year_sin_1 + year_cos_1 + covariate_share_" in asked["formula"]
    circle = np.hypot(asked["frame"]["year_sin_1"], asked["frame"]["year_cos_1"])
    np.testing.assert_allclose(circle, 1.0)


def test_only_what_can_be_fitted_again_is_taken(store):
    with pytest.raises(ValueError, match=r"wait\|morning has no published analysis of a kind"):
        audit_by_peers(store, NOW, ["wait|morning"])


def test_only_one_change_that_is_alone_in_its_model_is_taken(tmp_path):
    settings = short_settings(tmp_path)
    people = {user: series(effect=9.0, seed=3) for user in ("change", "reversal", "two")}
    write_daily(settings, people)
    on_and_off = Schedule.periods([("2026-05-01", "2026-05-12"), ("2026-05-25", None)])
    log_intervention(settings, "change")
    log_intervention(settings, "reversal", schedule=on_and_off)
    for name, first_on in (("morning", date(2026, 5, 1)), ("walks", date(2026, 5, 15))):
        log_intervention(settings, "two", intervention_id=name, started_on=first_on)
    keys = ["change|morning", "reversal|morning", "two|morning", "two|walks"]
    for key in keys:
        assert fit_experiment(Snapshot(settings), key).verdict.status == "analysed"
    assert set(_candidates(Snapshot(settings))) == {"change|morning"}
    for key in keys[1:]:
        with pytest.raises(ValueError, match="one change from one day on and alone in its model"):
            audit_by_peers(settings, NOW, [key])
