"""Counts, yes/no and shares of a store: analysed as what its metric says, told on its page."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from its_pipeline.cli.support import interval_text
from its_pipeline.experiments.evidence import index_row
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import page_path, publish_experiment
from its_pipeline.experiments.service import fit_experiment
from tools.stores import METRIC, log_intervention, short_settings, write_daily

DAYS = pd.date_range("2026-01-01", periods=80)
STARTED_ON = date(2026, 2, 10)


def stored(tmp_path, values, n_events, likelihood, aggregation="mean"):
    settings = short_settings(tmp_path)
    settings.store_root.mkdir(parents=True, exist_ok=True)
    declared = "  aggregation: rate\n  equals: DONE\n" if aggregation == "rate" else ""
    column = "completion_quality" if aggregation == "rate" else "session_performance_score"
    (settings.store_root / "metrics.yaml").write_text(
        f"metrics:\n- name: {METRIC}\n  column: {column}\n{declared}"
        f"  analysis: {{likelihood: {likelihood}, covariates: none}}\n"
    )
    rows = pd.DataFrame({"day": DAYS, "value": values, "n_events": n_events})
    shares = {f"share_{part}": 0.0 for part in ("morning", "evening", "night")}
    write_daily(settings, {"u": rows.assign(share_afternoon=1.0, **shares)})
    log_intervention(settings, started_on=STARTED_ON, direction="decrease")
    return settings


def test_a_share_knows_how_many_events_it_is_of(tmp_path):
    rng = np.random.default_rng(0)
    trials = rng.integers(3, 9, 80)
    p = np.where(np.arange(80) < 40, 0.7, 0.2)
    settings = stored(tmp_path, rng.binomial(trials, p) / trials, trials, "binomial", "rate")
    prepared = Snapshot(settings).prepare("u|morning")
    assert prepared.denominator is not None
    assert prepared.denominator.tolist() == trials.tolist()
    verdict = fit_experiment(Snapshot(settings), "u|morning").verdict
    assert verdict.status == "analysed", verdict.reason
    effects = verdict.effects or {}
    assert effects["ratio"] is not None
    assert effects["ratio"]["ci_upper"] < 1.0
    publish_experiment(settings, "u|morning")
    text = page_path(settings, "u|morning").read_text(encoding="utf-8")
    assert "percentage points" in text
    assert "odds" in text


def test_a_list_tells_shares_in_points(tmp_path):
    rng = np.random.default_rng(0)
    trials = rng.integers(3, 9, 80)
    p = np.where(np.arange(80) < 40, 0.7, 0.2)
    settings = stored(tmp_path, rng.binomial(trials, p) / trials, trials, "binomial", "rate")
    snapshot = Snapshot(settings)
    verdict = fit_experiment(snapshot, "u|morning").verdict
    stored_effect = (verdict.effects or {})["counterfactual"]
    assert stored_effect is not None
    assert -1.0 < stored_effect["mean"] < -0.2
    row = index_row(settings, snapshot, verdict)
    assert row.effect is not None
    assert row.unit == "percentage points"
    assert row.effect.mean == 100.0 * stored_effect["mean"]
    assert interval_text(verdict.told_headline).endswith(" points")


def test_another_number_of_events_is_another_analysis(tmp_path):
    rng = np.random.default_rng(0)
    values = np.where(rng.random(80) < 0.4, 0.0, 1.0)
    found = []
    for trials in (2, 4):
        settings = stored(tmp_path / str(trials), values, trials, "binomial")
        found.append(Snapshot(settings).prepare("u|morning").fingerprint)
    assert found[0] != found[1]


@pytest.mark.parametrize("likelihood", ["negative_binomial", "poisson"])
def test_a_count_has_its_rate_ratio(tmp_path, likelihood):
    rng = np.random.default_rng(1)
    values = rng.poisson(np.where(np.arange(80) < 40, 8.0, 4.0)).astype(float)
    settings = stored(tmp_path, values, 1, likelihood)
    assert Snapshot(settings).prepare("u|morning").denominator is None
    verdict = fit_experiment(Snapshot(settings), "u|morning").verdict
    assert verdict.status == "analysed", verdict.reason
    ratio = (verdict.effects or {})["ratio"]
    assert ratio is not None
    assert ratio["ci_lower"] < 0.5 < ratio["ci_upper"]


def test_a_measurement_declared_a_count_is_refused_with_the_remedy(tmp_path):
    settings = stored(tmp_path, np.linspace(1.0, 9.0, 80) + 0.25, 1, "poisson")
    verdict = fit_experiment(Snapshot(settings), "u|morning").verdict
    assert (verdict.status, verdict.reason_code) == ("refused", "not_counts")
    assert "lognormal" in verdict.reason
