"""A 1 GB `export.xml` of Apple Health: how long its import takes, and how much memory.

    python -m benchmarks.apple_export [--megabytes 1024]

The file is made in the form of a real one: a phone's and a watch's steps, distances and energy, a
heart rate every few minutes, staged nights. Each import runs in a process of its own, whose peak
resident memory the operating system tells. Writes tables/apple_export.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._table import machine, rows_as_markdown, write_table

BUDGET_MB = 300
"""An export may not take more memory, however large it is."""

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<HealthData locale="en_US">\n'
DEVICE = (
    "&lt;&lt;HKDevice: 0x282e3a260&gt;, name:Apple Watch, manufacturer:Apple Inc., "
    "model:Watch, hardware:Watch6,4, software:8.3&gt;"
)
STAGES = ("Core", "Deep", "Core", "REM")


def main() -> None:
    """Make the file, import it, the same again, and one that is a day longer."""
    parser = argparse.ArgumentParser(description="Import of a large Apple Health export.")
    parser.add_argument("--megabytes", type=int, default=1024)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        root = Path(folder)
        file, longer = root / "export.xml", root / "longer" / "export.xml"
        longer.parent.mkdir()
        days, records = _make(file, options.megabytes * 2**20)
        _lengthen(file, longer, days)
        rows = [
            _measured(what, export, root / "store")
            for what, export in (
                ("the whole file", file),
                ("the same again", file),
                ("a file that is a day longer", longer),
            )
        ]
        size = file.stat().st_size / 2**20
    kept = all(row[2] <= BUDGET_MB for row in rows)
    header = ("import", "seconds", "peak memory, MB", "said")
    text = (
        f"# A large export of Apple Health\n\n`python -m benchmarks.apple_export`, {machine()}. "
        f"{size:,.0f} MB of `export.xml`, {records:,} records of {days:,} days. Peak resident "
        f"memory of the whole process; at most {BUDGET_MB} MB is asked: "
        f"{'kept' if kept else 'missed'}.\n\n" + rows_as_markdown(header, rows)
    )
    write_table("apple_export", text)


def _measured(what: str, export: Path, store: Path) -> tuple[str, str, int, str]:
    """Import in a process of its own; return its time and its peak memory."""
    program = (
        "import resource, sys; from its_pipeline.cli.main import app\n"
        "try:\n    app(sys.argv[1:])\nfinally:\n"
        "    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "    print('peak', peak, file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", program, "import", str(export), "--user-id", "anna"]
    command += ["--time-zone", "Europe/Berlin"]
    started = time.perf_counter()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "ITS_STORE_ROOT": str(store)},
    )
    seconds = time.perf_counter() - started
    peak = int(done.stderr.rsplit("peak", 1)[1]) // 1024
    said = next(
        line for line in done.stdout.splitlines() if "UTC days" in line or "imported" in line
    )
    row = (what, f"{seconds:.0f}", peak, said)
    print(row, flush=True)
    return row


def _make(file: Path, size: int) -> tuple[int, int]:
    """Write whole days until the file has its size; return the numbers of days and records."""
    days = records = 0
    with file.open("w", encoding="utf-8") as out:
        out.write(HEAD)
        while out.tell() < size:
            text = _day(date(2010, 1, 1) + timedelta(days=days))
            records += text.count("<Record")
            out.write(text)
            days += 1
        out.write("</HealthData>\n")
    return days, records


def _lengthen(file: Path, longer: Path, days: int) -> None:
    """Copy the file with one day more."""
    with file.open("rb") as source, longer.open("wb") as target:
        end = file.stat().st_size - len(b"</HealthData>\n")
        while (left := end - source.tell()) > 0:
            target.write(source.read(min(left, 2**24)))
        target.write(_day(date(2010, 1, 1) + timedelta(days=days)).encode())
        target.write(b"</HealthData>\n")


def _day(day: date) -> str:
    offset = "+0200" if 4 <= day.month <= 9 else "+0100"
    midnight = datetime(day.year, day.month, day.day)
    seed = day.toordinal()
    lines: list[str] = []

    def record(kind: str, value: str, at: datetime, seconds: int, unit: str, source: str) -> None:
        end = at + timedelta(seconds=seconds)
        lines.append(
            f' <Record type="HK{kind}" sourceName="{source}" sourceVersion="8.3" device="{DEVICE}"'
            f'{unit} creationDate="{end} {offset}" startDate="{at} {offset}" '
            f'endDate="{end} {offset}" value="{value}"/>\n'
        )

    for minute in range(7 * 60, 22 * 60, 8):
        at = midnight + timedelta(minutes=minute)
        steps = (seed * 31 + minute * 17) % 400
        for source, share in (("Watch", 1.0), ("iPhone", 0.7)):
            unit = ' unit="count"'
            name = "QuantityTypeIdentifierStepCount"
            record(name, str(int(steps * share)), at, 400, unit, source)
            name = "QuantityTypeIdentifierDistanceWalkingRunning"
            record(name, f"{steps * share * 0.0007:.6f}", at, 400, ' unit="km"', source)
        name = "QuantityTypeIdentifierActiveEnergyBurned"
        record(name, f"{steps * 0.04:.4f}", at, 400, ' unit="kcal"', "Watch")
    for minute in range(0, 1440, 4):
        at = midnight + timedelta(minutes=minute)
        rate = 50 + (seed * 13 + minute * 7) % 90
        name = "QuantityTypeIdentifierHeartRate"
        record(name, str(rate), at, 0, ' unit="count/min"', "Watch")
    at = midnight - timedelta(hours=1)
    for piece in range(16):
        stage = f"HKCategoryValueSleepAnalysisAsleep{STAGES[piece % 4]}"
        record("CategoryTypeIdentifierSleepAnalysis", stage, at, 1800, "", "Watch")
        at += timedelta(minutes=30)
    name = "QuantityTypeIdentifierBodyMass"
    weight = f"{70 + seed % 10 / 10:.1f}"
    record(name, weight, midnight + timedelta(hours=7), 0, ' unit="kg"', "Scale")
    return "".join(lines)


if __name__ == "__main__":
    main()
