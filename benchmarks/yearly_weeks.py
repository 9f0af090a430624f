"""The yearly season of weeks, simulated: with a wave and without, with the season or not.

What belongs here: weekly series of one and a half to three years on which nothing was changed,
whether intervals hold 0 and how wide they are. What does not: days (`yearly`).

    python -m benchmarks.yearly_weeks --series 25 --write
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks._noise import NOISES, noise_of
from benchmarks._table import machine, rows_as_markdown, write_table
from its_pipeline.its import AnalysisSpec, analyze

LENGTHS = (79, 104, 156)
POST = 26
WAVES = (0.0, 1.0)
EFFECT = 1.0
"""In sds of the noise."""
SURE = 0.95
SPECS = {"as the product": AnalysisSpec(), "no season": AnalysisSpec(season="none")}


def rows_of(noise: str, n: int, number: int) -> list[dict[str, object]]:
    """Analyse one series with each wave, effect and model."""
    rng = np.random.default_rng([list(NOISES).index(noise), n, number])
    weeks = pd.date_range("2022-01-04", periods=n, freq="7D")
    errors, start = noise_of(NOISES[noise], n, rng), weeks[n - POST]
    angle = 2.0 * np.pi * (weeks.dayofyear.to_numpy() / 365.25 + rng.random())
    rows = []
    for wave in WAVES:
        for effect in (0.0, EFFECT):
            y = errors + wave * np.sin(angle) + effect * (weeks >= start)
            for name, spec in SPECS.items():
                found = analyze(pd.Series(y, weeks), start, spec, audited=False).effects
                assert found is not None
                told = found.counterfactual
                rows.append(
                    {
                        "weeks": n,
                        "wave": wave,
                        "model": name,
                        "effect": effect,
                        "holds": told.ci_lower <= effect <= told.ci_upper,
                        "sure": told.probability_positive > SURE,
                        "worse": told.probability_negative > SURE,
                        "width": told.ci_upper - told.ci_lower,
                    }
                )
    return rows


def table(found: pd.DataFrame) -> str:
    """Return a row a length, wave and model; noises together."""
    rows = []
    for (n, wave, model), cell in found.groupby(["weeks", "wave", "model"], sort=False):
        null, moved = cell[cell["effect"] == 0.0], cell[cell["effect"] > 0.0]
        rows.append(
            [
                n,
                f"{wave:g} sd" if wave else "none",
                model,
                len(null),
                f"{null['holds'].mean():.3f}",
                f"{null['sure'].mean():.3f} / {null['worse'].mean():.3f}",
                f"{moved['holds'].mean():.3f}",
                f"{moved['sure'].mean():.2f}",
                f"{null['width'].median():.2f}",
            ]
        )
    head = ["weeks", "wave", "model", "series", "holds 0", 'false "helped" / "worse"']
    return rows_as_markdown([*head, "holds 1 sd", "power at 1 sd", "median width (sds)"], rows)


def main() -> None:
    """Print the table, and keep it with ``--write``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=25, help="a noise and length")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    rows = [
        row
        for n in LENGTHS
        for noise in NOISES
        for number in range(given.series)
        for row in rows_of(noise, n, number)
    ]
    text = (
        f"## Weeks with a yearly season, {POST} weeks after\n\nFour noises together "
        f"({', '.join(NOISES)}), the wave at any time of the year. {machine()}\n\n"
        f"{table(pd.DataFrame(rows))}"
    )
    print(text)
    if given.write:
        write_table("yearly_weeks", text)


if __name__ == "__main__":
    main()
