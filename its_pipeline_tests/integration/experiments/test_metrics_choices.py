"""What a metric's declaration does to its experiments, from events to the page."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.daily import build_daily_outcomes
from its_pipeline.events.example_metrics import EXAMPLES
from its_pipeline.events.metrics import (
    SHIPPED,
    OutcomeMetric,
    registered_metrics,
    write_metrics_file,
)
from its_pipeline.events.schema import EVENT_SCHEMA
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import publish_experiment
from its_pipeline.experiments.service import fit_experiment
from its_pipeline.settings import Settings
from tools.stores import (
    START_ON,
    log_intervention,
    series,
    short_settings,
    write_daily,
)

KEY = "u|morning"
PHASE_DAYS = 40


def _sessions(per_day: np.ndarray) -> list[dict[str, Any]]:
    """Return valid events: `per_day` sessions on each day, the intervention in the middle."""
    first = datetime.combine(START_ON - timedelta(days=PHASE_DAYS), time(8), UTC)
    return [
        {
            "event_id": f"{day}-{number}",
            "user_id": "u",
            "occurred_at": first + timedelta(days=day, hours=3 * number),
            "event_type": "SESSION_ENDED",
            "time_zone": "UTC",
            "session_performance_score": 60.0 + (day * 7 + number) % 11,
            "ingested_at": first + timedelta(days=day, hours=23),
        }
        for day, count in enumerate(per_day)
        for number in range(count)
    ]


def _store(root: Path, per_day: np.ndarray) -> Settings:
    settings = short_settings(root)
    write_metrics_file(root / "metrics.yaml", EXAMPLES)
    events = root / "events.parquet"
    pq.write_table(pa.Table.from_pylist(_sessions(per_day), schema=EVENT_SCHEMA), events)
    build_daily_outcomes([events], registered_metrics(settings), settings.daily_outcomes_path)
    return settings


def test_sessions_per_day_with_real_zero_days_are_analysed(tmp_path):
    rng = np.random.default_rng(3)
    per_day = rng.poisson(np.repeat([0.8, 2.5], PHASE_DAYS))
    per_day[[0, -1]] = 1
    assert (per_day == 0).sum() > 10
    settings = _store(tmp_path, per_day)
    log_intervention(settings, outcome_metric="sessionsPerDay")

    verdict = fit_experiment(Snapshot(settings), KEY).verdict

    assert (verdict.status, verdict.reason) == ("analysed", "")
    assert (verdict.n_pre, verdict.n_post) == (PHASE_DAYS, PHASE_DAYS)
    assert verdict.effects is not None
    effect = verdict.effects["counterfactual"]
    assert effect is not None
    assert 0 < effect["ci_lower"] < 1.7 < effect["ci_upper"]
    page = publish_experiment(settings, KEY).page.read_text()
    assert "time-of-day shares are not in the model" in page


def test_the_advice_of_the_page_can_be_followed(tmp_path):
    settings = short_settings(tmp_path, draws=2000, tune=1000)
    days = series(effect=12.0, seed=5)
    values = days["value"].to_numpy(copy=True)
    values[10] -= 45.0
    write_daily(settings, {"u": days.assign(value=values)})
    log_intervention(settings)
    usual = fit_experiment(Snapshot(settings), KEY).verdict
    assert "outlier_days" in {warning["code"] for warning in usual.warnings}
    advised = "likelihood: student_t"
    assert advised in publish_experiment(settings, KEY).page.read_text()

    (shipped,) = SHIPPED
    declared = OutcomeMetric.model_validate({**shipped.model_dump(), "likelihood": "student_t"})
    write_metrics_file(tmp_path / "metrics.yaml", (declared,))
    assert advised in (tmp_path / "metrics.yaml").read_text()
    heavy = fit_experiment(Snapshot(settings), KEY).verdict

    assert heavy.status == "analysed"
    assert heavy.fingerprint != usual.fingerprint
    page = publish_experiment(settings, KEY).page.read_text()
    assert "student-t innovations" in page
    assert advised not in page
