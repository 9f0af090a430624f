"""Small stores with known contents: daily outcomes, interventions, short-sampling settings.

What belongs here: what lies in a store. What does not: anything that reads it.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.intervention import Intervention
from its_pipeline.events.interventions import InterventionLog
from its_pipeline.settings import Settings

METRIC = "sessionPerformanceScore"
START_ON = date(2026, 5, 1)


def short_settings(root: Path, **changes: Any) -> Settings:
    """Return settings of a store under `root` that make an analysis cheap.

    Enough draws to pass the gate and no more, and one analysis of ten is audited in bulk runs: no
    number depends on an audit.
    """
    fields: dict[str, Any] = {
        "store_root": root,
        "draws": 500,
        "tune": 500,
        "audit_share": 0.1,
        "today_on": date(2026, 6, 20),
        "dagster_url": None,
        "mlflow_url": None,
    }
    return Settings(**{**fields, **changes})


def series(
    n_pre: int = 40,
    n_post: int = 40,
    *,
    level: float = 60.0,
    effect: float = 0.0,
    sd: float = 4.0,
    rho: float = 0.3,
    seed: int = 0,
    started_on: date = START_ON,
) -> pd.DataFrame:
    """Return daily outcomes of one person: AR(1) noise around a level that shifts at the start."""
    rng = np.random.default_rng(seed)
    n = n_pre + n_post
    noise = np.empty(n)
    noise[0] = rng.standard_normal()
    for day in range(1, n):
        noise[day] = rho * noise[day - 1] + np.sqrt(1 - rho**2) * rng.standard_normal()
    after = np.arange(n) >= n_pre
    shares = rng.dirichlet([3.0, 4.0, 2.0, 1.0], size=n)
    return pd.DataFrame(
        {
            "day": pd.date_range(started_on - timedelta(days=n_pre), periods=n, freq="D"),
            "value": level + effect * after + sd * noise,
            "n_events": rng.integers(2, 6, size=n),
            "share_morning": shares[:, 0],
            "share_afternoon": shares[:, 1],
            "share_evening": shares[:, 2],
            "share_night": shares[:, 3],
        }
    )


def with_another_last_day(frame: pd.DataFrame) -> pd.DataFrame:
    """Return daily outcomes whose last value is one higher, as after a late event."""
    values = frame["value"].to_numpy(copy=True)
    values[-1] += 1.0
    return frame.assign(value=values)


def write_daily(settings: Settings, people: dict[str, pd.DataFrame]) -> None:
    """Write the daily outcomes of several people, sorted as the pipeline sorts them."""
    frames = [frame.assign(user_id=user, outcome=METRIC) for user, frame in sorted(people.items())]
    table = pd.concat(frames, ignore_index=True)
    table["day"] = table["day"].dt.date
    settings.store_root.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.Table.from_pandas(
            table[["user_id", "outcome", "day", *frames[0].columns[1:-2]]], preserve_index=False
        ),
        settings.daily_outcomes_path,
    )


def log_intervention(settings: Settings, user_id: str = "u", **changes: Any) -> Intervention:
    """Log an intervention and return it as logged."""
    fields: dict[str, Any] = {
        "user_id": user_id,
        "intervention_id": "morning",
        "name": "Study in the morning",
        "outcome_metric": METRIC,
        "started_on": START_ON,
    }
    log = InterventionLog(settings.resolved_intervention_log_url)
    try:
        return log.log(**{**fields, **changes})
    finally:
        log.close()
