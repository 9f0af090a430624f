"""The jobs over assets: one experiment, the evidence of all, and the audit of the intervals.

What belongs here: which assets a job materialises. What does not: bulk work (`refresh_job`).
"""

from __future__ import annotations

import dagster as dg

from its_pipeline.defs.names import JOB_ANALYSE, JOB_AUDIT, JOB_EVIDENCE, JOB_PEERS

analyse_experiment = dg.define_asset_job(
    JOB_ANALYSE,
    selection=["its_plan", "its_fit", "its_report"],
    executor_def=dg.in_process_executor,
    description=(
        "Plans, fits, checks and publishes one experiment. Fails where the sampler did not "
        "converge: the check that blocks the report is red. Waiting is no failure."
    ),
)

collect_evidence = dg.define_asset_job(
    JOB_EVIDENCE,
    selection=["evidence"],
    executor_def=dg.in_process_executor,
    description="Puts all experiments' verdicts into one table and one index page.",
)

audit_intervals = dg.define_asset_job(
    JOB_AUDIT,
    selection=["placebo_audit"],
    executor_def=dg.in_process_executor,
    description=(
        "Tries the intervals on days without any change, and adopts the factors that are due."
    ),
)

audit_by_peers = dg.define_asset_job(
    JOB_PEERS,
    selection=["peer_audit"],
    executor_def=dg.in_process_executor,
    description="Fits a few analyses again with PyMC; minutes each.",
)
