"""Shards on a real Ray cluster of several nodes on this machine: what is lost, and what is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from its_pipeline.events.shards import Shard
from its_pipeline.experiments import shard_input
from its_pipeline.experiments.bulk import RefreshSummary
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.shard_plan import plan_shards
from its_pipeline.experiments.shard_runs import refresh_shard
from its_pipeline.settings import Settings
from its_pipeline_tests.support import PROJECT_ROOT
from tools.stores import log_intervention, series, short_settings, write_daily

N_PEOPLE = 24
ALL = Shard(1, 0)
NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 1024 * 1024}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one core each."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_AUTH_MODE", "disabled")
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        found = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        found.add_node(**NODE)
        yield found
        found.shutdown()


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a store whose shard is planned, in chunks of two people."""
    settings = short_settings(tmp_path_factory.mktemp("ray") / "store", refresh_workers=1)
    people = {f"u{number:02d}": series(seed=number, effect=3.0) for number in range(N_PEOPLE)}
    write_daily(settings, people)
    for user in people:
        log_intervention(settings, user)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shard_input, "CHUNK_PEOPLE", 2)
        plan_shards(settings, [ALL])
    return settings


@pytest.fixture(scope="module")
def expected(planned: Settings, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the result set that one process comes to."""
    settings = copied(planned, tmp_path_factory.mktemp("alone") / "store")
    assert refresh_shard(settings, ALL).computed == N_PEOPLE
    return results(settings)


def copied(settings: Settings, root: Path, **changes: object) -> Settings:
    shutil.copytree(settings.store_root, root)
    return settings.model_copy(update={"store_root": root, **changes})


def results(settings: Settings) -> bytes:
    [path] = open_store(settings).sets.paths()
    return path.read_bytes()


def tasks(node: Any) -> list[psutil.Process]:
    """Return the processes of a node that compute chunks."""
    found = []
    for infos in node.all_processes.values():
        for info in infos:
            if psutil.pid_exists(info.process.pid):
                children = psutil.Process(info.process.pid).children(recursive=True)
                found += [each for each in children if "_compute" in "".join(each.cmdline())]
    return found


def test_one_cluster_three_losses_and_the_same_bytes(cluster, planned, expected, tmp_path):
    """A worker and a node are killed while it runs; another node joins; nothing else is lost."""
    settings = copied(planned, tmp_path / "s", engine="ray", ray_address=cluster.address)
    killed: list[str] = []
    spare = cluster.add_node(**NODE)

    def hurt(done: int, total: int, summary: RefreshSummary) -> None:
        if not killed:
            busy = [process for node in cluster.list_all_nodes() for process in tasks(node)]
            busy[0].kill()
            killed.append("worker")
        elif len(killed) == 1 and done >= 8:
            cluster.remove_node(spare, allow_graceful=False)
            killed.append("node")

    summary = refresh_shard(settings, ALL, on_progress=hurt)
    assert killed == ["worker", "node"]
    assert (summary.counts["analysed"], summary.crashed) == (N_PEOPLE, [])
    assert results(settings) == expected


def test_a_lost_driver_costs_the_chunks_in_hand(cluster, planned, expected, tmp_path):
    """Another driver, with one process of its own, goes on with what is missing."""
    settings = copied(planned, tmp_path / "s", engine="ray", ray_address=cluster.address)
    script = (
        "import sys; from its_pipeline.settings import Settings; "
        "from its_pipeline.events.shards import Shard; "
        "from its_pipeline.experiments.shard_runs import refresh_shard; "
        "refresh_shard(Settings.model_validate_json(sys.argv[1]), Shard(1, 0))"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", script, settings.model_dump_json()],
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
    )
    try:
        until = time.monotonic() + 120
        while len(open_store(settings).sets.paths()) < 3:
            assert driver.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
    finally:
        driver.kill()
        driver.wait()
    stored = len(open_store(settings).sets.experiments())
    assert 6 <= stored < N_PEOPLE
    again = refresh_shard(settings.model_copy(update={"engine": "local"}), ALL)
    assert (again.counts["unchanged"], again.computed) == (stored, N_PEOPLE - stored)
    assert results(settings) == expected
