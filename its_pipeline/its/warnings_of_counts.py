"""Whether counts scatter as their likelihood says: over-dispersion, and days without any event.

What belongs here: the two predictive checks of counts and their words. What does not: what the days
before foretell (`foretold`), or the other warnings (`warnings`).

Each day is held against what the days before it foretell (Dawid 1984, J. R. Stat. Soc. A 147, 278);
series drawn from those very forecasts say what chance alone makes of the same sums.
"""

from __future__ import annotations

import numpy as np

from its_pipeline.its import warning_codes
from its_pipeline.its.linked import LinkedPosterior
from its_pipeline.its.posterior import Posterior
from its_pipeline.its.results import AnalysisWarning
from its_pipeline.its.spec import AnalysisSpec
from its_pipeline.its.warnings import warning

MISFIT_P = 0.005
"""Counts that a series of the likelihood has with a lower probability than this are warned of."""
_SERIES = 2000


def warnings_of_counts(posterior: Posterior, spec: AnalysisSpec) -> tuple[AnalysisWarning, ...]:
    """Warn where counts scatter more, or stay away more often, than their likelihood says.

    Parameters
    ----------
    posterior
        Of any outcome; others than counts are passed over.
    spec
        How it was analysed.
    """
    if not isinstance(posterior, LinkedPosterior) or not spec.is_count:
        return ()
    told, y, found = posterior.foretold, posterior.response.seen.y, []
    rng = np.random.default_rng(len(y))
    beyond = told.variances - told.means
    rates = rng.gamma(np.square(told.means) / beyond, beyond / told.means, (_SERIES, len(y)))
    drawn = rng.poisson(rates)
    squares, usual = (
        np.sum(np.square(counts - told.means) / told.variances, axis=-1) for counts in (y, drawn)
    )
    if not posterior.response.seen.dispersed and np.mean(usual >= squares) < MISFIT_P:
        ratio = squares / usual.mean()
        text = (
            f"The counts vary {ratio:.1f} times as much from {spec.step} to {spec.step} as Poisson "
            'counts would, so the interval is too narrow; likelihood "negative_binomial" lets them.'
        )
        found.append(warning(warning_codes.OVER_DISPERSED, text, {"variance_ratio": ratio}))
    zeros, expected = np.sum(y == 0.0), np.sum(drawn == 0, axis=1)
    if np.mean(expected >= zeros) < MISFIT_P:
        text = (
            f"{zeros} {spec.step}s have no event at all, where about {expected.mean():.0f} would "
            "be expected: perhaps nothing could happen on some of them, or nothing was written "
            "down."
        )
        numbers = {"zeros": zeros, "expected": expected.mean()}
        found.append(warning(warning_codes.MANY_ZEROS, text, numbers))
    return tuple(found)
