"""A kind of many people through a real store: made, one member changed, nothing changed.

What belongs here: a store whose results lie in sets, and what refreshing its kind takes. What does
not: the statistics alone (`pooling`). Writes tables/pooling_store.md.

    python -m benchmarks.pooling_store --people 10000
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd

from benchmarks._store import STARTED_ON, log_people, user_name
from benchmarks._table import machine, markdown, write_table
from benchmarks.result_sets import fitted
from its_pipeline.experiments.compaction import compact
from its_pipeline.experiments.pooling import has_stale_kinds, refresh_kinds
from its_pipeline.experiments.service import open_store
from its_pipeline.its import warm_up
from its_pipeline.settings import Settings
from its_pipeline.stores.result_sets import MOST_ROWS

MODELS = 50
"""People who are really analysed; the others have copies of their results."""
AT_A_TIME = 1000


def filled(root: Path, people: int, model: Settings) -> Settings:
    """Return a store in which so many people tried the same, their results in sets."""
    settings = model.model_copy(update={"store_root": root})
    log_people(settings, people)
    source = open_store(model).sets
    rows = [
        [
            replace(row, analysis=None if row.is_standing else source.analysis(*row.place))
            for row in source.rows(key)
        ]
        for key in sorted(source.experiments())
    ]
    sets = open_store(settings).sets
    for start in range(0, people, AT_A_TIME):
        sets.add(
            replace(row, key=f"{name}|mornings", user_id=name, verdict=_named(row.verdict, name))
            for number in range(start, min(start + AT_A_TIME, people))
            for name in [user_name(number)]
            for row in rows[number % len(rows)]
        )
    sets.merge(MOST_ROWS)
    # What gathering leaves behind of every experiment.
    for number in range(people):
        folder = open_store(settings).folder(f"{user_name(number)}|mornings")
        folder.mkdir(parents=True)
        (folder / ".lock").touch()
    return settings


def _named(verdict: str, name: str) -> str:
    return json.dumps({**json.loads(verdict), "key": f"{name}|mornings", "user_id": name})


def analysed_again(settings: Settings, number: int) -> None:
    """Give one person another newest analysis, in a folder, as a night leaves it."""
    store = open_store(settings)
    key, other = (f"{user_name(each)}|mornings" for each in (number, number + 1))
    verdict, twin = store.verdict(key), store.verdict(other)
    if verdict is None or twin is None:
        raise RuntimeError(f"{key} and {other} should have verdicts")
    analysis = store.analysis(other, str(twin.fingerprint))
    if analysis is None:
        raise RuntimeError(f"the analysis of {other} should be there")
    newer = replace(verdict, fingerprint=f"{number:064x}", decided_at="2027-01-01T00:00:00+00:00")

    def save(folder: Path) -> None:
        analysis.save(folder)

    store.write_analysis(newer, save)
    store.write_verdict(newer)


def timed(settings: Settings, made: int) -> tuple[float, float]:
    """Return the seconds, and those of the processors, of a refresh that makes so many kinds."""
    started, busy = time.perf_counter(), time.process_time()
    done = refresh_kinds(settings)
    took = time.perf_counter() - started, time.process_time() - busy
    if sum(kind.made for kind in done.kinds) != made:
        raise RuntimeError(f"{made} kinds should have been made anew: {done}")
    return took


def measured(settings: Settings, people: int) -> dict[str, object]:
    """Return one line of the table."""
    warm_up()
    cold = timed(settings, 1)
    one = []
    for number in (people // n for n in (2, 3, 5, 7, 11)):
        analysed_again(settings, number)
        one.append(timed(settings, 1))
    nothing = [timed(settings, 0) for _ in range(3)]
    started = time.perf_counter()
    if has_stale_kinds(settings):
        raise RuntimeError("nothing should be stale")
    asked = time.perf_counter() - started
    return {
        "people": f"{people:,}",
        "all of it new (s, CPU s)": "{:.1f}, {:.1f}".format(*cold),
        "one member changed (s, CPU s)": " / ".join(map("{0[0]:.2f}, {0[1]:.2f}".format, one)),
        "nothing changed (s, CPU s)": "{:.2f}, {:.2f}".format(*min(nothing)),
        "asked whether it has (s)": f"{asked:.2f}",
    }


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description="Kinds of many people through a store.")
    parser.add_argument("--people", type=int, nargs="+", default=[2_000, 10_000])
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        model = fitted(Path(folder) / "model", MODELS, audited=False)
        compact(model)
        for people in options.people:
            settings = filled(Path(folder) / str(people), people, model)
            rows.append(measured(settings, people))
            print(rows[-1], flush=True)
    write_table(
        "pooling_store",
        f"# A kind through a store\n\n{machine()}. Everybody began on {STARTED_ON}; results lie in "
        f"sets, copies of those of {MODELS} people who were analysed. What a refresh takes, the "
        "intervention log and all verdicts read; one member's newer analysis lies in a folder, as "
        "a night leaves it, five times in a row. Asked for: one of 10,000 in under a second. Load "
        f"average, on 2 cores: {os.getloadavg()[0]:.1f}, so CPU seconds stand beside.\n\n"
        + markdown(pd.DataFrame(rows)),
    )


if __name__ == "__main__":
    main()
