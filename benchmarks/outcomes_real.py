"""Counts and yes/no that follow people's days: do their intervals hold where nothing was changed.

What belongs here: the windows of the placebo study with counts drawn around a person's days, and
days above a line of the person's own; coverage, false answers and width, of the outcome's own
likelihood and of normal errors. What does not: noise that is simulated as well (`outcomes`), or
measurements (`placebo`).

Hardly anybody's public days are counts. So the log rate (the logit) follows a person's own days in
units of their sd over all of that person's days, times the sd that `outcomes` has: how people drift
is real, and how counts scatter is known. "Days above" are real all through: whether the day lay
above that person's median or upper quartile.

    python -m benchmarks.outcomes_real --most 250 --write
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks._table import machine, markdown, write_table
from benchmarks.outcomes import KINDS, LATENT_SD, SURE
from benchmarks.placebo import DATA, MACHINES, clustered
from benchmarks.placebo_windows import LENGTHS, Window, windows
from its_pipeline.its import AnalysisSpec, InvalidSeries, analyze

COUNTED = tuple(kind for kind in KINDS if kind.likelihood != "lognormal")
ABOVE = {"days above the median": 0.5, "days above the upper quartile": 0.75}
"""Real yes/no: the quantile of all of a person's days that a day lies above."""
OUTCOMES = (*(kind.name for kind in COUNTED), *ABOVE)
_PERSON = ["source", "person", "outcome"]


def outcome_of(name: str, window: Window, every_day: np.ndarray, number: int) -> pd.Series:
    """Return a window's counts or yes/no.

    Parameters
    ----------
    name
        One of `OUTCOMES`.
    window
        The window.
    every_day
        All values of the window's person.
    number
        Of the window, for the draws.
    """
    if name in ABOVE:
        return (window.values > np.quantile(every_day, ABOVE[name])).astype(float)
    kind = COUNTED[OUTCOMES.index(name)]
    rng = np.random.default_rng([number, window.n, OUTCOMES.index(name)])
    away = (window.values.to_numpy(dtype=float) - every_day.mean()) / every_day.std()
    return pd.Series(kind.drawn(rng, LATENT_SD * away), window.values.index)


def answers(name: str, numbered: list[tuple[int, Window]], people: dict) -> Iterator[dict]:
    """Yield a row a window and likelihood; none where all days are alike."""
    kinds = {kind.name: kind.likelihood for kind in COUNTED}
    for number, window in numbered:
        key = (window.source, window.person, window.outcome)
        values = outcome_of(name, window, people[key], number)
        for likelihood in (kinds.get(name, "binomial"), "normal"):
            spec = AnalysisSpec(likelihood=likelihood)
            started = time.process_time()
            try:
                found = analyze(values, window.intervention_on, spec, audited=False)
            except InvalidSeries:
                break
            told = None if found.effects is None else found.effects.counterfactual
            yield {
                "outcome": name,
                "likelihood": "normal" if likelihood == "normal" else "own",
                "n": window.n,
                "source": window.source,
                "person": window.person,
                "holds": told is not None and told.ci_lower <= 0.0 <= told.ci_upper,
                "helped": told is not None and told.probability_positive > SURE,
                "worse": told is not None and told.probability_positive < 1.0 - SURE,
                "width": np.nan if told is None else told.ci_upper - told.ci_lower,
                "answered": told is not None,
                "ms": 1000.0 * (time.process_time() - started),
            }


def summary(found: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return a row a group: the outcome's own likelihood, and normal errors on the same windows."""
    rows = []
    for key, cell in found.groupby(by, sort=False):
        own, normal = (cell[cell["likelihood"] == name] for name in ("own", "normal"))
        both = own["width"].to_numpy() / normal["width"].to_numpy()
        rows.append(
            {
                **dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True)),
                "windows": len(own),
                "people": own["person"].nunique(),
                "holds 0 (se)": clustered(own["holds"], own["person"]),
                'false "helped" (se)': clustered(own["helped"], own["person"]),
                'false "worse" (se)': clustered(own["worse"], own["person"]),
                "normal holds 0 (se)": clustered(normal["holds"], normal["person"]),
                'normal "helped"': f"{normal['helped'].mean():.3f}",
                'normal "worse"': f"{normal['worse'].mean():.3f}",
                "width, normal = 1": f"{np.nanmedian(both):.2f}",
                "not answered": f"{1.0 - own['answered'].mean():.3f}",
                "CPU ms": f"{own['ms'].median():.0f}",
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Print the tables, and keep them with ``--write``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=250, help="windows a length, evenly taken")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--outcomes", nargs="+", help="beginnings of names; all by default")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--keep", help="a CSV of all rows")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if not given.data.exists():
        raise SystemExit(f"no {given.data}: pass the daily series with --data")
    days = pd.read_parquet(given.data)
    days = days[~days["source"].isin(MACHINES)]
    people = {
        key: cell["value"].dropna().to_numpy(dtype=float) for key, cell in days.groupby(_PERSON)
    }
    names = [o for o in OUTCOMES if not given.outcomes or o.startswith(tuple(given.outcomes))]
    started = time.process_time()
    rows: list[dict] = []
    for n in given.lengths:
        all_of_them = list(enumerate(windows(days, n)))
        chosen = np.linspace(0, len(all_of_them) - 1, min(given.most, len(all_of_them)))
        numbered = [all_of_them[at] for at in np.unique(chosen.astype(int))]
        for name in names:
            cell = list(answers(name, numbered, people))
            rows += cell
            # A run takes long: each cell is told as it is done.
            print(summary(pd.DataFrame(cell), ["outcome", "n"]).to_string(header=False), flush=True)
            if given.keep:
                pd.DataFrame(rows).to_csv(given.keep, index=False)
    found = pd.DataFrame(rows)
    together = found.assign(outcome=np.where(found["outcome"].isin(ABOVE), "days above", "drawn"))
    text = (
        "# Counts and yes/no on people's days without any change\n\n"
        f"{machine()}; at most {given.most} windows a length, "
        f"{time.process_time() - started:.0f} s of CPU. Drawn around people's days with sd "
        f"{LATENT_SD:g} on the link scale; days above a line are real. People are the unit of "
        f"standard errors.\n\n{markdown(summary(together, ['outcome', 'n']))}\n"
        f"{markdown(summary(found, ['outcome', 'n']))}"
    )
    print(text)
    if given.write:
        write_table("outcomes_real", text)


if __name__ == "__main__":
    main()
