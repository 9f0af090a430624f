"""Puts the tables that the benchmarks printed into benchmarks/README.md.

Each benchmark writes its newest table to ``benchmarks/tables/<name>.md``; this page shows them
together. ``python -m benchmarks.collect`` rewrites the page.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parent

HEAD = """# Benchmarks

Speed, memory and calibration, each from one script; ratios are measured side by side in one run.
Timings are not tests: machines are noisy. Every table says what printed it; each script's opening
lines say how to run it, and `python -m benchmarks.collect` puts the newest tables here. Budgets are
those the project set itself; a miss stays in the table.
"""


def page(folder: Path = FOLDER / "tables") -> str:
    """Return the page: the head, then every table under its benchmark's name."""
    parts = [HEAD]
    for path in sorted(folder.glob("*.md")):
        text = path.read_text().strip()
        title = "" if text.startswith("#") else f"## {path.stem}\n\n"
        parts.append(f"{title}{text}\n")
        if path.with_suffix(".png").is_file():
            parts.append(f"![{path.stem}](tables/{path.stem}.png)\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (FOLDER / "README.md").write_text(page())
