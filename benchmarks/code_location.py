"""What loading the code location costs over loading Dagster alone.

``python -m benchmarks.code_location`` starts fresh processes in turn: one imports ``dagster``, the
next imports `its_pipeline.definitions` and builds its definitions. CPU seconds of the process are
compared, as they are less disturbed by what else the machine does. Budget: at most 2x, and none of
the heavy libraries loaded.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile

from benchmarks._table import machine, write_table

ALONE = "import dagster"
LOCATION = "import its_pipeline.definitions as location; location.defs()"
HEAVY = ("pymc", "pytensor", "arviz", "causalpy", "nutpie", "matplotlib", "mlflow", "pandera")
_PROGRAM = """
import json, sys, time
started, cpu = time.perf_counter(), time.process_time()
{body}
print(json.dumps({{
    "wall": time.perf_counter() - started,
    "cpu": time.process_time() - cpu,
    "loaded": [name for name in {heavy!r} if name in sys.modules],
    "modules": len(sys.modules),
}}))
"""


def measure(body: str, store_root: str) -> dict[str, float | list[str]]:
    """Return seconds and heavy modules of one fresh process that runs `body`."""
    program = _PROGRAM.format(body=body, heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={"ITS_STORE_ROOT": store_root, "PATH": "/usr/bin:/bin", "HOME": store_root},
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as root:
        for body in (ALONE, LOCATION):
            measure(body, root)
        pairs = [(measure(ALONE, root), measure(LOCATION, root)) for _ in range(rounds)]

    def seconds(which: int, clock: str) -> float:
        return statistics.median(float(pair[which][clock]) for pair in pairs)  # pyright: ignore

    loaded = pairs[0][1]["loaded"]
    ratio = statistics.median(p[1]["cpu"] / p[0]["cpu"] for p in pairs)  # pyright: ignore
    write_table(
        "code_location",
        "\n".join(
            (
                "## Code location\n",
                f"`python -m benchmarks.code_location --rounds {rounds}`, {machine()}\n",
                "| | CPU | wall |",
                "|---|---|---|",
                f"| `import dagster` | {seconds(0, 'cpu'):.2f} s | {seconds(0, 'wall'):.2f} s |",
                f"| `its_pipeline.definitions` with its definitions | {seconds(1, 'cpu'):.2f} s "
                f"| {seconds(1, 'wall'):.2f} s |",
                f"| **ratio of CPU, median of pairs** (target: at most 2) | **{ratio:.2f}** | |",
                f"| heavy libraries loaded (target: none) | {loaded or 'none'} | |",
            )
        )
        + "\n",
    )


if __name__ == "__main__":
    main()
