"""From windows on which nothing was changed to shares, their errors, and the factor that is needed.

What belongs here: pure arithmetic on the audit's windows; people are the unit throughout, because
one person's windows resemble each other. What does not: making windows (`audit`), or keeping and
adopting a factor (`stores.placebo_audit`, `audit`).

A row of windows is one window as the model sees it: ``metric``, ``user_id``, ``n_days``,
``direction``, and of the effect ``mean``, ``lower``, ``upper`` (95 % interval) and ``lower_90``,
``upper_90`` (5 % and 95 % quantiles).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from its_pipeline.its.spec import LARGEST_FACTOR
from its_pipeline.stores.placebo_audit import Measured

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

NOMINAL: Final = 0.95
FACTOR_PEOPLE: Final = 30
FACTOR_WINDOWS: Final = 200
"""A factor is computed of at least as many: the 95 % quantile of 200 windows leaves ten beyond."""
TOLD_PEOPLE: Final = 12
"""With fewer than a dozen people nothing is judged: the interval of the coverage holds anything."""
LOWEST_COVERAGE: Final = 0.9
"""A coverage below this is too low, however few people leave it uncertain."""
_STEPS: Final = 100
"""A factor is rounded up to hundredths, so that a digit nobody can see starts no new analyses."""


def measured(windows: pd.DataFrame, factors: Mapping[str, float]) -> tuple[Measured, ...]:
    """Return what the windows came to, by metric, over all lengths and by length.

    Parameters
    ----------
    windows
        See the module.
    factors
        In force, by metric; rows with them follow those without.
    """
    rows = []
    for metric, of_metric in windows.groupby("metric", sort=True):
        name = str(metric)
        for factor in sorted({1.0, factors.get(name, 1.0)}):
            rows.append(_row(name, None, of_metric, factor))
            rows += [
                _row(name, int(str(n_days)), part, factor)
                for n_days, part in of_metric.groupby("n_days", sort=True)
            ]
    return tuple(rows)


def _row(metric: str, n_days: int | None, windows: pd.DataFrame, factor: float) -> Measured:
    import numpy as np

    people = windows["user_id"].to_numpy()
    mean = windows["mean"].to_numpy()
    ends = {
        name: mean + factor * (windows[name].to_numpy() - mean)
        for name in ("lower", "upper", "lower_90", "upper_90")
    }
    rose, fell = ends["lower_90"] > 0.0, ends["upper_90"] < 0.0
    wants_rise = windows["direction"].to_numpy() == "increase"
    holds = (ends["lower"] <= 0.0) & (ends["upper"] >= 0.0)
    coverage, coverage_se = clustered_share(holds, people)
    helped, helped_se = clustered_share(np.where(wants_rise, rose, fell), people)
    worse, worse_se = clustered_share(np.where(wants_rise, fell, rose), people)
    n_people = len(np.unique(people))
    lower, upper = share_interval(coverage, coverage_se, n_people, len(windows))
    return Measured(
        metric=metric,
        n_days=n_days,
        factor=factor,
        people=n_people,
        windows=len(windows),
        coverage=coverage,
        coverage_se=coverage_se,
        coverage_lower=lower,
        coverage_upper=upper,
        helped=helped,
        helped_se=helped_se,
        worse=worse,
        worse_se=worse_se,
    )


def clustered_share(hits: NDArray[np.bool_], people: NDArray[np.object_]) -> tuple[float, float]:
    """Return a share and its standard error, people as the unit.

    The linearised variance of a ratio, with the small-sample factor G / (G - 1) for G people
    (Cochran 1977, Sampling Techniques, section 11.8). With one person the error is 0: unknown.

    Parameters
    ----------
    hits, people
        Of each window, shape ``(n,)``.
    """
    import numpy as np

    values = hits.astype(float)
    share = float(values.mean())
    _, at = np.unique(people.astype(str), return_inverse=True)
    sums = np.bincount(at, values - share)
    if len(sums) < 2:
        return share, 0.0
    variance = len(sums) / (len(sums) - 1) * float(sums @ sums) / len(values) ** 2
    return share, math.sqrt(variance)


def share_interval(share: float, se: float, people: int, windows: int) -> tuple[float, float]:
    """Return a 95 % interval of a share whose windows come from people.

    Wilson's interval with the effective number of windows, share (1 - share) / se^2, and Student's
    quantile with people - 1 degrees of freedom (Korn & Graubard 1998, Survey Methodology 24). Where
    all windows agree, every person counts once.

    Parameters
    ----------
    share, se
        From `clustered_share`.
    people, windows
        How many.
    """
    from scipy import stats

    if people < 2:
        return 0.0, 1.0
    effective = share * (1.0 - share) / se**2 if se > 0.0 else float(people)
    # More information than windows there is not, whatever the luck of the sums.
    n = min(effective, float(windows))
    t = float(stats.t.ppf(0.975, people - 1))
    centre = (share + t * t / (2.0 * n)) / (1.0 + t * t / n)
    half = t / (1.0 + t * t / n) * math.sqrt(share * (1.0 - share) / n + (t / (2.0 * n)) ** 2)
    return max(0.0, centre - half), min(1.0, centre + half)


def verdict_of(row: Measured) -> tuple[bool, str]:
    """Tell whether a metric's intervals hold what they promise, in a plain sentence.

    Parameters
    ----------
    row
        Over all lengths, with the factor in force.
    """
    if row.people < TOLD_PEOPLE:
        return True, f"too few people to tell ({row.people} of at least {TOLD_PEOPLE})"
    told = (
        f"{100 * row.coverage:.1f} % of {row.windows} intervals of {row.people} people hold 0 "
        f"(with many more people probably {100 * row.coverage_lower:.1f} to "
        f"{100 * row.coverage_upper:.1f} %)"
    )
    if row.coverage_upper < NOMINAL or row.coverage < LOWEST_COVERAGE:
        return False, f"{told}; 95 % should, so the intervals are too narrow"
    if row.coverage_lower > NOMINAL:
        return False, f"{told}; 95 % should, so the intervals are wider than they need be"
    return True, f"{told}; 95 % should"


def needed_factors(windows: pd.DataFrame) -> dict[str, float]:
    """Return by how much each metric's intervals would have to be widened to hold 95 %.

    The factor is one for the metric, over all lengths together, and at least what any single length
    needs that has enough people and windows by itself: most windows are short, and what they need
    must not speak for the long ones. It is taken whether or not the shortfall is significant. A
    test would leave thirty people's intervals that hold 90 % as they are, and an interval that is a
    few percent too wide costs less than one that tells people that something worked. Intervals
    that hold more than 95 % are never narrowed.

    Parameters
    ----------
    windows
        See the module.

    Returns
    -------
    dict
        Metric to factor, at least 1; without metrics that have too few people or windows.
    """
    found = {}
    for metric, of_metric in windows.groupby("metric", sort=True):
        if not _are_enough(of_metric):
            continue
        parts = [of_metric, *(part for _, part in of_metric.groupby("n_days"))]
        found[str(metric)] = max(_needed(part) for part in parts if _are_enough(part))
    return found


def _are_enough(windows: pd.DataFrame) -> bool:
    return len(windows) >= FACTOR_WINDOWS and windows["user_id"].nunique() >= FACTOR_PEOPLE


def _needed(windows: pd.DataFrame) -> float:
    """Return the smallest factor with which 95 % of the intervals hold 0, at least 1.

    A window's own is the distance of 0 from the mean over that of the interval's end on 0's side.
    The order statistic is that of split conformal prediction, ceil(0.95 (n + 1)) (Lei et al. 2018,
    JASA 113), so that the next window is held with 95 %, not just those at hand.
    """
    import numpy as np

    mean = windows["mean"].to_numpy()
    reach = np.where(mean > 0, mean - windows["lower"].to_numpy(), windows["upper"] - mean)
    # Bounded as an analysis bounds it, which also takes care of an interval without any width.
    least = np.maximum(np.abs(mean) / LARGEST_FACTOR, np.finfo(float).tiny)
    own = np.sort(np.abs(mean) / np.maximum(reach, least))
    place = min(math.ceil(NOMINAL * (len(own) + 1)), len(own))
    needed = math.ceil(_STEPS * float(own[place - 1])) / _STEPS
    return min(max(1.0, needed), LARGEST_FACTOR)
