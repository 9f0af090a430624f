"""Budget *one user's series*: one person's daily series out of 10 million events, in milliseconds.

    python -m benchmarks.user_series [--events 10000000] [--reads 300]

Reads random people's series from the sorted Parquet copy with nothing kept between reads, and
beside it asks the raw events of the same people, as one would without the copy.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from benchmarks.event_store import show, simulated_lake, timed
from its_pipeline.events.daily import build_daily_outcomes, read_series
from its_pipeline.events.duck import in_memory
from its_pipeline.events.metrics import SESSION_PERFORMANCE, load_metrics
from its_pipeline.stores.lake import VALID_EVENTS

TARGET_MS = 20.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--reads", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="its-bench-") as folder:
        root = Path(folder)
        lake, _, events = simulated_lake(root, arguments.events)
        files = [lake.path(VALID_EVENTS, day) for day in lake.days(VALID_EVENTS)]
        daily = root / "daily.parquet"
        build_daily_outcomes(files, load_metrics(None), daily)
        with in_memory() as connection:
            found = connection.execute(
                "SELECT DISTINCT user_id FROM read_parquet($file) WHERE outcome = $outcome "
                "ORDER BY ALL",
                {"file": str(daily), "outcome": SESSION_PERFORMANCE},
            ).fetchall()
        users = [user for (user,) in found]
        chosen = random.Random(0).choices(users, k=arguments.reads)

        def from_copy(user: str) -> float:
            return timed(lambda: read_series(daily, user, SESSION_PERFORMANCE))[0]

        def from_raw(user: str) -> float:
            return timed(lambda: _from_events(lake.pattern(VALID_EVENTS), user))[0]

        ours = [from_copy(user) for user in chosen]
        raw = [from_raw(user) for user in chosen[:10]]
        show(
            "user_series",
            f"One person's daily series out of {events:,} events and {len(users):,} people",
            ("from", "median, ms", "95th percentile, ms", "largest, ms"),
            (
                ("the daily outcomes", *_quantiles(ours)),
                ("the raw events", *_quantiles(raw)),
                ("budget", f"{TARGET_MS:.0f}", "", ""),
            ),
        )


def _from_events(pattern: str, user: str) -> int:
    with in_memory() as connection:
        query = (
            "SELECT occurred_at::DATE, avg(session_performance_score) "
            f"FROM read_parquet('{pattern}', hive_partitioning = false) "
            "WHERE user_id = $user AND event_type = 'SESSION_ENDED' GROUP BY ALL"
        )
        return len(connection.execute(query, {"user": user}).fetchall())


def _quantiles(seconds: list[float]) -> tuple[str, str, str]:
    ordered = sorted(seconds)
    chosen = (ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)], ordered[-1])
    return tuple(f"{value * 1000:.1f}" for value in chosen)  # type: ignore[return-value]


if __name__ == "__main__":
    main()
