"""The HTTP API against its budgets: a new analysis, a known one, and fifty clients at once.

Prints and, with ``--write``, stores the table of ``benchmarks/tables/api.md``:

* a warm ``POST`` of a new 90-day analysis against calling `analyze` on the same series in a warm
  process, taken in turns: the fit's time plus at most 30 %; and the same without a pause between
  one answer and the next question, so that what is done after an answer is paid as well;
* the same question again: under 100 ms;
* 50 clients at once for a minute: nothing but answers and 503s with Retry-After, every answer equal
  to the one that `analyze` gives, memory bounded.

``python -m benchmarks.api`` takes some two minutes, ``--short`` some twenty seconds.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil

from benchmarks._table import rows_as_markdown, write_table
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.settings import Settings
from tools.live_api import Live, running
from tools.stores import METRIC, START_ON, series, short_settings, write_daily

if TYPE_CHECKING:
    from its_pipeline.its import Analysis

FIT_BUDGET = 1.3
"""A new analysis over HTTP, over the fit alone."""
CACHED_BUDGET_SECONDS = 0.1
CLIENTS = 50
HELD_AGAINST_ANALYZE = 20
"""People whose answer under load is compared with `analyze` in this process."""


@dataclass
class Load:
    """What fifty clients saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: int = 0
    without_retry_after: int = 0
    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer repetitions, 8 s of load")
    parser.add_argument("--write", action="store_true", help="keep the table as tables/api.md")
    chosen = parser.parse_args()
    pairs, load_seconds = (5, 8.0) if chosen.short else (30, 60.0)
    with tempfile.TemporaryDirectory() as folder:
        settings = short_settings(Path(folder), draws=2000, tune=1000, today_on=date(2026, 6, 20))
        names = [*(f"p{n}" for n in range(pairs + 200)), *(f"q{n}" for n in range(pairs))]
        people = {name: series(50, 40, seed=n, effect=4.0) for n, name in enumerate(names)}
        write_daily(settings, people)
        with running(settings, workers=1) as live:
            ratios, fits, posts, knowns = compare(live, pairs)
            on_and_on = without_a_pause(live, [f"q{n}" for n in range(pairs)])
        with running(settings, workers=2, queue_size=16) as live:
            load = fifty_clients(live, load_seconds, pairs)
    table = report(ratios, fits, posts, knowns, on_and_on, load, load_seconds)
    if chosen.write:
        write_table("api", table)
    else:
        print(table)


def direct_fit(settings: Settings, user: str) -> tuple[Analysis, float]:
    """`analyze` on what the API would analyse, in this process, and its seconds."""
    from its_pipeline.events.intervention import Intervention
    from its_pipeline.its import analyze

    intervention = Intervention(
        user_id=user, intervention_id="direct", outcome_metric=METRIC, started_on=START_ON
    )
    prepared = Snapshot(settings, logged=[]).prepare_intervention(intervention)
    if prepared.outcome is None:
        raise ValueError(f"{user} should be ready: {prepared.plan.reason}")
    started = time.perf_counter()
    analysis = analyze(prepared.outcome, START_ON, prepared.spec, prepared.covariates)
    return analysis, time.perf_counter() - started


def ask(client: httpx.Client, user: str) -> tuple[httpx.Response, float]:
    """One question over HTTP, and its seconds."""
    body = {"user_id": user, "intervention_date": START_ON.isoformat()}
    started = time.perf_counter()
    response = client.post("/analytics/its/analyze", json=body)
    return response, time.perf_counter() - started


def compare(live: Live, pairs: int) -> tuple[list[float], list[float], list[float], list[float]]:
    """Fit and POST in turns, on the same people; then ask again."""
    with live.client() as client:
        for user in ("p200", "p201"):
            ask(client, user)
            direct_fit(live.settings, user)
        fits, posts, knowns = [], [], []
        for number in range(pairs):
            analysis, seconds = direct_fit(live.settings, f"p{number}")
            fits.append(seconds)
            response, seconds = ask(client, f"p{number}")
            response.raise_for_status()
            if response.json()["cached"]:
                raise ValueError(f"p{number} should be new")
            check_same(f"p{number}", response.json(), analysis)
            posts.append(seconds)
            # What the server does after its answer must not slow the next fit down.
            live.services.pool.settle(60)
        for number in range(pairs):
            response, seconds = ask(client, f"p{number}")
            if not response.json()["cached"]:
                raise ValueError(f"p{number} should be known")
            knowns.append(seconds)
    return [post / fit for post, fit in zip(posts, fits, strict=True)], fits, posts, knowns


def without_a_pause(live: Live, users: list[str]) -> float:
    """Ask for one new analysis after the other; return the seconds that each took."""
    with live.client() as client:
        started = time.perf_counter()
        for user in users:
            response, _ = ask(client, user)
            response.raise_for_status()
        live.services.pool.settle(60)
        return (time.perf_counter() - started) / len(users)


def fifty_clients(live: Live, seconds: float, first: int) -> Load:
    """Let fifty clients ask for new and known analyses for a while."""
    load, lock = Load(), threading.Lock()
    estimates: dict[str, float] = {}
    while live.services.pool.state().ready < live.services.server_settings.workers:
        time.sleep(0.1)
    until = time.monotonic() + seconds

    def client_loop(number: int) -> None:
        chance = random.Random(number)
        with live.client() as client:
            while time.monotonic() < until:
                user = f"p{chance.randrange(first + 200)}"
                response, took = ask(client, user)
                with lock:
                    note(load, estimates, user, response, took)
                if response.status_code == 503:
                    time.sleep(min(1.0, float(response.headers.get("retry-after", 1))))

    with ThreadPoolExecutor(CLIENTS) as threads:
        asked = [threads.submit(client_loop, number) for number in range(CLIENTS)]
        while time.monotonic() < until:
            load.megabytes.append(resident_megabytes(live))
            time.sleep(1.0)
        for one in asked:
            one.result(120)
    with live.client() as client:
        # What was answered under load is what is answered, and stored, in quiet.
        for user, estimate in list(estimates.items())[:50]:
            response, _ = ask(client, user)
            load.wrong += response.json()["counterfactual_effect"]["estimate"] != estimate
    for user, estimate in list(estimates.items())[:HELD_AGAINST_ANALYZE]:
        analysis, _ = direct_fit(live.settings, user)
        load.wrong += analysis.effects is None or analysis.effects.counterfactual.mean != estimate
    return load


def check_same(user: str, answer: dict[str, Any], analysis: Analysis) -> None:
    """Refuse an answer that is not what `analyze` gives."""
    estimate = answer["counterfactual_effect"]["estimate"]
    if analysis.effects is None or analysis.effects.counterfactual.mean != estimate:
        raise ValueError(f"{user} should be answered as by analyze but got {estimate}")


def note(load: Load, estimates: dict[str, float], user: str, response: Any, took: float) -> None:
    """Count one answer, and hold it against what was answered for this person before."""
    load.statuses[response.status_code] += 1
    if response.status_code == 200:
        load.seconds.append(took)
        found = response.json()
        estimate = found["counterfactual_effect"]["estimate"]
        same = estimates.setdefault(user, estimate) == estimate
        load.wrong += not (same and found["user_id"] == user)
    elif response.status_code == 503:
        load.without_retry_after += "retry-after" not in response.headers


def resident_megabytes(live: Live) -> float:
    """Memory of the workers; the server shares this process with the clients."""
    total = 0
    for pid in live.services.pool.state().process_ids:
        try:
            total += psutil.Process(pid).memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 1e6


_KEPT = {True: "yes", False: "NO", None: "-"}


def report(
    ratios: list[float],
    fits: list[float],
    posts: list[float],
    knowns: list[float],
    on_and_on: float,
    load: Load,
    load_seconds: float,
) -> str:
    """Return the table."""
    median = statistics.median
    served, refused = load.statuses[200], load.statuses[503]
    others = sum(load.statuses.values()) - served - refused
    half = max(1, len(load.megabytes) // 2)
    rows = [
        (
            "new 90-day analysis over HTTP / the fit alone, median of pairs",
            f"{median(ratios):.2f} ({median(posts):.3f} s / {median(fits):.3f} s, n={len(fits)})",
            f"<= {FIT_BUDGET}",
            median(ratios) <= FIT_BUDGET,
        ),
        (
            "new analyses without a pause, one worker, each / the fit alone",
            f"{on_and_on / median(fits):.2f} ({on_and_on:.3f} s, n={len(fits)})",
            "none",
            None,
        ),
        (
            "the same again, from the cache, slowest",
            f"{max(knowns) * 1000:.0f} ms (median {median(knowns) * 1000:.0f} ms)",
            f"< {CACHED_BUDGET_SECONDS * 1000:.0f} ms",
            max(knowns) < CACHED_BUDGET_SECONDS,
        ),
        (
            f"{CLIENTS} clients for {load_seconds:.0f} s: answers that are neither 200 nor 503",
            f"{others} ({served} answered, {refused} told to come back)",
            "0",
            others == 0,
        ),
        (
            "answers under load unlike those of `analyze`, or unlike each other",
            str(load.wrong),
            "0",
            load.wrong == 0,
        ),
        (
            "503 without Retry-After",
            str(load.without_retry_after),
            "0",
            load.without_retry_after == 0,
        ),
        (
            "workers' memory at the end / at half time",
            f"{load.megabytes[-1] / load.megabytes[half]:.2f} ({load.megabytes[-1]:.0f} MB)",
            "<= 1.2",
            load.megabytes[-1] <= 1.2 * load.megabytes[half],
        ),
    ]
    cores, busy = os.cpu_count(), os.getloadavg()[1]
    head = f"`python -m benchmarks.api`, {cores} cores, load average over 5 minutes {busy:.1f}\n"
    return f"{head}\n" + rows_as_markdown(
        ("budget", "measured", "target", "kept"), [(*row, _KEPT[kept]) for *row, kept in rows]
    )


if __name__ == "__main__":
    main()
