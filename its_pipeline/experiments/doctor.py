"""Looking at everything in a store: what is damaged, what that means, and what would be done.

What belongs here: the findings, and setting aside what is derived. What does not: making anything
again (`its-pipeline run` does), or what every night looks at by itself (`wholeness`). Everything
is read to its end here, so that also a byte that changed in a file of the right size and time is
found.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from its_pipeline.events.closed_days import closed_days_damage, newest_version
from its_pipeline.events.import_folders import import_versions, imports_dir, version_damage
from its_pipeline.events.log_copies import log_copies, log_damage, log_file
from its_pipeline.events.metrics import IMPORTED_FOLDER, read_metrics_file
from its_pipeline.experiments.own_files import keys_with_files
from its_pipeline.experiments.publish import page_contents, page_path
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.sharding import KNOWN_FOLDER, SHARDS_FILE, SHARDS_FOLDER
from its_pipeline.files.contents import CONTENTS_FILE, differing, read_contents
from its_pipeline.files.damage import DAMAGE, set_aside
from its_pipeline.files.parquet import file_batches
from its_pipeline.files.sqlite import set_aside_sqlite, sqlite_damage
from its_pipeline.settings import Settings
from its_pipeline.stores.lake import (
    BEHAVIORAL_EVENTS,
    CLOSED_EVENTS,
    REJECTED_EVENTS,
    VALID_EVENTS,
    Lake,
)
from its_pipeline.stores.placebo_audit import AuditStore
from its_pipeline.stores.run_database import sqlite_path
from its_pipeline.stores.shard_newest import RECORDS_FOLDER
from its_pipeline.stores.verdict import Verdict

AGAIN: Final = "is set aside; `its-pipeline run` makes it again"
BY_HAND: Final = "cannot be made again: put it back from a backup"


@dataclass(frozen=True)
class Finding:
    """One thing that is damaged.

    Attributes
    ----------
    path
        The file or folder.
    damage
        What is wrong with it.
    remedy
        What is done about it, and by which command.
    is_derived
        Whether it may be set aside: it is made again from what is there.
    """

    path: Path
    damage: str
    remedy: str
    is_derived: bool = True


def findings(settings: Settings) -> Iterator[Finding]:
    """Look at everything; nothing is changed.

    Parameters
    ----------
    settings
        The installation.
    """
    damage = log_damage(settings.resolved_intervention_log_url)
    file = log_file(settings.resolved_intervention_log_url)
    if damage and file is not None:
        copies = log_copies(file)
        remedy = BY_HAND
        if copies:
            remedy = f"its newest copy is {copies[0]}: `its-pipeline doctor --restore-log`"
        yield Finding(file, damage, remedy, is_derived=False)
    yield from _databases(settings)
    yield from _settings_files(settings)
    yield from _events(settings)
    yield from _tables(settings)
    for path, why in open_store(settings).sets.damage():
        yield Finding(path, why, f"its damaged part {AGAIN} where it is the newest one")
    yield from _shards(settings)
    if not damage:
        yield from _experiments(settings)


def repair(settings: Settings, found: list[Finding]) -> list[Finding]:
    """Set aside what is damaged and made again by a run; return the rest, which is not touched."""
    left = []
    for finding in found:
        if not finding.is_derived or not finding.path.is_relative_to(settings.store_root):
            left.append(finding)
        elif finding.path.suffix == ".db":
            set_aside_sqlite(finding.path, settings.store_root, finding.damage)
        elif finding.path.parent == open_store(settings).sets.folder:
            open_store(settings).sets.save_rest(finding.path, finding.damage)
        elif finding.path.exists():
            set_aside(finding.path, settings.store_root, finding.damage)
    return left


def _damage(path: Path, read: Callable[[Path], Any]) -> str:
    """Return how a file is damaged; empty where it can be read, or is not there."""
    if not path.exists():
        return ""
    try:
        read(path)
    except DAMAGE as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _parquet(path: Path) -> None:
    for _ in file_batches(path):
        pass


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _databases(settings: Settings) -> Iterator[Finding]:
    runs = sqlite_path(settings.resolved_mlflow_tracking_uri)
    files = [*([runs] if runs is not None else []), *sorted(settings.dagster_home.rglob("*.db"))]
    for path in files:
        damage = sqlite_damage(path, thorough=True)
        if damage:
            yield Finding(path, damage, f"{AGAIN}, without what only it knew of earlier runs")


def _settings_files(settings: Settings) -> Iterator[Finding]:
    for path in (settings.installation_file, settings.resolved_metrics_file):
        if path is None:
            continue
        damage = _damage(path, _json if path.suffix == ".json" else read_metrics_file)
        if damage:
            yield Finding(path, damage, BY_HAND, is_derived=False)
    for path in sorted((settings.store_root / IMPORTED_FOLDER).glob("*.yaml")):
        damage = _damage(path, read_metrics_file)
        if damage:
            yield Finding(path, damage, AGAIN)
    audit = AuditStore(settings)
    for path in (audit.audit_path, settings.peer_audit_path):
        damage = _damage(path, _json)
        if damage:
            yield Finding(path, damage, "is set aside; the next weekly audit makes it again")
    damage = _damage(audit.factors_path, _json)
    if damage:
        yield Finding(audit.factors_path, damage, f"its copy {audit.factors_copy_path} is read")


def _events(settings: Settings) -> Iterator[Finding]:
    for folder in sorted(imports_dir(settings).glob("[!.]*")):
        for version in import_versions(folder)[-1:]:
            damage = version_damage(folder / version)
            if damage:
                remedy = "import the same file again under the same name; the lake keeps its days"
                yield Finding(folder / version, damage, remedy, is_derived=False)
    newest = newest_version(settings)
    damage = closed_days_damage(newest, thorough=True) if newest is not None else ""
    if newest is not None and damage:
        yield Finding(newest, f"outcomes of closed days: {damage}", BY_HAND, is_derived=False)
    lake = Lake(settings.lake_dir)
    for day in lake.days(CLOSED_EVENTS):
        path = lake.path(CLOSED_EVENTS, day)
        if damage := _damage(path, _parquet):
            remedy = (
                "is set aside; nothing makes it again, and it is missed only where events come for "
                "this closed day: those that it had are refused as late then, like new ones"
            )
            yield Finding(path, damage, remedy)
    for table in (BEHAVIORAL_EVENTS, VALID_EVENTS, REJECTED_EVENTS):
        for day in lake.days(table):
            path = lake.path(table, day)
            damage = _damage(path, _parquet)
            if damage:
                remedy = AGAIN
                if table == BEHAVIORAL_EVENTS:
                    remedy += ", as far as its source still has the day"
                yield Finding(path, damage, remedy)


def _tables(settings: Settings) -> Iterator[Finding]:
    for path in (
        settings.daily_outcomes_path,
        settings.evidence_path,
        settings.compliance_path,
        AuditStore(settings).windows_path,
    ):
        damage = _damage(path, _parquet)
        if damage:
            yield Finding(path, damage, AGAIN)
    damage = _damage(settings.warehouse_path, _duckdb)
    if damage:
        yield Finding(settings.warehouse_path, damage, AGAIN)


def _duckdb(path: Path) -> None:
    import duckdb

    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise ValueError(str(error)) from error
    try:
        for (name,) in connection.execute("SHOW TABLES").fetchall():
            connection.execute(f'SELECT count(COLUMNS(*)) FROM "{name}"').fetchall()  # noqa: S608
    except duckdb.Error as error:
        raise ValueError(str(error)) from error
    finally:
        connection.close()


def _shards(settings: Settings) -> Iterator[Finding]:
    """Look at what is known of shards besides their results, and at inputs that wait for a run."""
    known = settings.store_root / SHARDS_FOLDER
    folders = (known, known / KNOWN_FOLDER, settings.store_root / RECORDS_FOLDER)
    files = [path for folder in folders for path in sorted(folder.glob("[!.]*")) if path.is_file()]
    for path in (settings.store_root / SHARDS_FILE, *files):
        damage = _damage(path, _json if path.suffix == ".json" else _parquet)
        if damage:
            yield Finding(path, damage, AGAIN)


def _experiments(settings: Settings) -> Iterator[Finding]:
    store = open_store(settings)
    for key in keys_with_files(settings):
        folder = store.folder(key)
        damage = _damage(folder / "verdict.json", _verdict)
        if damage:
            yield Finding(folder / "verdict.json", damage, AGAIN)
        for path in (folder / "announced.json", *sorted(folder.glob("recorded/*.json"))):
            damage = _damage(path, _json)
            if damage:
                yield Finding(path, damage, AGAIN)
        for analysis in sorted(folder.glob("runs/[!.]*")):
            yield from _analysis(analysis)
        page = page_path(settings, key)
        if not _damage(page.with_name(CONTENTS_FILE), read_contents):
            contents = page_contents(settings, key) or {}
            for name, why in differing(page.parent, contents, thorough=True).items():
                yield Finding(page.with_name(name), why, AGAIN)


def _analysis(folder: Path) -> Iterator[Finding]:
    remedy = f"{AGAIN} where it is the newest one; an older one is not"
    contents = folder / CONTENTS_FILE
    if not contents.exists() or _damage(contents, read_contents):
        from its_pipeline.its import Analysis

        damage = _damage(folder / "verdict.json", _verdict)
        if not damage and _verdict(folder / "verdict.json").diagnostics is not None:
            damage = _damage(folder, Analysis.load)
        if damage:
            yield Finding(folder, damage, remedy)
        return
    for name, why in differing(folder, read_contents(contents), thorough=True).items():
        yield Finding(folder, f"{name}: {why}", remedy)
        return


def _verdict(path: Path) -> Verdict:
    return Verdict.from_dict(_json(path))
