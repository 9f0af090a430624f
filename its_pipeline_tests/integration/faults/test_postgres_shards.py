"""Two shards at once on PostgreSQL: Dagster's storage, MLflow's backend, the intervention log."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import dagster as dg
import pytest
import yaml

from its_pipeline.defs.home import open_instance
from its_pipeline.experiments.bulk import shard_of
from its_pipeline.experiments.service import open_store
from its_pipeline.stores.runs import RunStore
from its_pipeline_tests.postgres import postgres_server
from tools.postgres import PostgresServer
from tools.stores import log_intervention, series, short_settings, write_daily

__all__ = ["postgres_server"]

pytestmark = pytest.mark.postgres

USERS = tuple(f"user-{number}" for number in range(6))


def test_two_shards_at_once_on_postgresql(postgres_server: PostgresServer, tmp_path) -> None:
    urls = {
        name: postgres_server.create_database(name).replace("postgresql:", "postgresql+psycopg2:")
        for name in ("dagster", "mlflow", "log")
    }
    settings = short_settings(
        tmp_path, intervention_log_url=urls["log"], mlflow_tracking_uri=urls["mlflow"]
    )
    write_daily(settings, {user: series(seed=n) for n, user in enumerate(USERS)})
    for user in USERS:
        log_intervention(settings, user)
    keys = [f"{user}|morning" for user in USERS]
    assert {shard_of(key, 2) for key in keys} == {0, 1}
    settings.dagster_home.mkdir()
    (settings.dagster_home / "dagster.yaml").write_text(
        yaml.safe_dump(
            {
                "telemetry": {"enabled": False},
                "storage": {"postgres": {"postgres_url": urls["dagster"]}},
            }
        )
    )
    shards = [
        subprocess.Popen(
            [
                sys.executable, "-W", "ignore", "-m",
                "tools.faults.shards",
                str(tmp_path), str(shard), "2", urls["log"], urls["mlflow"],
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for shard in range(2)
    ]  # fmt: skip
    outputs = [shard.communicate(timeout=400)[0] for shard in shards]
    assert [shard.returncode for shard in shards] == [0, 0], "\n".join(outputs)[-4000:]
    assert all("PostgresEventLogStorage" in output for output in outputs)

    verdicts = [open_store(settings).verdict(key) for key in keys]
    assert {verdict.status for verdict in verdicts if verdict} == {"analysed"}
    client, experiment = RunStore.from_settings(settings).open()
    runs = [run for run in client.search_runs([experiment]) if "its.fingerprint" in run.data.tags]
    assert Counter(run.data.tags["its.user_id"] for run in runs) == dict.fromkeys(USERS, 1)
    assert {run.info.status for run in runs} == {"FINISHED"}
    # Artifacts lie in the store that all machines share, not in some process's working directory.
    shared = str(settings.mlflow_artifact_dir)
    assert all(shared in str(run.info.artifact_uri) for run in runs)
    assert sorted(tmp_path.iterdir()) == sorted(
        tmp_path / name
        for name in ("daily_outcomes.parquet", "dagster", "experiments", "mlartifacts", "reports")
    )
    with open_instance(settings) as instance:
        assert sorted(instance.get_dynamic_partitions("experiment")) == keys
        for asset in ("its_plan", "its_fit", "its_report"):
            records = instance.fetch_materializations(dg.AssetKey(asset), limit=100).records
            assert Counter(record.partition_key for record in records) == dict.fromkeys(keys, 1)
        assert {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}
