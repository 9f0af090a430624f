"""Everything of a person as one ZIP: their data as tables, what was found out, pages, posteriors.

What belongs here: which files there are and what is in each. What does not: where the ZIP goes
(`cli`, `api`), or deleting anything (`forget`). Whatever is large goes through in pieces.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.interventions import open_log
from its_pipeline.events.schema import EVENT_SCHEMA, REJECTION_SCHEMA, pc
from its_pipeline.experiments.page_marks import is_left, read_mark
from its_pipeline.experiments.pages import draw_page, open_page
from its_pipeline.experiments.planning import with_days_needed
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import PAGE_FILE, page_path
from its_pipeline.experiments.service import LostAnalysisError, load_analysis, open_store
from its_pipeline.experiments.sharding import has_shards
from its_pipeline.files.names import path_of_name
from its_pipeline.leaving.readme import readme_text
from its_pipeline.settings import Settings
from its_pipeline.stores.lake import BEHAVIORAL_EVENTS, REJECTED_EVENTS, Lake
from its_pipeline.stores.look_log import LookLog
from its_pipeline.stores.person_traits import all_traits
from its_pipeline.stores.pooled_results import PooledResult, to_dict
from its_pipeline.stores.pooled_store import PooledStore
from its_pipeline.stores.run_database import sqlite_path
from its_pipeline.stores.runs import RunStore
from its_pipeline.stores.verdict import Verdict

#: The way back to pages that are not in the ZIP.
_WAY_BACK: Final = re.compile(r'<nav aria-label="Way back">.*?</nav>', re.DOTALL)
_DAILY_BATCH_ROWS: Final = 65_536


def write_archive(settings: Settings, user_id: str, path: Path) -> dict[str, int]:
    """Write everything of a person into a ZIP; return how many rows or entries each file has.

    Parameters
    ----------
    settings
        The installation.
    user_id
        The person; one of whom nothing is known gets a ZIP that says so.
    path
        The file to write; what is there is replaced.

    Raises
    ------
    ForgottenPersonError
        The person was forgotten.
    """
    Forgotten(settings.store_root).refuse(user_id)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        counts = {
            "daily_outcomes.csv": _daily(settings, user_id, packed),
            "events.csv": _events(settings, user_id, packed, BEHAVIORAL_EVENTS, "events.csv"),
            "rejected_events.csv": _events(
                settings, user_id, packed, REJECTED_EVENTS, "rejected_events.csv"
            ),
            **_interventions(settings, user_id, packed),
            **_results(settings, user_id, packed, path.parent),
            "kinds.json": _kinds(settings, user_id, packed),
            "traits.csv": _traits(settings, user_id, packed),
            "reports/": _reports(settings, user_id, packed),
        }
        packed.writestr("README.txt", readme_text(user_id, datetime.now(UTC), counts))
    return counts


def _daily(settings: Settings, user_id: str, packed: zipfile.ZipFile) -> int:
    path = settings.daily_outcomes_path
    if not path.is_file():
        return 0
    table = pq.read_table(path, filters=[("user_id", "=", user_id)])
    batches = table.to_batches(max_chunksize=_DAILY_BATCH_ROWS)
    return _write_rows(packed, "daily_outcomes.csv", table.schema, batches)


def _events(
    settings: Settings, user_id: str, packed: zipfile.ZipFile, table: str, name: str
) -> int:
    """Write a person's raw or rejected events, every value as it was delivered."""
    lake = Lake(settings.lake_dir)
    known = REJECTION_SCHEMA if table == REJECTED_EVENTS else EVENT_SCHEMA
    schema = pa.schema([(column, pa.string()) for column in known.names])

    def rows() -> Iterator[pa.RecordBatch]:
        for day in lake.days(table):
            if not lake.is_readable(table, day):
                continue
            for batch in lake.batches(table, day):
                users = pc.utf8_trim_whitespace(batch["user_id"].cast(pa.string()))
                theirs = batch.filter(pc.equal(users, user_id)).select(schema.names)
                if theirs.num_rows:
                    yield theirs.cast(schema)

    return _write_rows(packed, name, schema, rows())


def _interventions(settings: Settings, user_id: str, packed: zipfile.ZipFile) -> dict[str, int]:
    """Write every version of every intervention, the plans as they stand, and the looks."""
    log = open_log(settings)
    try:
        versions = []
        newest = log.list(user_id, include_withdrawn=True)
        for each in newest:
            told = {
                version: {"recorded_at": at.isoformat(), "reason": reason}
                for version, at, reason in log.reasons(user_id, each.intervention_id)
            }
            versions += [
                {**entry.to_dict(), **told[entry.version]}
                for entry in log.history(user_id, each.intervention_id)
            ]
    finally:
        log.close()
    looks_log = LookLog(settings.resolved_intervention_log_url)
    try:
        looks = looks_log.rows_of(user_id)
    finally:
        looks_log.close()
    snapshot = Snapshot(settings, logged=newest)
    plans = [
        asdict(with_days_needed(settings, snapshot.prepare_intervention(each))) for each in newest
    ]
    _write_json(packed, "interventions.json", versions)
    _write_records(packed, "interventions.csv", versions)
    _write_json(packed, "plans.json", plans)
    _write_records(packed, "looks.csv", looks)
    return {
        "interventions.csv": len(versions),
        "interventions.json": len(versions),
        "plans.json": len(plans),
        "looks.csv": len(looks),
    }


def _results(
    settings: Settings, user_id: str, packed: zipfile.ZipFile, scratch: Path
) -> dict[str, int]:
    """Write what every stored analysis came to, with its posterior; and what MLflow remembers."""
    store = open_store(settings)
    found, posteriors = [], 0
    for key in store.keys_of(user_id):
        newest = store.verdict(key)
        history = sorted(store.history(key), key=lambda each: each.fingerprint or "")
        verdicts = [*([newest] if newest is not None else []), *history]
        told: dict[str | None, dict[str, Any]] = {}
        for verdict in verdicts:
            # The newest verdict says what the looks come to; the analysis' own does not.
            told.setdefault(verdict.fingerprint, {"verdict": verdict.to_dict()})
        for verdict in verdicts:
            entry = told[verdict.fingerprint]
            entry["is_newest"] = newest is not None and verdict.fingerprint == newest.fingerprint
            if "posterior" not in entry:
                entry["posterior"] = _posterior(settings, verdict, packed, scratch)
                posteriors += entry["posterior"] is not None
        found += told.values()
    _write_json(packed, "results.json", found)
    history = list(_history(settings, user_id))
    _write_json(packed, "history.json", history)
    return {"results.json": len(found), "history.json": len(history), "posteriors/": posteriors}


def _posterior(
    settings: Settings, verdict: Verdict, packed: zipfile.ZipFile, scratch: Path
) -> str | None:
    """Write an analysis' draws as NetCDF; return under which name, or None where there are none."""
    if verdict.status != "analysed":
        return None
    try:
        analysis = load_analysis(settings, verdict)
    except LostAnalysisError:
        return None
    if analysis is None:
        return None
    name = f"posteriors/{verdict.intervention_id}/{verdict.fingerprint}.nc"
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        file = Path(folder) / "posterior.nc"
        analysis.idata.to_netcdf(str(file), compress=True)
        packed.write(file, name, zipfile.ZIP_STORED)
    return name


def _history(settings: Settings, user_id: str) -> Iterator[dict[str, Any]]:
    store = RunStore.from_settings(settings)
    file = sqlite_path(store.tracking_uri)
    page = None
    while file is None or file.is_file():
        found = store.history(user_id, page=page)
        yield from (asdict(run) for run in found.runs)
        page = found.next_page
        if page is None:
            return


def _kinds(settings: Settings, user_id: str, packed: zipfile.ZipFile) -> int:
    """Write the kinds that a person is in, with their own row and nobody else's."""
    found = [
        to_dict(record.with_rows_of(user_id.__eq__))
        for record in PooledStore(settings).all()
        if isinstance(record, PooledResult) and record.member(user_id) is not None
    ]
    _write_json(packed, "kinds.json", found)
    return len(found)


def _traits(settings: Settings, user_id: str, packed: zipfile.ZipFile) -> int:
    table = all_traits(settings)
    own = table[table["user_id"] == user_id]
    records = [
        {"trait": name, "value": value}
        for name, value in zip(own["trait"].tolist(), own["value"].tolist(), strict=True)
    ]
    _write_records(packed, "traits.csv", records)
    return len(own)


def _reports(settings: Settings, user_id: str, packed: zipfile.ZipFile) -> int:
    pages = sorted(path_of_name(settings.reports_dir, user_id).glob(f"*/{PAGE_FILE}"))
    found = {page.parent.name: page.read_text(encoding="utf-8") for page in pages}
    for key in Snapshot.of_person(settings, user_id).experiment_keys():
        name = page_path(settings, key).parent.name
        html = None if name in found else _left_page(settings, key)
        if html is not None:
            found[name] = html
    for name, html in found.items():
        packed.writestr(f"reports/{name}.html", _WAY_BACK.sub("", html))
    return len(found)


def _left_page(settings: Settings, key: str) -> str | None:
    """Return a page that is drawn on demand; None where there is nothing to draw it from."""
    if not is_left(read_mark(settings, page_path(settings, key))) and not has_shards(settings):
        return None
    try:
        draw_page(settings, key)
    except LookupError:
        return None
    opened = open_page(settings, key)
    if opened is None:
        return None
    with opened.file:
        return opened.file.read().decode()


def _write_rows(
    packed: zipfile.ZipFile, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> int:
    rows = 0
    with packed.open(name, "w") as file, pyarrow.csv.CSVWriter(file, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def _write_records(
    packed: zipfile.ZipFile, name: str, records: list[Mapping[str, Any]] | list[dict[str, Any]]
) -> None:
    text = io.StringIO(newline="")
    if records:
        writer = csv.DictWriter(text, list(records[0]))
        writer.writeheader()
        writer.writerows(
            {
                column: json.dumps(value, ensure_ascii=False, default=_plain)
                if isinstance(value, dict | list | tuple)
                else _plain(value)
                for column, value in record.items()
            }
            for record in records
        )
    packed.writestr(name, text.getvalue())


def _write_json(packed: zipfile.ZipFile, name: str, content: Any) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1, default=_plain)
    packed.writestr(name, text)


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | float) else str(value)
