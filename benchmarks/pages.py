"""Pages drawn on demand: opened for the first time, opened again, and by 1,000 people at once.

Prints and, with ``--write``, stores the table of ``benchmarks/tables/pages.md``. A bulk run leaves
the pages of a store's experiments, and a server of its own (``python -m its_pipeline.api``, two
workers) draws them for clients on loopback:

* a page that is not drawn yet, one after the other: at most 500 ms;
* the same again: at most 20 ms; and asked with its entity tag, which sends nothing;
* drawing one and opening it in CPU seconds, which other work on the machine disturbs less;
* 1,000 clients, each with a token and a connection of its own, each opening one page at the same
  moment, none of them drawn; and once more when all of them are: nobody gets an error.

``python -m benchmarks.pages`` takes some three minutes, most of it analysing the experiments.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket

import httpx
import psutil

from benchmarks._table import machine, rows_as_markdown, write_table
from its_pipeline.api.http.page_requests import COOKIE
from its_pipeline.api.http.tokens import make_token
from its_pipeline.experiments.bulk import refresh
from its_pipeline.experiments.page_cache import PageCache
from its_pipeline.experiments.pages import draw_page, open_page
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.settings import Settings
from tools.stores import log_intervention, series, short_settings, write_daily

FIRST_BUDGET_SECONDS = 0.5
AGAIN_BUDGET_SECONDS = 0.02
CLIENTS = 1000
ONE_AFTER_THE_OTHER = 20
PATIENCE_SECONDS = 600.0


@dataclass(frozen=True)
class Served:
    """A running server: where it answers, tokens that open it, and its process."""

    url: str
    tokens: tuple[str, ...]
    process: psutil.Process


@dataclass(frozen=True)
class Crowd:
    """What clients saw who came at once: statuses, seconds each, megabytes of the server."""

    statuses: Counter[str]
    seconds: list[float]
    megabytes: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=120)
    parser.add_argument("--write", action="store_true", help="keep the table as tables/pages.md")
    chosen = parser.parse_args()
    if chosen.experiments < ONE_AFTER_THE_OTHER:
        parser.error(f"--experiments should be {ONE_AFTER_THE_OTHER} at least")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(8192, hard)), hard))
    with tempfile.TemporaryDirectory() as folder:
        settings = make_store(Path(folder) / "store", chosen.experiments)
        cache = PageCache.of(settings)
        cpu = cpu_seconds(settings)
        for path in cache.folder.iterdir():
            path.unlink()
        with serving(settings, Path(folder)) as served:
            addresses = [
                f"/people/p{n}/experiments/morning/page" for n in range(chosen.experiments)
            ]
            shown = addresses[:ONE_AFTER_THE_OTHER]
            opened(served, addresses[-1])  # What is loaded for the first page alone.
            first = [opened(served, address) for address in shown]
            again = [opened(served, address) for address in shown]
            tags = [tag for _, tag in first]
            known = [opened(served, *each) for each in zip(shown, tags, strict=True)]
            for path in cache.folder.iterdir():
                path.unlink()
            undrawn = asyncio.run(crowd(served, addresses))
            drawn = asyncio.run(crowd(served, addresses))
    table = report(chosen.experiments, [first, again, known], cpu, undrawn, drawn)
    if chosen.write:
        write_table("pages", table)
    else:
        print(table)


def make_store(root: Path, experiments: int) -> Settings:
    """Write a store of one experiment a person, and let a bulk run leave its pages."""
    settings = short_settings(root, pages="on_demand", audit_share=0.0)
    people = {f"p{n}": series(90, 90, effect=4.0, seed=n) for n in range(experiments)}
    write_daily(settings, people)
    for user in people:
        log_intervention(settings, user)
    snapshot = Snapshot(settings)
    found = refresh(snapshot, snapshot.experiment_keys(), lambda _: None)
    if found.counts["analysed"] != experiments:
        raise ValueError(f"{experiments} should be analysed but there are {found.counts}")
    return settings


def cpu_seconds(settings: Settings) -> tuple[float, float]:
    """Return the CPU seconds of drawing a page and of opening it, in this process; medians."""
    drawing, opening = [], []
    for number in range(ONE_AFTER_THE_OTHER):
        key = f"p{number}|morning"
        started = time.thread_time()
        draw_page(settings, key)
        drawing.append(time.thread_time() - started)
        started = time.thread_time()
        page = open_page(settings, key)
        opening.append(time.thread_time() - started)
        if page is None:
            raise ValueError(f"the page of {key} should be there")
        page.file.close()
    return statistics.median(drawing), statistics.median(opening)


@contextmanager
def serving(settings: Settings, folder: Path) -> Iterator[Served]:
    """Start a server as an installation does, and wait until it is ready."""
    made = [make_token(f"client-{number}", None) for number in range(CLIENTS)]
    records = [record.model_dump(mode="json") for _, record in made]
    tokens_file = folder / "tokens.json"
    tokens_file.write_text(json.dumps(records))
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "ITS_STORE_ROOT": str(settings.store_root),
        "ITS_PAGES": settings.pages,
        "ITS_API_TOKENS_FILE": str(tokens_file),
        "ITS_API_PORT": str(port),
    }
    command = [sys.executable, "-m", "its_pipeline.api", "serve"]
    process = subprocess.Popen(command, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        _until_ready(url, process)
        yield Served(url, tuple(token for token, _ in made), psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(60)


def _until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            if httpx.get(f"{url}/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise TimeoutError("the server is not ready after 300 s")


def opened(served: Served, address: str, tag: str = "") -> tuple[float, str]:
    """Open a page; return its seconds and its entity tag."""
    headers = {"If-None-Match": tag} if tag else {}
    with httpx.Client(cookies={COOKIE: served.tokens[0]}, timeout=PATIENCE_SECONDS) as client:
        client.get(f"{served.url}/health")
        started = time.perf_counter()
        answer = client.get(f"{served.url}{address}", headers=headers)
        seconds = time.perf_counter() - started
    expected = 304 if tag else 200
    if answer.status_code != expected:
        raise ValueError(f"{address} should be answered {expected} but got {answer.status_code}")
    return seconds, answer.headers["etag"]


async def crowd(served: Served, addresses: list[str]) -> Crowd:
    """Have everybody open a page at the same moment."""
    begin = asyncio.Event()
    seconds: list[float] = []

    async def one(number: int) -> str:
        cookies = {COOKIE: served.tokens[number]}
        async with httpx.AsyncClient(cookies=cookies, timeout=PATIENCE_SECONDS) as client:
            await begin.wait()
            started = time.perf_counter()
            try:
                answer = await client.get(f"{served.url}{addresses[number % len(addresses)]}")
            except httpx.TransportError as error:
                return type(error).__name__
            seconds.append(time.perf_counter() - started)
            return str(answer.status_code)

    clients = [asyncio.create_task(one(number)) for number in range(CLIENTS)]
    await asyncio.sleep(1)
    begin.set()
    most = 0.0
    while not all(client.done() for client in clients):
        most = max(most, served.process.memory_info().rss / 2**20)
        await asyncio.sleep(0.5)
    return Crowd(Counter(client.result() for client in clients), sorted(seconds), most)


def report(
    experiments: int,
    alone: list[list[tuple[float, str]]],
    cpu: tuple[float, float],
    undrawn: Crowd,
    drawn: Crowd,
) -> str:
    """Return the table."""
    budgets = (FIRST_BUDGET_SECONDS, AGAIN_BUDGET_SECONDS, AGAIN_BUDGET_SECONDS)
    names = ("a page not yet drawn", "the same again", "the same with its entity tag")
    rows = []
    for name, found, budget in zip(names, alone, budgets, strict=True):
        seconds = [each for each, _ in found]
        told = f"median {1000 * statistics.median(seconds):.0f} ms, slowest "
        kept = "yes" if statistics.median(seconds) <= budget else "no"
        rows.append((name, f"{told}{1000 * max(seconds):.0f} ms", f"{1000 * budget:.0f} ms", kept))
    for name, seconds in zip(("drawing a page", "finding and opening it"), cpu, strict=True):
        rows.append((f"{name}, CPU", f"median {1000 * seconds:.1f} ms", "", ""))
    for name, crowd_ in (("not drawn yet", undrawn), ("all drawn", drawn)):
        statuses = ", ".join(f"{count} x {status}" for status, count in crowd_.statuses.items())
        kept = "yes" if set(crowd_.statuses) == {"200"} else "no"
        told = f"{statuses}; median {statistics.median(crowd_.seconds):.1f} s, "
        told += f"last {crowd_.seconds[-1]:.1f} s; server {crowd_.megabytes:.0f} MB"
        rows.append((f"{CLIENTS:,} people at once, {name}", told, "no error", kept))
    load = os.getloadavg()[1]
    return (
        "## Pages drawn on demand\n\n"
        f"`python -m benchmarks.pages`, {experiments} experiments of 90 + 90 days, 2 workers, "
        f"{machine()}, load average over 5 minutes {load:.1f}\n\n"
        + rows_as_markdown(("what", "measured", "budget", "kept (median)"), rows)
    )


if __name__ == "__main__":
    main()
