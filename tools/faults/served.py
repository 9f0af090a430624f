"""A server among attackers: started as people start it, asked by honest clients, looked at after.

What belongs here: the server's process, what honest clients must get from it, and what it may not
have left behind. What does not: the attacks (`attackers`).
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import psutil

from its_pipeline.api.http.tokens import make_token
from its_pipeline.settings import Settings
from tools.faults.attackers import Target

#: What everybody who asks for something known may count on.
LONGEST_P99_SECONDS: Final = 2.0
#: How much more memory the server's own process may have in the end than after a third of the time.
MOST_GROWTH_MB: Final = 40.0
#: Bytes of the server's own log: what strangers send must not fill it.
LARGEST_LOG: Final = 200_000


@dataclass
class Served:
    """A running server, and what was seen of it."""

    folder: Path
    settings: Settings
    port: int
    process: subprocess.Popen[bytes]
    honest: dict[str, str]
    target: Target
    resident_mb: list[float] = field(default_factory=list)

    @property
    def log(self) -> str:
        """The server's output so far."""
        return (self.folder / "server.log").read_text(errors="replace")


@contextmanager
def serving(folder: Path, settings: Settings, users: list[str], day: str) -> Iterator[Served]:
    """Start a server over a store, and end it by SIGTERM.

    Parameters
    ----------
    folder
        Where its log, working directory and temporary files lie.
    settings
        Of the store.
    users
        An honest person, then the attacker.
    day
        A date that both can ask about.
    """
    own = settings.model_dump(
        mode="json", include=settings.model_fields_set - {"store_root"}, exclude_none=True
    )
    settings.installation_file.write_text(json.dumps(own))
    made = {who: make_token(who, who) for who in users} | {"service": make_token("service")}
    for place in ("cwd", "tmp"):
        (folder / place).mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    records = [record.model_dump(mode="json", exclude_none=True) for _, record in made.values()]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ITS_")}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "its_pipeline.api",
                "serve",
                "--port",
                str(port),
            ],
            cwd=folder / "cwd",
            env={
                **clean,
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "TMPDIR": str(folder / "tmp"),
                "ITS_STORE_ROOT": str(settings.store_root),
                "ITS_API_TOKENS": json.dumps(records),
                "ITS_API_ADHOC_ANALYSES": "10",
                "ITS_API_AUDIT_LOG_BYTES": "1000000",
                "ITS_API_RATE_PER_MINUTE": "3000",
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    honest, attacker = users
    target = Target(port, made[attacker][0], attacker, day)
    tokens = {who: token for who, (token, _) in made.items() if who != attacker}
    served = Served(folder, settings, port, process, {"person": honest, **tokens}, target)
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(served, over), daemon=True)
    try:
        _until_ready(served)
        watcher.start()
        yield served
    finally:
        over.set()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_ready(served: Served) -> None:
    # Where nobody has compiled the model yet, on a busy machine.
    deadline = time.monotonic() + 600
    while True:
        if served.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not get ready: {served.log[-2000:]}")
        try:
            if httpx.get(f"http://127.0.0.1:{served.port}/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.3)


def _watch(served: Served, over: threading.Event) -> None:
    process = psutil.Process(served.process.pid)
    while not over.wait(1.0):
        try:
            served.resident_mb.append(process.memory_info().rss / 1e6)
        except psutil.Error:
            return


def ask_known(served: Served, rng: random.Random, notes: Path) -> None:
    """Ask, as an honest client, for what is known, and note how long it took."""
    person = served.honest["person"]
    asked = [
        (
            "POST",
            "/analytics/its/analyze",
            {"user_id": person, "intervention_date": served.target.day},
        ),
        ("GET", f"/interventions?user_id={person}", None),
        ("GET", "/health", None),
    ]
    with httpx.Client(base_url=f"http://127.0.0.1:{served.port}", timeout=60) as client:
        for method, path, body in asked:
            who = rng.choice((person, "service"))
            started = time.perf_counter()
            answer = client.request(
                method, path, json=body, headers={"Authorization": f"Bearer {served.honest[who]}"}
            )
            note = {
                "seconds": time.perf_counter() - started,
                "status": answer.status_code,
                "request_id": answer.headers.get("x-request-id"),
                "path": path,
                "cached": answer.json().get("cached") if method == "POST" else None,
            }
            with notes.open("a") as file:
                file.write(json.dumps(note) + "\n")
    time.sleep(0.05)


def ask_new(served: Served, rng: random.Random, notes: Path) -> None:
    """Ask, as an honest client, for something new of usual size; it may wait for its turn."""
    body = {
        "user_id": served.honest["person"],
        "intervention_date": served.target.day,
        "minimum_effect": round(rng.uniform(0, 50), 6),
    }
    started = time.perf_counter()
    answer = httpx.post(
        f"http://127.0.0.1:{served.port}/analytics/its/analyze",
        json=body,
        headers={"Authorization": f"Bearer {served.honest['service']}"},
        timeout=120,
    )
    note = {"seconds": time.perf_counter() - started, "status": answer.status_code}
    with notes.open("a") as file:
        file.write(json.dumps({**note, "text": answer.text[:300]}) + "\n")
    time.sleep(1.0)


def looked_at(served: Served, known: Path, new: Path) -> tuple[dict[str, Any], list[str]]:
    """Return what the ended server did, and what was wrong with it."""
    notes = [json.loads(line) for line in known.read_text().splitlines()]
    news = [json.loads(line) for line in new.read_text().splitlines()]
    seconds = [note["seconds"] for note in notes]
    audit = served.settings.store_root / "api"
    lines = [
        json.loads(line)
        for file in audit.glob("audit.jsonl*")
        for line in file.read_text().splitlines()
    ]
    written = [line["request_id"] for line in lines if line.get("status") == 200]
    later = served.resident_mb[len(served.resident_mb) // 3 :]
    summary = {
        "known": len(notes),
        "known_p99_seconds": round(float(np.quantile(seconds, 0.99)), 3),
        "known_longest_seconds": round(max(seconds), 3),
        "known_slowest_by_path": {
            path: round(max(note["seconds"] for note in notes if note["path"] == path), 2)
            for path in sorted({note["path"] for note in notes})
        },
        "new": len(news),
        "new_median_seconds": round(float(np.median([note["seconds"] for note in news])), 2),
        "resident_mb": [round(value, 1) for value in (later[0], max(later), later[-1])],
        "log_bytes": len(served.log),
        "audit_lines": len(lines),
        "refused": sum(
            json.loads(line)["count"]
            for file in audit.glob("audit-refused.jsonl*")
            for line in file.read_text().splitlines()
        ),
    }
    problems = [f"refused: {note}" for note in notes if note["status"] != 200][:3]
    problems += [f"not known: {note}" for note in notes if note["cached"] is False][:3]
    problems += [f"a new question: {note}" for note in news if note["status"] != 200][:3]
    if summary["known_p99_seconds"] > LONGEST_P99_SECONDS:
        problems.append(f"p99 of known answers is {summary['known_p99_seconds']} s")
    lost = [
        note for note in notes if note["path"] != "/health"
        and written.count(note["request_id"]) != 1
    ]  # fmt: skip
    problems += [f"not once in the audit log: {note}" for note in lost[:3]]
    if later[-1] - later[0] > MOST_GROWTH_MB:
        problems.append(f"memory grew: {summary['resident_mb']} MB")
    if "Traceback" in served.log:
        problems.append(f"a traceback: {served.log[served.log.index('Traceback') :][:1500]}")
    if len(served.log) > LARGEST_LOG:
        problems.append(f"the log has {len(served.log)} bytes")
    problems += [
        f"outside the store: {path}"
        for place in ("cwd", "tmp")
        for path in (served.folder / place).rglob("*")
        if path.is_file()
    ]
    problems += [
        f"others can read {path.name}"
        for path in (served.settings.store_root, *audit.iterdir())
        if path.stat().st_mode & 0o077
    ]
    if served.process.returncode not in (0, -signal.SIGTERM):
        problems.append(f"the server ended with {served.process.returncode}")
    return summary, problems
