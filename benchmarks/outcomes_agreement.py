"""Counts and yes/no: whether the weighed draws say the same as NUTS on the joint density.

What belongs here: the simulated series of `outcomes`, each answered by both. What does not: whether
the intervals hold (`outcomes`), or measurements (`agreement`).

The sampler answers every series twice: what share of a promise it keeps against itself is what a
method without any error would reach. A series where ours lies outside gets chains `LONGER` times as
long, and is judged by those as well.

    python -m benchmarks.outcomes_agreement --series 50 --write
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks._noise import NOISES, noise_of
from benchmarks._table import machine, rows_as_markdown, write_table
from benchmarks.outcomes import EFFECT, KINDS, LATENT_SD, Kind
from its_pipeline.its import AnalysisSpec, InvalidSeries, models
from its_pipeline.its.fitting import prepared_fit
from its_pipeline.its.inference.convergence import ess_bulk
from its_pipeline.its.inference.nuts import SamplerSettings
from its_pipeline.its.likelihoods.latent_sampled import sampled
from its_pipeline.its.likelihoods.linked import LinkedLikelihood
from its_pipeline.its.linked import CHAINS, bounded, linked_posterior
from its_pipeline.its.response import Response

LENGTHS = (28, 60, 90)
EFFECTS = ("counterfactual", "ratio")
DRAWS, TUNE, ACCEPT = 2500, 1000, 0.95
TAILS = (0.025, 0.975)
ENOUGH_DRAWS = 1000.0
"""Independent draws of the sampler that a comparison needs: with them the ratio of two sds is known
to about .03 where tails are normal."""


LONGER = 4
MOST_APART, SD_RATIOS = 0.1, (0.95, 1.05)
"""Promised: means no further apart, in sds, and the ratio of sds between these."""


def compared(kind: Kind, noise: str, n: int, number: int) -> list[dict[str, object]]:
    """Answer one series by weighed draws and by NUTS; a row an effect, none where it is refused."""
    rng = np.random.default_rng([number, n, KINDS.index(kind), list(NOISES).index(noise)])
    days, post = pd.date_range("2026-01-01", periods=n), np.arange(n) >= n // 2
    latent = LATENT_SD * noise_of(NOISES[noise], n, rng)
    outcome = pd.Series(kind.drawn(rng, latent + EFFECT * post), days)
    spec = AnalysisSpec(likelihood=kind.likelihood)
    likelihood = models.likelihood(kind.likelihood)
    assert isinstance(likelihood, LinkedLikelihood)
    try:
        fit, _ = prepared_fit(outcome, days[n // 2], spec, None, likelihood)
    except InvalidSeries:
        return []  # all days alike: there is nothing to analyse
    ours = linked_posterior(fit, likelihood, spec, audited=False)
    if not ours.diagnostics.by_quadrature:
        return []  # the sampler answers itself

    def reference(seed: int, longer: int = 1) -> dict[str, np.ndarray]:
        seen = ours.response.seen
        settings = SamplerSettings(longer * DRAWS, TUNE, CHAINS, seed, ACCEPT)
        problem = bounded(fit.problem, seen)
        _, drawn = sampled(problem, seen, ours.response.drawn, fit.series.steps, settings)
        return _judged(Response(fit, seen, ours.response.likelihood, drawn))

    mine, first, again = _judged(ours.response), reference(number), reference(number + 100_000)
    longest: dict[str, np.ndarray] = {}
    rows = []
    for name in EFFECTS:
        told = _apart(mine[name], first[name])
        if not longest and not _kept(told["mean"], told["sd"]):
            longest = reference(number + 200_000, LONGER)
        of_longest = _apart(mine[name], longest[name]) if longest else told
        rows.append(
            {
                "kind": kind.name,
                "n": n,
                "effect": name,
                **told,
                **{
                    f"again_{key}": value for key, value in _apart(again[name], first[name]).items()
                },
                **{f"longest_{key}": value for key, value in of_longest.items()},
                "ess": float(ess_bulk(first[name].reshape(1, CHAINS, -1))[0]),
            }
        )
    return rows


def _judged(response: Response) -> dict[str, np.ndarray]:
    """Return the draws that are compared."""
    return {
        name: np.log(response.effects[name]) if name == "ratio" else response.effects[name]
        for name in EFFECTS
    }


def _apart(mine: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Return how far apart two sets of draws are."""
    return {
        "mean": float((mine.mean() - other.mean()) / other.std()),
        "median": float((np.median(mine) - np.median(other)) / other.std()),
        "sd": float(mine.std() / other.std()),
        "width": _width(mine) / _width(other),
    }


def _kept(mean: float, sd: float) -> bool:
    return abs(mean) <= MOST_APART and SD_RATIOS[0] <= sd <= SD_RATIOS[1]


def _width(draws: np.ndarray) -> float:
    """Return the width of the 95 % interval: unlike an sd, no single draw decides it."""
    lower, upper = np.quantile(draws, TAILS)
    return float(upper - lower)


def table(found: pd.DataFrame) -> str:
    """Return a row an effect and length: how far apart the two are, and two runs of one."""
    rows = []
    for (effect, n), cell in found.groupby(["effect", "n"], sort=False):
        told = cell[cell["ess"] > ENOUGH_DRAWS]

        def shares(column: str, told: pd.DataFrame = told) -> str:
            return " / ".join(
                f"{told[before + column].between(*SD_RATIOS).mean():.2f}"
                for before in ("", "longest_", "again_")
            )

        rows.append(
            [
                effect,
                n,
                f"{len(told)} of {len(cell)}",
                f"{told['mean'].abs().median():.3f}",
                f"{told['mean'].abs().max():.3f}",
                f"{told['median'].abs().max():.3f}",
                f"{(told['mean'].abs() <= MOST_APART).mean():.2f}",
                f"{told['sd'].median():.3f}",
                f"{told['sd'].min():.3f}-{told['sd'].max():.3f}",
                shares("sd"),
                f"{told['width'].median():.3f}",
                shares("width"),
                f"{cell['ess'].median():.0f}",
            ]
        )
    head = ["effect", "n", "series", "means apart (sd), median", "largest", "medians, largest"]
    head += ["means within .1", "sd ratio, median", "range"]
    head += ["sd ratio .95-1.05: ours / by longer chains / NUTS against itself"]
    head += ["95 % width ratio, median", "width ratio .95-1.05: the same three", "ESS of NUTS"]
    return rows_as_markdown(head, rows)


def main() -> None:
    """Print the table, and keep it with ``--write``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=50, help="a length")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--keep", help="a CSV of all rows")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    kinds = [kind for kind in KINDS if kind.likelihood != "lognormal"]
    noises = list(NOISES)
    rows: list[dict[str, object]] = []
    for n in given.lengths:
        for number in range(given.series):
            rows += compared(kinds[number % len(kinds)], noises[number % len(noises)], n, number)
            if given.keep:
                pd.DataFrame(rows).to_csv(given.keep, index=False)
    text = "\n".join(
        [
            "## Weighed draws against NUTS, counts and yes/no",
            "",
            f"{CHAINS} x {DRAWS} draws of the joint density, of which at least "
            f"{ENOUGH_DRAWS:g} are independent; effects in amounts, and the log of the ratio. "
            f"Where ours lies outside, chains {LONGER} times as long judge as well. "
            f"{machine()}",
            "",
            table(pd.DataFrame(rows)),
        ]
    )
    print(text)
    if given.write:
        write_table("outcomes_agreement", text)


if __name__ == "__main__":
    main()
