"""Known vulnerabilities of what the lock names, by pip-audit: ``make audit``.

What belongs here: running it, and telling "none are known" from "nobody could be asked". pip-audit
is no dependency of ours: uv runs it in an environment of its own, so the lock stays what users
install.

Exit status 0: none are known. 1: some are, and are listed. 2: no index or no vulnerability service
could be reached, or it does not know a package, so not all was looked at.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
#: One version, so that two audits of one day say the same.
PIP_AUDIT: Final = "pip-audit==2.9.0"
LOCKS: Final = ("requirements.lock", "requirements-uv.lock")
MOST_SHOWN: Final = 10
CLEAN, VULNERABLE, NOT_ASKED = 0, 1, 2


def command(uv: str) -> list[str]:
    """Return the command that audits the locks, and nothing that they do not name."""
    files = [part for lock in LOCKS for part in ("--requirement", str(ROOT / lock))]
    return [
        *(uv, "tool", "run", "--from", PIP_AUDIT, "pip-audit", *files),
        *("--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json"),
    ]


def told(answer: Mapping[str, Any]) -> tuple[int, list[str]]:
    """Return exit status and lines for what pip-audit answered."""
    packages = answer["dependencies"]
    lines = [
        f"{package['name']} {package['version']}: {found['id']} "
        f"(mended in {', '.join(found['fix_versions']) or 'no version yet'})"
        for package in packages
        for found in package.get("vulns", [])
    ]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if skipped:
        shown = ", ".join(skipped[:MOST_SHOWN]) + (", ..." if len(skipped) > MOST_SHOWN else "")
        lines.append(f"NOT AUDITED, for the service does not know them: {len(skipped)}: {shown}")
    lines.append(f"{len(packages) - len(skipped)} packages looked at")
    if any(package.get("vulns") for package in packages):
        return VULNERABLE, lines
    return NOT_ASKED if skipped else CLEAN, lines


def main() -> int:
    uv = Path(sys.executable).with_name("uv")
    done = subprocess.run(command(str(uv)), capture_output=True, text=True, check=False, cwd=ROOT)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        print(
            "NOT AUDITED: pip-audit could not be fetched, or no vulnerability service reached "
            f"({last[:300]}); run `make audit` where an index can be reached"
        )
        return NOT_ASKED
    status, lines = told(answer)
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
