"""One shard of a bulk run as a process of its own; what a run launcher starts on some machine.

``python -m tools.faults.shards STORE_ROOT SHARD SHARDS``, with the
installation's settings in the environment.
"""

from __future__ import annotations

import sys
from pathlib import Path

from its_pipeline.defs.build import build_defs
from its_pipeline.defs.home import open_instance
from tools.stores import short_settings


def main() -> None:
    root, shard, shards = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    settings = short_settings(
        root, intervention_log_url=sys.argv[4], mlflow_tracking_uri=sys.argv[5]
    )
    job = build_defs(settings).resolve_job_def("refresh_experiments")
    with open_instance(settings) as instance:
        print(type(instance.event_log_storage).__name__, flush=True)
        result = job.execute_in_process(
            run_config={"ops": {"refresh": {"config": {"shard": shard, "shards": shards}}}},
            instance=instance,
            raise_on_error=True,
        )
    raise SystemExit(0 if result.success else 1)


if __name__ == "__main__":
    main()
