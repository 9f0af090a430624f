"""What the server counts, for Prometheus.

What belongs here: the names and labels of counters. What does not: users or values of requests,
which never become labels.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from its_pipeline.api.http.audit import AuditLog
from its_pipeline.processes.pool import WorkerPool

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Monitoring:
    """What is counted of one server.

    Parameters
    ----------
    pool, audit
        Their state is read when the counts are.
    """

    def __init__(self, pool: WorkerPool, audit: AuditLog) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "its_api_requests_total",
            "Requests by route and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "its_api_request_seconds",
            "Time to answer, by route.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.fit_seconds = Histogram(
            "its_api_fit_seconds",
            "Time that computing one analysis took.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.verdicts = Counter(
            "its_api_verdicts_total",
            "Analyses asked for, by what came out and whether it was known.",
            ("status", "cached"),
            registry=self.registry,
        )
        self.coalesced = Counter(
            "its_api_coalesced_total",
            "Requests that shared another one's analysis.",
            registry=self.registry,
        )
        self.abandoned = Counter(
            "its_api_abandoned_total",
            "Requests whose client went away before the answer.",
            registry=self.registry,
        )
        self.refusals = Counter(
            "its_api_refusals_total",
            "Requests refused at the door, by problem: no token, too many, not HTTP/1.1.",
            ("problem",),
            registry=self.registry,
        )
        self.adhoc_removed = Counter(
            "its_api_adhoc_removed_total",
            "Analyses of people's own questions removed because newer ones took their place.",
            registry=self.registry,
        )
        Gauge(
            "its_api_audit_writable",
            "1, or 0 while the audit log cannot be written.",
            registry=self.registry,
        ).set_function(lambda: float(audit.is_writable))
        for name, text in (
            ("workers", "Worker processes configured."),
            ("ready", "Worker processes that can take work."),
            ("queued", "Analyses that wait."),
            ("running", "Analyses being computed."),
            ("replaced", "Worker processes that died or were ended."),
        ):
            gauge = Gauge(f"its_api_pool_{name}", text, registry=self.registry)
            gauge.set_function(lambda name=name: float(getattr(pool.state(), name)))

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)
