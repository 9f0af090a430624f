"""One Ray node against two: the same night of a sharded store, and the same bytes.

``python -m benchmarks.ray_nodes --experiments 600`` starts nodes of one core each on this machine,
evaluates copies of one planned store with one node, two, and one again, on warm workers, and holds
the result sets against what one process writes. Target on a machine with a core to spare for each
node: two are at least 1.7 times as fast.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks._store import make_store
from benchmarks._table import machine, write_table
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.shard_plan import plan_shards
from its_pipeline.experiments.shard_runs import refresh_shards
from its_pipeline.experiments.sharding import shards_of
from its_pipeline.settings import Settings

NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 200 * 1024 * 1024}


def night(planned: Settings, root: Path, n: int, **changes: object) -> tuple[float, list[bytes]]:
    """Evaluate a copy of a planned store; return the seconds and its sets' bytes."""
    shutil.copytree(planned.store_root, root)
    settings = planned.model_copy(update={"store_root": root, **changes})
    started = time.perf_counter()
    for _, summary in refresh_shards(settings, shards_of(settings, n)):
        if summary.crashed:
            raise RuntimeError(summary.problems[summary.crashed[0]])
    seconds = time.perf_counter() - started
    return seconds, sorted(path.read_bytes() for path in open_store(settings).sets.paths())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=600)
    n = parser.parse_args().experiments
    os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    with tempfile.TemporaryDirectory() as folder:
        _measure(Path(folder), n)


def _measure(root: Path, n: int) -> None:
    import ray
    from ray.cluster_utils import Cluster

    planned = make_store(root / "planned", n).model_copy(update={"audit_share": 0.0})
    plan_shards(planned, shards_of(planned, n))
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    ray.init(address=cluster.address, log_to_driver=False)
    few = make_store(root / "few", 100).model_copy(update={"audit_share": 0.0})
    found = []

    def measured(nodes: int) -> None:
        warm = night(few, root / f"warm-{len(found)}", 100, engine="ray")[0]
        seconds, sets = night(planned, root / f"night-{len(found)}", n, engine="ray")
        found.append((nodes, warm, seconds, sets))
        print(nodes, warm, seconds, os.getloadavg(), flush=True)

    try:
        measured(1)
        second = cluster.add_node(**NODE)
        measured(2)
        cluster.remove_node(second)
        measured(1)
    finally:
        ray.shutdown()
        cluster.shutdown()
    alone, expected = night(planned, root / "alone", n, refresh_workers=1)
    if any(sets != expected for *_, sets in found):
        raise RuntimeError("the result sets differ from one process' own")
    one = (found[0][2] + found[2][2]) / 2
    lines = [
        "## One Ray node and two\n",
        f"`python -m benchmarks.ray_nodes --experiments {n}`, {machine()}, load average "
        f"{os.getloadavg()[1]:.1f} (what other work on the machine takes is in the seconds)\n",
        "| nodes of one core | seconds | experiments a second |",
        "|---|---|---|",
        *(f"| {nodes} | {seconds:.1f} | {n / seconds:.1f} |" for nodes, _, seconds, _ in found),
        f"| none: one process | {alone:.1f} | {n / alone:.1f} |",
        f"\nTwo nodes over one: **{one / found[1][2]:.2f}** times as fast. All four wrote the same "
        "bytes.",
    ]
    write_table("ray_nodes", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
