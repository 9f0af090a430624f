"""Taking a person out of what was found out: results, pages, tables over everybody, audits.

What belongs here: folders that are one person's, and rows of tables that are everybody's. What does
not: the data themselves (`ingest.deletion`), the run store (`stores.person_runs`), or Dagster's
records (`dagster_records`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd

from its_pipeline.events.keys import SEPARATOR
from its_pipeline.experiments.audit_numbers import measured, needed_factors
from its_pipeline.experiments.evidence import collect_evidence
from its_pipeline.experiments.kind_pages import publish_kinds
from its_pipeline.experiments.page_cache import PageCache
from its_pipeline.experiments.peer_audit import read_peer_audit
from its_pipeline.experiments.pooling import kinds_of, refresh_kinds
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.shard_plan import drop_inputs
from its_pipeline.experiments.shared_files import shared_workshop
from its_pipeline.experiments.trust import people_of
from its_pipeline.files.atomic import exclusive, write_json
from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.files.names import path_of_name
from its_pipeline.ingest.daily import refresh_warehouse
from its_pipeline.leaving.departure import downloads_dir
from its_pipeline.settings import Settings
from its_pipeline.stores.placebo_audit import AuditStore


def delete_results(settings: Settings, user_id: str) -> int:
    """Delete a person's verdicts, analyses, pages and lists; return how many experiments they had.

    Result sets are written anew without them.

    Whoever analyses or publishes one of them is waited for, and finds after that who was forgotten.

    Parameters
    ----------
    settings
        The installation.
    user_id
        The person.
    """
    folder = path_of_name(settings.experiments_dir, user_id)
    pages = path_of_name(settings.reports_dir, user_id)
    names = {each.name for parent in (folder, pages) for each in _folders(parent)}
    for name in sorted(names):
        with exclusive(folder / name / ".lock"), exclusive(pages / name / ".lock"):
            shutil.rmtree(folder / name)
            shutil.rmtree(pages / name)
    drop_inputs(settings, user_id)
    in_sets = open_store(settings).sets.drop_person(user_id)
    for left in (folder, pages):
        shutil.rmtree(left, ignore_errors=True)
    PageCache.of(settings).delete_of_person(user_id)
    with exclusive(settings.adhoc_dir / f".{user_id}.lock"):
        (settings.adhoc_dir / f"{user_id}.json").unlink(missing_ok=True)
    (settings.adhoc_dir / f".{user_id}.lock").unlink()
    shutil.rmtree(downloads_dir(settings, user_id), ignore_errors=True)
    return max(len(names), len(in_sets))


def delete_from_tables(settings: Settings, user_id: str) -> None:
    """Write the tables and pages over everybody anew, as far as there are any.

    Parameters
    ----------
    settings
        The installation, whose log and daily outcomes have nothing of the person any more.
    user_id
        The person.
    """
    with shared_workshop(settings):
        pass  # What a killed writer left there is gone, with whoever was in it.
    _delete_from_placebo_audit(settings, user_id)
    _delete_from_peer_audit(settings, user_id)
    publish_kinds(settings)
    if settings.evidence_path.exists():
        collect_evidence(settings)
    if settings.warehouse_path.exists():
        refresh_warehouse(settings)


def delete_from_kinds(settings: Settings, user_id: str) -> int:
    """Make the kinds that a person was in anew without them, or delete them; return how many.

    Parameters
    ----------
    settings
        The installation, whose log still has what the person tried.
    user_id
        The person, who is marked already.
    """
    if not settings.pooled_dir.is_dir():
        return 0
    kinds = kinds_of(settings, user_id)
    done = refresh_kinds(settings, kinds)
    return sum(kind.made for kind in done.kinds) + len(done.removed)


def _folders(parent: Path) -> Iterator[Path]:
    return parent.iterdir() if parent.is_dir() else iter(())


def _delete_from_placebo_audit(settings: Settings, user_id: str) -> None:
    """Measure again without the person's windows; factors in force stay, as others' answers do."""
    store = AuditStore(settings)
    windows = read_or_set_aside(store.windows_path, pd.read_parquet, settings.store_root)
    if windows is None or not (windows["user_id"] == user_id).any():
        return
    windows = windows[windows["user_id"] != user_id].reset_index(drop=True)
    audit = store.read()
    if audit is None:
        store.windows_path.unlink()
        return
    factors = {name: each.factor for name, each in store.factors().items()}
    rows, needed = measured(windows, factors), needed_factors(windows)
    people = len(people_of(settings))
    store.write(replace(audit, rows=rows, needed=needed, people=people), windows)


def _delete_from_peer_audit(settings: Settings, user_id: str) -> None:
    audit = read_peer_audit(settings)
    if audit is None:
        return
    kept = [each for each in audit.answers if each.key.partition(SEPARATOR)[0] != user_id]
    if len(kept) == len(audit.answers):
        return
    told = json.loads(settings.peer_audit_path.read_bytes())
    answers = {**told, "answers": [asdict(each) for each in kept]}
    with shared_workshop(settings) as folder:
        write_json(settings.peer_audit_path, answers, within=folder)
