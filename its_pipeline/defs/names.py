"""The names that several rooms of Dagster share: groups, tags, jobs, pools, owners.

What belongs here: constants. What does not: anything that is computed.
"""

from __future__ import annotations

from typing import Final

GROUP_EVENTS: Final = "events"
GROUP_EXPERIMENTS: Final = "experiments"
OWNERS: Final = ["team:its-pipeline"]

#: Pool of whoever rebuilds the daily outcomes or the analysts' warehouse: one at a time.
POOL_WAREHOUSE: Final = "warehouse"

JOB_INGEST: Final = "ingest_events"
JOB_REFRESH: Final = "refresh_experiments"
JOB_ANALYSE: Final = "analyse_experiment"
JOB_EVIDENCE: Final = "collect_evidence"
JOB_PEERS: Final = "audit_by_peers"
JOB_AUDIT: Final = "audit_intervals"
JOB_POOLED: Final = "refresh_pooled_effects"

#: Begins the name of a number of a run: how many events a rule of the contract rejected.
REJECTED_BY: Final = "rejected by "

#: Why a run was requested.
TAG_PURPOSE: Final = "its/purpose"
#: The night (ISO date) that a run belongs to.
TAG_NIGHT: Final = "its/night"
#: How many shards of a night there are, on the night's ingest run.
TAG_SHARDS: Final = "its/shards"
#: ``i`` of ``n``, on a shard's run; limits on this tag bound how many run at the same time.
TAG_SHARD: Final = "its/shard"
#: MLflow run of the Dagster run.
TAG_MLFLOW_RUN: Final = "its/mlflow_run_id"
#: Largest sequence of the intervention log that a run answers.
TAG_SEQUENCE: Final = "its/sequence"

PURPOSE_NIGHT: Final = "night"
PURPOSE_AUDIT: Final = "audit"
PURPOSE_INTERVENTION: Final = "intervention"
PURPOSE_BURST: Final = "burst"
PURPOSE_MANUAL: Final = "manual"
PURPOSE_DEMO: Final = "demo"

#: The tag by which Dagster's UI lists a code location's runs under its jobs.
TAG_REPOSITORY: Final = ".dagster/repository"
LOCATION: Final = "its_pipeline"
REPOSITORY_LABEL: Final = f"__repository__@{LOCATION}"
#: Host and process of a run that a command executes by itself.
TAG_PROCESS: Final = "its/process"
