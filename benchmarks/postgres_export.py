"""Export from PostgreSQL: time and memory of a first and an incremental one, and after a kill.

    python -m benchmarks.postgres_export [--events 5000000]

Starts Debian's PostgreSQL on a free loopback port, fills the app's table, exports it in a child
process that is killed in the middle and started again, adds 10,000 late and new rows, exports what
changed, and compares every id and score of the lake with the table.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from datetime import date
from pathlib import Path

from pydantic import SecretStr

from benchmarks.event_store import in_child, show
from its_pipeline.events.schema import pc
from its_pipeline.events.sources.opening import open_source
from its_pipeline.files.atomic import UNFINISHED_PREFIX
from its_pipeline.ingest.steps import changed_days, export_day, open_lake
from its_pipeline.settings import Settings
from its_pipeline.stores.lake import BEHAVIORAL_EVENTS
from tools.app_table import CREATE, insert
from tools.postgres import PostgresServer, server_binaries

DAYS = 90
START = "2026-01-01"
TODAY = date(2026, 4, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=5_000_000)
    arguments = parser.parse_args()
    binaries = server_binaries()
    if binaries is None:
        raise SystemExit("no PostgreSQL server under /usr/lib/postgresql")
    server = PostgresServer(binaries)
    server.start()
    try:
        with tempfile.TemporaryDirectory(prefix="its-bench-") as folder:
            _measure(server, Path(folder), arguments.events)
    finally:
        server.stop()


def _measure(server: PostgresServer, root: Path, events: int) -> None:
    server.run_sql(CREATE)
    for first in range(0, events, 500_000):
        server.run_sql(insert(first, min(500_000, events - first), START, DAYS, users=2000))
    server.run_sql("ANALYZE behavioral_events; CHECKPOINT;")

    def settings(name: str) -> Settings:
        return Settings(
            store_root=root / name,
            source="postgres",
            source_url=SecretStr(server.url),
            today_on=TODAY,
        )

    def export(name: str) -> tuple[float, ...]:
        began = time.perf_counter()
        source = open_source(settings(name))
        days = changed_days(settings(name), source)
        found = time.perf_counter() - began
        rows = sum(export_day(settings(name), day, source).rows for day in days)
        return time.perf_counter() - began, rows, len(days), found

    whole = in_child(lambda: export("whole"))
    killed = _killed_in_the_middle(lambda: export("killed"), root / "killed", whole[0] / 2)
    resumed = in_child(lambda: export("killed"))
    same = _same(server, settings("whole")) and _same(server, settings("killed"))
    if list((root / "killed").rglob(f"{UNFINISHED_PREFIX}*")):
        raise SystemExit("an unfinished file was left behind")
    server.run_sql(insert(events, 5_000, START, 10, users=2000))
    server.run_sql(insert(events + 5_000, 5_000, "2026-04-01", 1, users=2000))
    incremental = in_child(lambda: export("whole"))
    unchanged = in_child(lambda: export("whole"))
    same = same and _same(server, settings("whole"))
    show(
        "postgres_export",
        f"Export of {events:,} events from PostgreSQL (server on the same machine)",
        ("what", "seconds", "of which finding the days", "rows", "days", "peak memory, MB"),
        (
            ("first export", *_columns(whole)),
            (f"resumed after kill -9 with {killed} days there", *_columns(resumed)),
            ("after 10,000 late and new rows", *_columns(incremental)),
            ("nothing new", *_columns(unchanged)),
            ("the lake equals the table", "yes" if same else "NO", "", "", "", ""),
        ),
    )
    if not same:
        raise SystemExit("the lake differs from the table")


def _columns(numbers: tuple[float, ...]) -> tuple[str, str, str, str, str]:
    seconds, rows, days, found, memory = numbers
    return f"{seconds:.1f}", f"{found:.1f}", f"{rows:,.0f}", f"{days:.0f}", f"{memory:.0f}"


def _killed_in_the_middle(work: object, folder: Path, after_seconds: float) -> int:
    """Run `work` in a child, kill it after a while, and return how many days it finished."""
    child = os.fork()
    if child == 0:
        work()  # type: ignore[operator]
        os._exit(0)
    time.sleep(after_seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return len(open_lake(Settings(store_root=folder)).days(BEHAVIORAL_EVENTS))


def _same(server: PostgresServer, settings: Settings) -> bool:
    """Compare every day's ids and scores with the table."""
    from adbc_driver_postgresql import dbapi

    lake = open_lake(settings)
    days = lake.days(BEHAVIORAL_EVENTS)
    total = 0
    with dbapi.connect(server.url) as connection, connection.cursor() as cursor:
        for day in days:
            ours = lake.read(BEHAVIORAL_EVENTS, day)
            cursor.execute(
                'SELECT id, "sessionPerformanceScore"::float8 AS score FROM behavioral_events '
                f'WHERE "timestamp"::date = \'{day}\' ORDER BY "timestamp", id'
            )
            theirs = cursor.fetch_arrow_table()
            total += ours.num_rows
            if not pc.all(pc.equal(ours["event_id"], theirs["id"])).as_py():
                return False
            if not ours["session_performance_score"].equals(theirs["score"]):
                return False
        cursor.execute("SELECT count(*) FROM behavioral_events")
        row = cursor.fetchone()
        return row is not None and row[0] == total


if __name__ == "__main__":
    main()
