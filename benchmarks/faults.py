"""The faults of a night in their long form; the test suite runs short forms of the same programs.

``python -m benchmarks.faults`` runs 30 kills, 10 more among worker processes, 12 full disks, a
crowd for five minutes, another one among attackers of a server, 20 killed ticks, three bad
experiments among 100, every kind of file of a store of 20 damaged in five ways, and a thousand
foreign files; it prints what each came to and keeps it in ``benchmarks/tables/faults.md``. A part
with 0 is left out. With ``--partition-limit 0`` the stores have shards; ticks and foreign files,
which know none, are as before.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks._table import machine, write_table

PACKAGE = "tools.faults"


#: What every part is told of the store that it is to make.
Store = tuple[object, ...]


def run(module: str, *arguments: object) -> tuple[dict[str, Any], float]:
    """Run one fault and return its summary and the seconds it took."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", f"{PACKAGE}.{module}", *map(str, arguments)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**_environment(), "TMPDIR": folder},
        )
    print(done.stdout, flush=True)
    text = done.stdout
    found = json.loads(text[text.rindex("\n{") if "\n{" in text else 0 :])
    return found, time.perf_counter() - started


def _environment() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if not name.startswith("ITS_")}


def kills(times: int, store: Store) -> str:
    found, _ = run("kills", "--kills", times, "--seed", 1, "--people", 2, *store)
    return (
        f"| `kill -9` of a night at a random one of its {found['operations']} file operations or "
        f"moments | {found['kills']} kills, each on a fresh store, and one more night | "
        f"{_problems(found)}: same digests, effects bit for bit, runs and tables as undisturbed |"
    )


def worker_kills(times: int, store: Store) -> str:
    found, _ = run("kills", "--kills", times, "--seed", 2, "--people", 3, "--workers", 2, *store)
    return (
        "| `kill -9` of a night with two worker processes, of one of those in every other | "
        f"{found['kills']} kills, each on a fresh store; one more night where the run died | "
        f"{_problems(found)}: the state of an undisturbed night in one process |"
    )


def disks(times: int, store: Store) -> str:
    found, _ = run("full_disk", "--times", times, "--people", 1, *store)
    how = "a small disk (tmpfs)" if found["mounted"] else "files that may not grow"
    return (
        f"| disk full at a random write of a night: {how} | {found['times']} times | "
        f"{_problems(found)}: said so, everything readable, calm state once there was space |"
    )


def crowd(seconds: int, store: Store) -> str:
    found, _ = run("crowd", "--seconds", seconds, *store)
    times = ", ".join(f"{count} {name}" for name, count in found["times"].items())
    return (
        f"| nights, single runs, amendments, reads, an analyst at once for {seconds} s | {times} | "
        f"{_problems(found)}: {found['analyses']} analyses, each recorded once |"
    )


def attackers(seconds: int, store: Store) -> str:
    found, _ = run("crowd", "--seconds", seconds, "--attackers", *store)
    memory = " / ".join(f"{value:g}" for value in found["resident_mb"])
    return (
        f"| the same crowd and a server among attackers of six kinds for {seconds} s | "
        f"{found['known']} known answers to honest clients, {found['refused']} refusals | "
        f"{_problems(found)}: p99 {found['known_p99_seconds']:g} s, longest "
        f"{found['known_longest_seconds']:g} s; server's memory after a third, at most, in the end "
        f"{memory} MB |"
    )


def ticks(times: int, store: Store) -> str:
    found, _ = run("ticks", "--kills", times)
    return (
        f"| sensor tick killed while interventions are logged | {found['kills']} kills, "
        f"{found['logged']} logged | {_problems(found)}: each asked for once |"
    )


def bad_apples(people: int, store: Store) -> str:
    found, _ = run("bad_apples", "--people", people, *store)
    counts = ", ".join(f"{n} {name}" for name, n in sorted(found["counts"].items()))
    return (
        f"| a crash, a sampler cut short, poisoned data among {people} | {counts} | "
        f"run {'succeeded' if found['run_succeeded'] else 'failed'}: “{found['run_says']}” |"
    )


def _problems(found: dict[str, Any]) -> str:
    return f"**{len(found['problems'])} problems**"


def damages(people: int, store: Store) -> str:
    found, _ = run("damage", "--people", people, *store)
    ways = ", ".join(f"{count} {way}" for way, count in found["by_way"].items())
    return (
        f"| one file of each of {found['kinds']} kinds damaged, and one run | {ways} | "
        f"{_problems(found)}: read by everybody else, and made again |"
    )


def fuzz(files: int, store: Store) -> str:
    found, _ = run("fuzz", "--files", files)
    counts = ", ".join(f"{count} {name}" for name, count in found["counts"].items())
    return (
        f"| foreign files, damaged at random, by `import` and inbox | {counts} | "
        f"{_problems(found)}: at most {found['slowest_seconds']} s, {found['megabytes']} MB |"
    )


PARTS = {
    "kills": kills,
    "worker_kills": worker_kills,
    "disks": disks,
    "seconds": crowd,
    "attackers": attackers,
    "ticks": ticks,
    "people": bad_apples,
    "damaged_people": damages,
    "files": fuzz,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (
        ("kills", 30), ("worker_kills", 10), ("disks", 12), ("seconds", 300), ("attackers", 300),
        ("ticks", 20), ("people", 100), ("damaged_people", 20), ("files", 1000),
    ):  # fmt: skip
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    parser.add_argument("--partition-limit", type=int, default=20_000, help="0: stores have shards")
    arguments = vars(parser.parse_args())
    limit = arguments.pop("partition_limit")
    store: Store = ("--partition-limit", limit)
    command = f"--partition-limit {limit} " + " ".join(
        f"--{name.replace('_', '-')} {value}" for name, value in arguments.items() if value
    )
    lines = [
        "## Faults\n",
        f"`python -m benchmarks.faults {command}`, {machine()}\n",
        "| fault | how often | what came of it |",
        "|---|---|---|",
        *(part(arguments[name], store) for name, part in PARTS.items() if arguments[name]),
    ]
    write_table("faults", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
