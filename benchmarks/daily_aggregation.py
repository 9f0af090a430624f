"""Budget *daily aggregation*: events to daily outcomes over a bare DuckDB group-by, side by side.

    python -m benchmarks.daily_aggregation [--events 10000000] [--memory 2GB] [--rounds 3]

The bare query groups the same columns of the same files by person and UTC day; ours besides finds
local days with their daylight-saving changes, time-of-day shares, sums that do not depend on the
order, and writes the sorted Parquet copy. Also the simulator's time, and one person's series.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.event_store import DRAWN_EVENTS, in_child, show, simulated_lake
from its_pipeline.events.daily import build_daily_outcomes
from its_pipeline.events.duck import in_memory
from its_pipeline.events.metrics import SESSION_PERFORMANCE, load_metrics
from its_pipeline.stores.lake import VALID_EVENTS

BARE = """
SELECT user_id, occurred_at::DATE AS day, max(time_zone), avg(session_performance_score), count(*)
FROM read_parquet('{pattern}', hive_partitioning = false)
WHERE event_type = 'SESSION_ENDED'
GROUP BY ALL
"""

TARGET_RATIO = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="its-bench-", dir=arguments.folder) as folder:
        root = Path(folder)
        lake, seconds, events = simulated_lake(root, arguments.events)
        files = [lake.path(VALID_EVENTS, day) for day in lake.days(VALID_EVENTS)]
        metrics = {SESSION_PERFORMANCE: load_metrics(None)[SESSION_PERFORMANCE]}

        def bare() -> tuple[float, ...]:
            began = time.perf_counter()
            with in_memory(arguments.memory, spill_to=root) as connection:
                query = BARE.format(pattern=lake.pattern(VALID_EVENTS))
                rows = connection.sql(query).to_arrow_table().num_rows
            return time.perf_counter() - began, rows, time.process_time()

        def ours() -> tuple[float, ...]:
            began = time.perf_counter()
            counts = build_daily_outcomes(
                files, metrics, root / "daily.parquet", memory=arguments.memory
            )
            return time.perf_counter() - began, counts[0].rows, time.process_time()

        in_child(bare)
        pairs = [(in_child(bare), in_child(ours)) for _ in range(arguments.rounds)]
        bare_seconds = statistics.median(pair[0][0] for pair in pairs)
        our_seconds = statistics.median(pair[1][0] for pair in pairs)
        ratio = statistics.median(pair[1][0] / pair[0][0] for pair in pairs)
        cpu_ratio = statistics.median((pair[1][2]) / (pair[0][2]) for pair in pairs)
        name = "daily_aggregation" if arguments.events <= 10_000_000 else "daily_aggregation_large"
        show(
            name,
            f"Daily aggregation of {events:,} events, {len(files)} UTC days",
            ("what", "seconds (median)", "rows", "processor seconds", "peak memory, MB"),
            (
                ("simulate", f"{seconds:.1f}", f"{min(events, DRAWN_EVENTS):,}", "", ""),
                ("bare group-by", f"{bare_seconds:.2f}", *_rest(pairs[-1][0])),
                ("daily outcomes", f"{our_seconds:.2f}", *_rest(pairs[-1][1])),
                (
                    "ratio",
                    f"{ratio:.2f} (budget {TARGET_RATIO:.0f})",
                    "",
                    f"{cpu_ratio:.2f}",
                    "",
                ),
            ),
        )


def _rest(numbers: tuple[float, ...]) -> tuple[str, str, str]:
    return f"{numbers[1]:,.0f}", f"{numbers[2]:.2f}", f"{numbers[3]:,.0f}"


if __name__ == "__main__":
    main()
