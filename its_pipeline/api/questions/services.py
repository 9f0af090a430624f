"""What the routes of one server share.

What belongs here: opening and closing it, and reads that several routes need. What does not: HTTP,
or anything about a single request.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from its_pipeline.api.http.audit import AuditLog, open_audit_log
from its_pipeline.api.http.monitoring import Monitoring
from its_pipeline.api.http.problems import Problem
from its_pipeline.api.http.server_settings import ServerSettings
from its_pipeline.api.workers.jobs import start_jobs
from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.interventions import Intervention, InterventionLog
from its_pipeline.experiments.service import open_store
from its_pipeline.processes.pool import WorkerPool
from its_pipeline.settings import Settings
from its_pipeline.stores.adhoc import AdhocAnalyses
from its_pipeline.stores.experiment_store import ExperimentStore
from its_pipeline.stores.runs import RunStore

_SETTLING_SECONDS: Final = 2.0
"""Usually it is some hundredths; a store that hangs must not hang every reader."""

_PREPARED_AT_ONCE: Final = 2
"""Questions of one token; more would not be prepared any faster."""


class PlotCache:
    """The PNGs drawn last, so that looking at a page twice draws once.

    Parameters
    ----------
    size
        How many are kept.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._plots: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, fingerprint: str, name: str) -> bytes | None:
        """Return a plot, or None."""
        with self._lock:
            png = self._plots.get((fingerprint, name))
            if png is not None:
                self._plots.move_to_end((fingerprint, name))
            return png

    def put(self, fingerprint: str, name: str, png: bytes) -> None:
        """Keep a plot; the one used longest ago goes."""
        with self._lock:
            self._plots[fingerprint, name] = png
            self._plots.move_to_end((fingerprint, name))
            while len(self._plots) > self._size:
                self._plots.popitem(last=False)

    def clear(self) -> None:
        """Drop every plot: of whom one is, is not known here."""
        with self._lock:
            self._plots.clear()


class Turns:
    """Lets each token have a few questions prepared at once; its others wait without a thread.

    Preparing one reads a person's days and fills a thread and a processor: a token that asks for
    forty at once must not stand in front of everybody else's one. So it is with pages.
    """

    def __init__(self) -> None:
        # One a token of the settings: no more than those are ever let in.
        self._turns: dict[str, asyncio.Semaphore] = {}

    def of(self, token: str) -> asyncio.Semaphore:
        """Return what a token's questions wait for, as an asynchronous context."""
        return self._turns.setdefault(token, asyncio.Semaphore(_PREPARED_AT_ONCE))


@dataclass(frozen=True)
class Services:
    """The parts of one server.

    Attributes
    ----------
    settings, server_settings
        The installation's and the server's settings.
    pool
        Where analyses are computed and plots drawn.
    log, forgotten
        The intervention log, for reading, and who was forgotten.
    runs
        MLflow.
    store, adhoc
        Verdicts and analyses, and which of them are kept of questions besides the log's.
    audit, monitoring, plots, turns
        Who asked for whom, what is counted, plots drawn before, and who has how many questions.
    page_turns, drawing
        Held by whoever has a page drawn: a few places a token, and a few for everybody.
    """

    settings: Settings
    server_settings: ServerSettings
    pool: WorkerPool
    log: InterventionLog
    forgotten: Forgotten
    runs: RunStore
    store: ExperimentStore
    adhoc: AdhocAnalyses
    audit: AuditLog
    monitoring: Monitoring
    plots: PlotCache
    turns: Turns
    page_turns: Turns
    drawing: asyncio.Semaphore

    @classmethod
    def make(cls, settings: Settings, server_settings: ServerSettings) -> Services:
        """Make the parts; no process is started and no database opened yet."""
        pool = WorkerPool(
            start_jobs,
            (settings,),
            workers=server_settings.workers,
            queue_size=server_settings.queue_size,
            job_seconds=server_settings.job_seconds,
            abandoned_seconds=server_settings.abandoned_seconds,
            start_seconds=server_settings.start_seconds,
        )
        forgotten = Forgotten(settings.store_root)
        audit = open_audit_log(settings.store_root, server_settings)
        return cls(
            settings=settings,
            server_settings=server_settings,
            pool=pool,
            log=InterventionLog(settings.resolved_intervention_log_url, forgotten=forgotten),
            forgotten=forgotten,
            runs=RunStore.from_settings(settings),
            store=open_store(settings),
            adhoc=AdhocAnalyses(settings.adhoc_dir),
            audit=audit,
            monitoring=Monitoring(pool, audit),
            plots=PlotCache(server_settings.plot_cache_size),
            turns=Turns(),
            page_turns=Turns(),
            drawing=asyncio.Semaphore(min(2 * server_settings.workers, server_settings.queue_size)),
        )

    def settle(self, user_id: str, intervention_id: str = "") -> None:
        """Wait until what this server has told of somebody is in the stores, ahead of reading them.

        An analysis is answered as soon as it is kept for good; its run in MLflow is completed, and
        its verdict becomes the experiment's newest one, right after. Nobody waits for others'.
        """
        self.pool.settle(_SETTLING_SECONDS, f"fit {user_id}|{intervention_id}")

    def interventions(self, user_id: str) -> list[Intervention]:
        """Return a person's logged interventions, withdrawn ones included."""
        return self.log.list(user_id, include_withdrawn=True)

    def require_user(self, user_id: str) -> list[Intervention]:
        """Refuse a person of whom nothing is known; return their logged interventions.

        Raises
        ------
        Problem
            ``unknown_user``.
        """
        logged = self.interventions(user_id)
        if not (logged or self._has_events(user_id)):
            raise Problem(
                "unknown_user",
                "no event, intervention or analysis of this user is known",
                value=user_id,
            )
        return logged

    def _has_events(self, user_id: str) -> bool:
        import pyarrow.parquet as pq

        path = self.settings.daily_outcomes_path
        if not path.is_file():
            return False
        found = pq.read_table(path, columns=["user_id"], filters=[("user_id", "=", user_id)])
        return found.num_rows > 0
