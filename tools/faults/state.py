"""What a store holds, in a form in which two stores can be compared.

What belongs here: everything that must be the same after an undisturbed and after a disturbed
night, and nothing that may differ (clock times, run identifiers). What does not: disturbing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pandas as pd

from its_pipeline.defs.home import open_instance
from its_pipeline.events.keys import SEPARATOR
from its_pipeline.events.shards import Shard
from its_pipeline.experiments.pages import draw_page, open_page
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import page_path
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.shard_runs import untold
from its_pipeline.experiments.sharding import has_shards, known_shards, shard_of_key
from its_pipeline.its.packing import packed
from its_pipeline.settings import Settings
from its_pipeline.stores.look_log import LookLog
from its_pipeline.stores.runs import RunStore
from its_pipeline.stores.shard_newest import recorded_shard_run
from its_pipeline.stores.shard_records import TABLE_FILE, TAG_SHARD
from its_pipeline.stores.verdict import STATUSES

#: Fields of a verdict that say when and by whom, not what.
PASSING = ("decided_at", "dagster_run_id", "computed_seconds")


#: Whoever draws a page whose verdict is another one meanwhile draws again, as the server does.
_OPENED_AT_MOST = 20


def digest(path: Path) -> str:
    """Return a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def leftovers(root: Path) -> list[str]:
    """Return what an interrupted writer left behind anywhere in the store."""
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.name.startswith(".unfinished-") or path.name.endswith((".part", ".tmp"))
    )


def lake_state(settings: Settings) -> dict[str, str]:
    """Return every Parquet file outside the experiments with its digest."""
    files = [*settings.lake_dir.rglob("*.parquet"), settings.daily_outcomes_path]
    return {path.relative_to(settings.store_root).as_posix(): digest(path) for path in files}


def experiment_state(settings: Settings) -> dict[str, Any]:
    """Return, for every experiment in the log, its verdict, effects, draws and published files."""
    store = open_store(settings)
    found: dict[str, Any] = {}
    for key in Snapshot(settings).experiment_keys():
        verdict = store.verdict(key)
        if verdict is None:
            found[key] = None
            continue
        plain = {n: v for n, v in verdict.to_dict().items() if n not in PASSING}
        analyses = {}
        for each in store.history(key):
            stored = store.stored(key, each.fingerprint or "")
            if stored is None:
                raise ValueError(f"{key} has lost the analysis {each.fingerprint}")
            told = {name: value for name, value in stored[0].told.items() if name != "timing"}
            # The same bytes wherever it lies.
            bits = packed(replace(stored[0], told={}), stored[1])
            analyses[each.fingerprint] = {"told": told, "bits": hashlib.sha256(bits).hexdigest()}
        page = page_path(settings, key)
        found[key] = {
            "verdict": plain,
            "analyses": analyses,
            "announced": _announced(settings, key),
            "plots": {path.name: digest(path) for path in page.parent.glob("*.png")},
            "page_is_whole": page_is_whole(settings, key),
        }
    return found


def page_is_whole(settings: Settings, key: str) -> bool:
    """Tell whether what a person is shown of an experiment ends where a page ends."""
    if not has_shards(settings):
        return page_path(settings, key).read_text().rstrip().endswith("</html>")
    for _ in range(_OPENED_AT_MOST):
        draw_page(settings, key)
        opened = open_page(settings, key)
        if opened is not None:
            with opened.file as file:
                return file.read().decode().rstrip().endswith("</html>")
    return False


def _announced(settings: Settings, key: str) -> Any:
    """Return what Dagster was told of an experiment; with shards, whether of its shard's newest."""
    shards = known_shards(settings)
    if not shards:
        return open_store(settings).announced(key)
    return not untold(settings, shard_of_key(key, len(shards)))


def mlflow_state(settings: Settings) -> dict[str, Any]:
    """Return how often each analysis is recorded, with which files, and what is still open."""
    client, experiment_id = RunStore.from_settings(settings).open()
    runs: list[Any] = []
    token: str | None = None
    while token is None or token:
        page = client.search_runs([experiment_id], max_results=1000, page_token=token or None)
        runs += page
        token = page.token or ""
    children = [run for run in runs if "its.fingerprint" in run.data.tags]
    finished = [run for run in children if run.info.status == "FINISHED"]
    recorded = Counter(
        (run.data.tags["its.user_id"], run.data.tags["its.fingerprint"]) for run in finished
    )
    artifacts = {
        run.data.tags["its.user_id"]: sorted(
            path.relative_to(run.info.artifact_uri.removeprefix("file://")).as_posix()
            for path in Path(run.info.artifact_uri.removeprefix("file://")).rglob("*")
            if path.is_file()
        )
        for run in finished
    }
    shards = [run for run in runs if TAG_SHARD in run.data.tags]
    return {
        "shards": shard_tables(settings),
        "open_shards": sum(run.info.status != "FINISHED" for run in shards),
        "recorded": {"|".join(key): count for key, count in sorted(recorded.items())},
        "open": sum(run.info.status == "RUNNING" for run in children),
        "metrics": {
            run.data.tags["its.user_id"]: {
                name: value for name, value in run.data.metrics.items() if "seconds" not in name
            }
            for run in finished
        },
        "artifacts": artifacts,
    }


def shard_tables(settings: Settings) -> dict[str, Any]:
    """Return what MLflow's newest run of each shard tells of its experiments."""
    client, _ = RunStore.from_settings(settings).open()
    found = {}
    for shard in known_shards(settings):
        run_id = recorded_shard_run(settings, shard.name)
        if run_id is None:
            found[shard.name] = None
            continue
        folder = Path(str(client.get_run(run_id).info.artifact_uri).removeprefix("file://"))
        table = pd.read_parquet(folder / TABLE_FILE).drop(columns="decided_at")
        found[shard.name] = table.to_csv(index=False)
    return found


def dagster_state(settings: Settings) -> dict[str, Any]:
    """Return the newest fingerprint and check result that Dagster knows of each experiment."""
    found: dict[str, Any] = {}
    with open_instance(settings) as instance:
        keys = sorted(instance.get_dynamic_partitions("experiment"))
        for key in keys:
            newest = {}
            for asset in ("its_plan", "its_fit", "its_report"):
                records = instance.fetch_materializations(
                    dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[key]), limit=1
                ).records
                event = records[0].asset_materialization if records else None
                mark = None if event is None else event.metadata.get("fingerprint")
                counts = {} if event is None else _counts(event)
                newest[asset] = (
                    None if event is None else (mark.value if mark else counts or "there")
                )
            found[key] = newest
    return found


def _counts(event: dg.AssetMaterialization) -> dict[str, Any]:
    """Return how a shard stands by what Dagster was told of it; nothing of an experiment."""
    if Shard.of_name(event.partition or "") is None:
        return {}
    named = (*STATUSES, "experiments", "published")
    return {n: event.metadata[n].value for n in named if n in event.metadata}


def table_state(settings: Settings) -> dict[str, Any]:
    """Return the evidence table's contents and the warehouse's row counts."""
    table = pd.read_parquet(settings.evidence_path).drop(columns=list(PASSING))
    connection = duckdb.connect(str(settings.warehouse_path), read_only=True)
    try:
        rows = connection.execute("select count(*) from daily_outcomes").fetchall()
    finally:
        connection.close()
    return {"evidence": table.to_csv(index=False), "daily_rows": rows[0][0]}


def look_state(settings: Settings) -> dict[str, Any]:
    """Return every look that was taken, by person, as it is kept."""
    users = {key.partition(SEPARATOR)[0] for key in Snapshot(settings).experiment_keys()}
    return {
        user: [
            {name: str(value) for name, value in row.items() if name != "taken_at"}
            for row in look_rows(settings, user)
        ]
        for user in sorted(users)
    }


def look_rows(settings: Settings, user_id: str) -> list[dict[str, Any]]:
    """Return every look that was taken at a person's interventions, as it is kept."""
    log = LookLog(settings.resolved_intervention_log_url)
    try:
        return log.rows_of(user_id)
    finally:
        log.close()


def whole_state(settings: Settings) -> dict[str, Any]:
    """Return everything that a night must come to, however it got there."""
    return {
        "leftovers": leftovers(settings.store_root),
        "lake": lake_state(settings),
        "experiments": experiment_state(settings),
        "looks": look_state(settings),
        "mlflow": mlflow_state(settings),
        "dagster": dagster_state(settings),
        "tables": table_state(settings),
    }


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    """Return where two states differ, one line each."""
    if isinstance(expected, dict) and isinstance(found, dict):
        lines = []
        for name in sorted(expected.keys() | found.keys(), key=str):
            if name not in expected or name not in found:
                lines.append(f"{path}/{name}: {'missing' if name in expected else 'unexpected'}")
            else:
                lines += differences(expected[name], found[name], f"{path}/{name}")
        return lines
    if expected == found or (expected != expected and found != found):
        return []
    return [f"{path}: {str(expected)[:200]} became {str(found)[:200]}"]
