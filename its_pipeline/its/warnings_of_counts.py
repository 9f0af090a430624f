"""Whether counts scatter as their likelihood says: over-dispersion, and days without any event.

What belongs here: the two checks of counts and their words. What does not: what the days before
foretell (`foretold`), or the other warnings (`warnings`).

Days without an event are held against what the days before foretell (Dawid 1984, J. R. Stat. Soc. A
147, 278): given those, each day is one by itself, and their number a sum of unequal coins. There is
no likelihood with a share of days on which nothing could happen: intervals hold without one
(benchmarks/outcomes.py), and which days those were the person knows better than their counts.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from its_pipeline.its import priors, warning_codes
from its_pipeline.its.linked import LinkedPosterior
from its_pipeline.its.posterior import Posterior
from its_pipeline.its.results import AnalysisWarning
from its_pipeline.its.spec import AnalysisSpec
from its_pipeline.its.warnings import warning

MISFIT_P = 0.005
"""So many days without an event that a series has them with a lower probability are warned of."""
SHORT_TAU = 1.25
"""Noise of Poisson counts whose time constant is shorter than the shortest allowed times this does
not last: it stands in for a dispersion of single days."""
NOTICEABLE_SD = 0.1
"""Of the noise, on the log scale: below it there is no dispersion to speak of."""


def warnings_of_counts(posterior: Posterior, spec: AnalysisSpec) -> tuple[AnalysisWarning, ...]:
    """Tell where counts scatter otherwise than their likelihood says.

    Parameters
    ----------
    posterior
        Of any outcome; others than counts are passed over.
    spec
        How it was analysed.
    """
    if not isinstance(posterior, LinkedPosterior) or not spec.is_count:
        return ()
    return (*_over_dispersed(posterior, spec), *_many_zeros(posterior, spec))


def _over_dispersed(posterior: LinkedPosterior, spec: AnalysisSpec) -> list[AnalysisWarning]:
    response = posterior.response
    if response.seen.dispersed:
        return []
    tau = -1.0 / np.log(float(np.median(response.drawn.phi)))
    least_sd = response.seen.scale * float(np.quantile(response.drawn.sd, 0.05))
    if tau > SHORT_TAU * priors.LINKED_TAU_SHORTEST or least_sd < NOTICEABLE_SD:
        return []
    text = (
        f"The rate seems to jump from one {spec.step} to the next, which Poisson counts have to "
        'take for drift; likelihood "negative_binomial" lets each of them vary by itself.'
    )
    return [warning(warning_codes.OVER_DISPERSED, text, {"tau": tau, "sd_lower": least_sd})]


def _many_zeros(posterior: LinkedPosterior, spec: AnalysisSpec) -> list[AnalysisWarning]:
    told, zeros = posterior.foretold, int(np.sum(posterior.response.seen.y == 0.0))
    # A count of mean m and variance v, as a Poisson one whose rate is a gamma variable, is 0 with
    # probability (m / v)^(m^2 / (v - m)).
    beyond = told.variances - told.means
    none = (told.means / told.variances) ** (np.square(told.means) / beyond)
    if stats.poisson_binom.sf(zeros - 1, none) >= MISFIT_P:
        return []
    expected = float(none.sum())
    text = (
        f"{zeros} {spec.step}s have no event at all, where about {expected:.0f} would be "
        "expected: perhaps nothing could happen on some of them, or nothing was written down."
    )
    if not posterior.response.seen.dispersed:
        text += ' Likelihood "negative_binomial" leaves room for more of them.'
    numbers = {"zeros": zeros, "expected": expected}
    return [warning(warning_codes.MANY_ZEROS, text, numbers)]
