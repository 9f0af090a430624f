"""A small installation from simulated events to reports, and one night over it.

What belongs here: building the same store every time, running its night with the real jobs. What
does not: breaking it (the tests), or comparing what came out (`state`).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from its_pipeline.events.intervention import Intervention
from its_pipeline.events.interventions import InterventionLog
from its_pipeline.events.people import Person
from its_pipeline.events.simulator import simulate
from its_pipeline.events.sources.opening import simulation_dir
from its_pipeline.experiments.sharding import SHARDS_FILE
from its_pipeline.files.atomic import write_json
from its_pipeline.settings import Settings
from tools.stores import short_settings

START_ON = date(2026, 3, 1)
DAYS = 44
STARTED_ON = START_ON + timedelta(days=22)
#: Shards of a store that has them.
SHARDS: Final = 4


#: Settings of every store of this process and of those it forks; fault programs set them once.
COMMON: dict[str, Any] = {}


def settings_of(root: Path, **changes: Any) -> Settings:
    """Return the settings of a simulated store whose days are all over."""
    fields: dict[str, Any] = {
        **COMMON,
        "source": "simulator",
        "today_on": START_ON + timedelta(days=DAYS + 2),
        "late_window_days": 2,
        "first_day_on": START_ON - timedelta(days=1),
    }
    return short_settings(root, **{**fields, **changes})


def people(count: int) -> list[Person]:
    """Return simulated people; zones on both sides of UTC, some with defects in their events."""
    zones = ("UTC", "Pacific/Auckland", "Pacific/Honolulu", "Europe/Berlin")
    return [
        Person(
            f"person-{number:03d}",
            zones[number % len(zones)],
            started_after_days=22,
            immediate=float(number % 3) * 4.0,
            sessions_per_day=2,
            other_events=0,
        )
        for number in range(count)
    ]


def build_world(root: Path, count: int = 3, **changes: Any) -> Settings:
    """Simulate events and log one intervention a person; nothing has been run yet."""
    settings = settings_of(root, **changes)
    simulate(people(count), simulation_dir(settings), seed=3, start_on=START_ON, days=DAYS)
    log_interventions(settings, [person.user_id for person in people(count)])
    give_shards(settings, count)
    return settings


def give_shards(settings: Settings, count: int) -> None:
    """Give a new store of so many experiments the shards of one of thousands, if it is to have any.

    Some of them are empty.
    """
    if settings.partition_limit < count:
        write_json(settings.store_root / SHARDS_FILE, {"count": SHARDS})


def log_interventions(
    settings: Settings, users: Sequence[str], intervention_id: str = "mornings"
) -> None:
    """Log one intervention for each of some users."""
    log = InterventionLog(settings.resolved_intervention_log_url)
    try:
        log.log_all(
            Intervention.declared(
                user_id=user,
                intervention_id=intervention_id,
                name="Study in the morning",
                outcome_metric="sessionPerformanceScore",
                started_on=STARTED_ON,
            )
            for user in users
        )
    finally:
        log.close()


def night(settings: Settings) -> list[str]:
    """Run a night with the real jobs (ingest, refresh, evidence); return what failed."""
    return _run(settings, "ingest", "refresh", "evidence")


def ingest(settings: Settings) -> list[str]:
    """Run the first job of a night alone; return what failed."""
    return _run(settings, "ingest")


def _run(settings: Settings, *steps: str) -> list[str]:
    from its_pipeline.defs.local import local_runner

    failures = []
    with local_runner(settings, "night") as runner:
        for step in steps:
            outcome = getattr(runner, step)()
            if not outcome.success:
                failures.append(f"{step}: {outcome.message}")
                break
    return failures


def import_everything() -> None:
    """Import the whole project and what a night uses, so that forked processes start warm."""
    import dagster_mlflow  # noqa: F401
    import matplotlib.backends.backend_agg  # noqa: F401
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

    import its_pipeline

    # Migrations run inside Alembic alone.
    left_out = ("its_pipeline.api", "its_pipeline.events.migrations")
    for module in pkgutil.walk_packages(its_pipeline.__path__, "its_pipeline."):
        if not module.name.startswith(left_out):
            importlib.import_module(module.name)
