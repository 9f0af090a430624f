"""Big stores with known contents, made in seconds: daily outcomes and a filled intervention log.

What belongs here: what the benchmarks of nights share, that is a store of many experiments and a
Dagster home. What does not: running or timing anything, or small stores (`tools.stores`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.intervention import Intervention
from its_pipeline.events.interventions import InterventionLog
from its_pipeline.settings import Settings

METRIC = "sessionPerformanceScore"
STARTED_ON = date(2026, 3, 1)
N_PRE, N_POST = 90, 90
TODAY_ON = STARTED_ON + timedelta(days=N_POST + 1)


def user_name(number: int) -> str:
    """Return the identifier of the person with this number."""
    return f"person-{number:05d}"


def make_store(root: Path, people: int, seed: int = 0, changed: Sequence[int] = ()) -> Settings:
    """Write a store of one experiment a person, 90 observed days in each phase.

    Parameters
    ----------
    root
        The store's root.
    people
        How many.
    seed
        Of everything random.
    changed
        People of whom one day's value differs from what the same call without them writes, as if
        a late event had come in.
    """
    settings = Settings(
        store_root=root, today_on=TODAY_ON, dagster_url=None, mlflow_url=None, shard_size=100_000
    )
    root.mkdir(parents=True, exist_ok=True)
    write_daily(settings, people, seed, changed)
    log_people(settings, people)
    return settings


def write_daily(
    settings: Settings, people: int, seed: int = 0, changed: Sequence[int] = ()
) -> None:
    """Write AR(1) series (rho 0.3, sd 6) around 60 with a level change of 0 to 6 points."""
    rng = np.random.default_rng(seed)
    days = N_PRE + N_POST
    noise = np.empty((people, days))
    shocks = rng.standard_normal((people, days))
    noise[:, 0] = shocks[:, 0]
    for day in range(1, days):
        noise[:, day] = 0.3 * noise[:, day - 1] + np.sqrt(1 - 0.09) * shocks[:, day]
    effect = rng.uniform(0.0, 6.0, size=(people, 1)) * (np.arange(days) >= N_PRE)
    values = np.clip(60.0 + effect + 6.0 * noise, 0.0, 100.0)
    for number in changed:
        values[number, -1] += 1.0
    shares = rng.dirichlet([3.0, 4.0, 2.0, 1.0], size=people * days)
    first = np.datetime64(STARTED_ON) - np.timedelta64(N_PRE, "D")
    table = pa.table(
        {
            "user_id": pa.array(np.repeat([user_name(n) for n in range(people)], days)),
            "outcome": pa.array([METRIC] * (people * days)),
            "day": pa.array(np.tile(first + np.arange(days), people)).cast(pa.date32()),
            "value": pa.array(values.ravel()),
            "n_events": pa.array(rng.integers(2, 6, size=people * days), pa.int32()),
            "share_morning": pa.array(shares[:, 0]),
            "share_afternoon": pa.array(shares[:, 1]),
            "share_evening": pa.array(shares[:, 2]),
            "share_night": pa.array(shares[:, 3]),
        }
    )
    unfinished = settings.daily_outcomes_path.with_name(".unfinished-daily")
    pq.write_table(table, unfinished, row_group_size=8192)
    unfinished.replace(settings.daily_outcomes_path)


def log_people(settings: Settings, people: int) -> None:
    """Log one intervention a person."""
    log = InterventionLog(settings.resolved_intervention_log_url)
    try:
        log.log_all(
            Intervention.declared(
                user_id=user_name(number),
                intervention_id="mornings",
                name="Study in the morning",
                outcome_metric=METRIC,
                started_on=STARTED_ON,
            )
            for number in range(people)
        )
    finally:
        log.close()


def dagster_instance(settings: Settings) -> dg.DagsterInstance:
    """Return the real, SQLite-backed Dagster instance of a store's own home."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\nnux:\n  enabled: false\n")
    os.environ["DAGSTER_HOME"] = str(home)
    return dg.DagsterInstance.from_config(str(home))


def folder_bytes(folder: Path, counted: set[int] | None = None) -> int:
    """Return the bytes of all files under a folder (or of one file); 0 where there is none.

    Parameters
    ----------
    folder
        Where.
    counted
        Files (inodes) counted before, which are left out and added to: a file that is linked into
        two folders takes its space once.
    """
    counted = set() if counted is None else counted
    total = 0
    for path in [folder] if folder.is_file() else folder.rglob("*"):
        if path.is_file() and path.stat().st_ino not in counted:
            counted.add(path.stat().st_ino)
            total += path.stat().st_size
    return total
