"""Everybody at once: nights, single runs, logging, an API's reads and an analyst, for a while.

``python -m tools.faults.crowd --seconds 300`` forks one process for each
part and lets them work on one store. While interventions are amended, so that there is always
something to analyse, nobody may meet a lock or a half-written file, and in the end every analysis
is recorded exactly once. With ``--attackers`` a server runs over the same store among clients of
every hostile kind (`attackers`), and honest clients must not notice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from its_pipeline.events.interventions import InterventionLog
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.service import load_analysis, open_store
from its_pipeline.experiments.shard_runs import untold
from its_pipeline.experiments.sharding import has_shards, known_shards, shard_of_key
from its_pipeline.settings import Settings
from its_pipeline.stores.runs import RunStore
from tools.faults.attackers import ATTACKERS, Attack, Target
from tools.faults.forked import run_child, wait_for
from tools.faults.served import ask_known, ask_new, looked_at, serving
from tools.faults.state import leftovers, look_rows, mlflow_state, page_is_whole
from tools.faults.world import (
    COMMON,
    STARTED_ON,
    build_world,
    import_everything,
    night,
    people,
    settings_of,
)


def nights(root: Path, rng: random.Random) -> None:
    """Run a night, as the schedule does."""
    failed = night(settings_of(root))
    if failed:
        raise RuntimeError(f"a night failed: {failed}")


def single_runs(root: Path, rng: random.Random) -> None:
    """Run one experiment, as the sensor asks for it."""
    from its_pipeline.defs.build import build_defs
    from its_pipeline.defs.home import open_instance

    settings = settings_of(root)
    shards = [shard.name for shard in known_shards(settings)]
    key = rng.choice(shards or Snapshot(settings).experiment_keys())
    job = build_defs(settings).resolve_job_def("analyse_experiment")
    with open_instance(settings) as instance:
        result = job.execute_in_process(partition_key=key, instance=instance, raise_on_error=False)
    if not result.success:
        errors = [
            event.step_failure_data.error_display_string
            for event in result.all_events
            if event.is_step_failure
        ]
        raise RuntimeError(f"the run of {key} failed: {errors}")


def amendments(root: Path, rng: random.Random) -> None:
    """Correct how many days of baseline count, as a person does: another analysis."""
    log = InterventionLog(settings_of(root).resolved_intervention_log_url)
    try:
        user = rng.choice(log.list()).user_id
        log.amend(user, "mornings", baseline_days=rng.randint(10, 20))
    finally:
        log.close()
    time.sleep(1.0)


def reads(root: Path, rng: random.Random) -> None:
    """Read what a page of the API reads."""
    settings = settings_of(root)
    snapshot = Snapshot(settings)
    key = rng.choice(snapshot.experiment_keys())
    snapshot.prepare(key)
    verdict = open_store(settings).verdict(key)
    if verdict is None or load_analysis(settings, verdict) is None:
        raise RuntimeError(f"{key} lost its analysis")
    if not page_is_whole(settings, key):
        raise RuntimeError(f"{key} has half a page")
    RunStore.from_settings(settings).history(verdict.user_id)
    time.sleep(0.05)


def analyst(root: Path, rng: random.Random) -> None:
    """Hold a read-only connection to the warehouse open over two queries a moment apart."""
    connection = duckdb.connect(str(settings_of(root).warehouse_path), read_only=True)
    try:
        query = "select count(*), sum(value) from daily_outcomes"
        first = connection.execute(query).fetchall()
        time.sleep(rng.uniform(0.0, 0.5))
        if connection.execute(query).fetchall() != first or first[0][0] == 0:
            raise RuntimeError("the analyst's picture changed while it was held")
    finally:
        connection.close()


Part = Callable[[Path, random.Random], None]

PARTS: dict[str, Part] = {
    "nights": nights,
    "single runs": single_runs,
    "amendments": amendments,
    "reads": reads,
    "analyst": analyst,
}


def crowd(
    folder: Path, seconds: float, seed: int, count: int = 3, *, attackers: bool = False
) -> dict[str, Any]:
    """Let every part work for `seconds`; return how often each did, and what went wrong."""
    import_everything()
    root, scratch = folder / "store", folder / "scratch"
    first = run_child(lambda: night(build_world(root, count)), scratch)
    if first.error or first.result:
        raise RuntimeError(f"the first night failed: {first.error or first.result}")
    if not attackers:
        return _crowd(root, scratch, seconds, seed, count, PARTS)
    known, new = scratch / "known.jsonl", scratch / "new.jsonl"
    # Not the date of what is amended meanwhile.
    day = (STARTED_ON + timedelta(days=1)).isoformat()
    users = [person.user_id for person in people(count)]
    with serving(folder, settings_of(root), users[:2], day) as served:
        ask_known(served, random.Random(seed), scratch / "first.jsonl")
        parts = {
            **{name: partial(_behind, part) for name, part in PARTS.items()},
            "known": lambda _, rng: ask_known(served, rng, known),
            "new": lambda _, rng: ask_new(served, rng, new),
            **{name: partial(_attack, served.target, attack) for name, attack in ATTACKERS.items()},
        }
        found = _crowd(root, scratch, seconds, seed, count, parts)
    summary, problems = looked_at(served, known, new)
    return {**found, **summary, "problems": found["problems"] + problems}


def _behind(part: Part, root: Path, rng: random.Random) -> None:
    # Answers go before whatever is computed at the same time.
    os.setpriority(os.PRIO_PROCESS, 0, 10)
    part(root, rng)


def _attack(target: Target, attack: Attack, root: Path, rng: random.Random) -> None:
    # From another machine, it would not take this one's processors.
    os.setpriority(os.PRIO_PROCESS, 0, 15)
    attack(target, rng)


def _crowd(
    root: Path,
    scratch: Path,
    seconds: float,
    seed: int,
    count: int,
    parts: dict[str, Part],
) -> dict[str, Any]:
    children: dict[str, int] = {}
    answers = {name: scratch / f"{name}.json" for name in parts}
    until = time.time() + seconds
    for number, (name, part) in enumerate(parts.items()):
        child = os.fork()
        if child == 0:
            _work(part, root, random.Random(seed + number), until, answers[name])
        children[name] = child
    codes = wait_for(children, seconds + 300)
    done: dict[str, Any] = {}
    problems = [f"{name} hung or died with {code}" for name, code in codes.items() if code]
    for name, answer in answers.items():
        if answer.is_file():
            found = json.loads(answer.read_text())
            done[name] = found["times"]
            problems += [f"{name}: {error}" for error in found["errors"]]
    last = run_child(lambda: _settled(root, count), scratch)
    problems += [last.error] if last.error else last.result["problems"]
    return {
        "seconds": seconds,
        "times": done,
        "analyses": (last.result or {}).get("analyses"),
        "problems": problems,
    }


def _work(
    part: Part,
    root: Path,
    rng: random.Random,
    until: float,
    answer: Path,
) -> None:
    times, errors = 0, []
    log = os.open(answer.with_suffix(".log"), os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    while time.time() < until and len(errors) < 3:
        try:
            part(root, rng)
            times += 1
        except BaseException:  # noqa: BLE001 - told to the parent, which fails
            errors.append(traceback.format_exc()[-1500:])
    answer.write_text(json.dumps({"times": times, "errors": errors}))
    os._exit(0)


def _settled(root: Path, count: int) -> dict[str, Any]:
    """Run one more night and look at what is there."""
    settings = settings_of(root)
    problems = night(settings)
    snapshot = Snapshot(settings)
    if has_shards(settings):
        return _settled_in_shards(settings, snapshot, problems)
    recorded = mlflow_state(settings)["recorded"]
    for person in people(count):
        key = f"{person.user_id}|mornings"
        verdict = open_store(settings).verdict(key)
        wanted = snapshot.prepare(key).fingerprint
        if verdict is None or verdict.fingerprint != wanted:
            problems.append(f"{key} does not show its newest analysis")
        folder = open_store(settings).folder(key)
        stored = {path.name for path in (folder / "runs").glob("[!.]*")}
        # Of all that this person asked; what was asked and not waited for may be unrecorded.
        asked = {path.name for path in folder.parent.glob("*/runs/[!.]*")}
        known = {name.split("|")[1] for name in recorded if name.startswith(person.user_id)}
        if not stored <= known <= asked:
            problems.append(
                f"{key}: {len(stored)} of {len(asked)} analyses stored, {len(known)} recorded"
            )
        for adhoc in folder.parent.glob("adhoc-*"):
            # Whoever comes next takes away what a process that was ended left.
            with open_store(settings).locked(f"{person.user_id}|{adhoc.name}"):
                pass
    problems += [f"{name} is recorded {n} times" for name, n in recorded.items() if n != 1]
    problems += leftovers(root)
    return {"problems": problems, "analyses": len(recorded)}


def _settled_in_shards(
    settings: Settings, snapshot: Snapshot, problems: list[str]
) -> dict[str, Any]:
    """Look at what is there after the last night in a store with shards."""
    store, told = open_store(settings), mlflow_state(settings)
    shards = known_shards(settings)
    problems += [f"{shard.name} has untold results" for shard in shards if untold(settings, shard)]
    if told["open_shards"]:
        problems.append(f"{told['open_shards']} runs of shards are not finished")
    analyses = 0
    for key in snapshot.experiment_keys():
        verdict = store.verdict(key)
        wanted = snapshot.prepare(key).fingerprint
        if verdict is None or verdict.fingerprint != wanted:
            problems.append(f"{key} does not show its newest analysis")
        table = told["shards"][shard_of_key(key, len(shards)).name] or ""
        lines = [line for line in table.splitlines() if line.startswith(f"{key},")]
        if len(lines) != 1 or f",{wanted}," not in lines[0]:
            problems.append(f"{key} is told of in MLflow as {lines}")
        history = store.history(key)
        analyses += len(history)
        lost = [each for each in history if load_analysis(settings, each) is None]
        problems += [f"{key} has lost the analysis {each.fingerprint}" for each in lost]
        # A look is taken once, whoever asked: the last one is what the verdict stands by.
        if verdict is not None and verdict.standing is not None:
            numbers = [row["number"] for row in look_rows(settings, verdict.user_id)]
            if sorted(numbers) != list(range(1, len(numbers) + 1)):
                problems.append(f"{key} has the looks {numbers}")
    problems += [f"{name} is left" for name in leftovers(settings.store_root)]
    return {"problems": problems, "analyses": analyses}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--attackers", action="store_true")
    parser.add_argument(
        "--partition-limit", type=int, default=20_000, help="0: the store has shards"
    )
    arguments = parser.parse_args()
    COMMON["partition_limit"] = arguments.partition_limit
    with tempfile.TemporaryDirectory() as folder:
        found = crowd(
            Path(folder),
            arguments.seconds,
            arguments.seed,
            arguments.people,
            attackers=arguments.attackers,
        )
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
