"""A store that somebody leaves: its night, what is whose, and what is left of them.

What belongs here: reading and moving the store for the tests of leaving. What does not: the tests.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.defs.home import open_instance
from its_pipeline.defs.local import local_runner
from its_pipeline.events.schema import EVENT_SCHEMA, as_raw, raw_schema
from its_pipeline.events.sources.base import DayRead
from its_pipeline.experiments.publish import page_path
from its_pipeline.experiments.service import open_store
from its_pipeline.report.people_like_you import with_section
from its_pipeline.stores.runs import RunStore
from tools.departures import NUMBERS, OTHERS, TEXTS, WHO
from tools.leftovers import leftovers


def night(settings):
    with local_runner(settings, "night") as runner:
        steps = (runner.ingest, runner.refresh, runner.pooled, runner.evidence)
        found: list[Any] = [step() for step in steps]
    assert [outcome.message for outcome in found] == [""] * 4
    return found


#: Beside a page: what it shows and what its files are, which is another once the kind is.
BESIDE_PAGES = {".published.json", ".contents.json"}


def kept(path):
    """The digest of a file of somebody who stays, of a page without what it tells of the others."""
    content = path.read_bytes()
    if path.name == "index.html":
        content = with_section(content.decode(), None).encode()
    return hashlib.sha256(content).hexdigest()


def others(settings):
    """Everything that must be the same of those who stay, whoever leaves."""
    store = open_store(settings)
    own = {}
    for user in OTHERS:
        for folder in (
            settings.experiments_dir / user,
            page_path(settings, f"{user}|m").parents[1],
        ):
            for path in sorted(folder.rglob("*")):
                inside = str(path.relative_to(settings.store_root))
                is_beside = inside.startswith("reports") and path.name in BESIDE_PAGES
                if path.is_file() and not is_beside:
                    own[inside] = kept(path)
    daily = pq.read_table(settings.daily_outcomes_path).to_pandas()
    evidence = pq.read_table(settings.evidence_path).to_pandas()
    return SimpleNamespace(
        own=own,
        verdicts={user: store.verdict(f"{user}|morning") for user in OTHERS},
        daily=daily[daily["user_id"] != WHO].reset_index(drop=True),
        evidence=evidence[evidence["user_id"] != WHO].reset_index(drop=True),
        runs=sorted((r.user_id, r.run_id) for r in history(settings) if r.user_id != WHO),
    )


def history(settings):
    return RunStore.from_settings(settings).history(page_size=100).runs


def events_of(settings, user):
    with open_instance(settings) as instance:
        return {
            asset: [
                (record.storage_id, record.run_id)
                for record in instance.fetch_materializations(
                    dg.AssetRecordsFilter(
                        asset_key=dg.AssetKey(asset), asset_partitions=[f"{user}|morning"]
                    ),
                    limit=50,
                ).records
            ]
            for asset in ("its_plan", "its_fit", "its_report")
        }


def traces(settings):
    """What is left of them, but for the audit log, which keeps who deleted whom."""
    found = leftovers(settings.store_root, TEXTS, NUMBERS)
    return [each for each in found if not each.startswith("api/audit.jsonl")]


def set_running(settings, running):
    """Make the last run one that is under way, or has ended."""
    connection = sqlite3.connect(settings.dagster_home / "history" / "runs.db")
    with connection:
        connection.execute(
            "UPDATE runs SET status = ? WHERE id = (SELECT max(id) FROM runs)",
            ("STARTED" if running else "SUCCESS",),
        )
    connection.close()


class Source:
    """One day on which three events lie, two of them theirs."""

    def __init__(self):
        at = pd.Timestamp("2026-05-01T10:00:00Z")
        users = [WHO, OTHERS[0], f" {WHO} "]
        columns = {name: [None] * 3 for name in EVENT_SCHEMA.names}
        columns |= {"event_id": list("abc"), "user_id": users, "event_type": ["X"] * 3}
        columns |= {"occurred_at": [at] * 3, "ingested_at": [at] * 3}
        self._table = pa.table(columns).select(EVENT_SCHEMA.names)

    def day_versions(self):
        return {pd.Timestamp("2026-05-01").date(): "v1"}

    def read_day(self, day):
        schema = raw_schema()
        return nullcontext(DayRead("v1", schema, iter([as_raw(self._table, schema)])))
