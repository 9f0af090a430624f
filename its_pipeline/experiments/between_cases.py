"""A kind as the single-case field would report it: the between-case d and g of its members' days.

What belongs here: which kinds are a multiple baseline or a reversal, their days as cases and
occasions, and the record of the estimator. What does not: the estimator
(`its.pooling.between_case`) or its words (`report.kind_traits`).

A phase needs three observed occasions to be one (What Works Clearinghouse, Procedures and Standards
Handbook 5.0, 2022: at least three data points a phase); of faster ones nothing is estimated.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Final

from its_pipeline.experiments.service import open_store
from its_pipeline.settings import Settings
from its_pipeline.stores.outlines import Outline
from its_pipeline.stores.pooled_numbers import MULTIPLE_BASELINE, REVERSAL, PooledBetweenCase
from its_pipeline.stores.pooled_results import BY_LOT, CHANGE, design_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

FEWEST_CASES: Final = 3
MOST_CASES: Final = 100
"""Most people whose days are read again for it: it is made for studies of a few cases."""
FEWEST_OCCASIONS: Final = 3
"""Observed occasions of a phase, see above."""

_BASELINE, _TREATMENT = "off", "on"


def between_cases(settings: Settings, verdicts: Mapping[str, Outline]) -> PooledBetweenCase:
    """Return the between-case effect of a kind, or why there is none.

    Parameters
    ----------
    settings
        The installation.
    verdicts
        Of everybody with an estimate, by ``user_id``.
    """
    from its_pipeline.its.pooling.between_case import between_case
    from its_pipeline.its.pooling.between_case_reml import between_case_reml

    design, why = _design(verdicts)
    if why:
        return PooledBetweenCase(design, why)
    frames = []
    for number, (_, verdict) in enumerate(sorted(verdicts.items())):
        found = _occasions(settings, verdict, is_reversal=design == REVERSAL)
        if isinstance(found, str):
            return PooledBetweenCase(design, found)
        # Cases are numbered: whatever is said of the data names nobody.
        frames.append(found.assign(case=number))
    import pandas as pd

    data = pd.concat(frames, ignore_index=True)
    try:
        told = between_case(data, _BASELINE, reversal=design == REVERSAL)
        by_reml = between_case_reml(data, _BASELINE, reversal=design == REVERSAL)
    except ValueError as error:
        return PooledBetweenCase(design, str(error))
    off = data[data["treatment"] == _BASELINE]
    return PooledBetweenCase(
        design=design,
        refused="",
        n_cases=len(frames),
        n_occasions=len(data),
        mean_change=told.mean_change,
        sd=float(told.variance**0.5),
        own_sd=float(off.groupby("case")["outcome"].std().median()),
        d=told.uncorrected,
        g=told.standardised,
        g_se=float(told.standardised_variance**0.5),
        df=told.df,
        autocorrelation=told.autocorrelation,
        intraclass_correlation=told.intraclass_correlation,
        g_by_reml=by_reml.standardised,
        g_by_reml_se=float(by_reml.standardised_variance**0.5),
        df_by_reml=by_reml.df,
    )


def _design(verdicts: Mapping[str, Outline]) -> tuple[str, str]:
    """Return the design of a kind as a whole, and why it has no such effect (empty: it may)."""
    designs = {design_of(verdict) for verdict in verdicts.values()}
    name = {frozenset({CHANGE}): MULTIPLE_BASELINE}.get(frozenset(designs), REVERSAL)
    if len(verdicts) < FEWEST_CASES:
        return name, f"a variance between cases needs at least {FEWEST_CASES} of them"
    if len(verdicts) > MOST_CASES:
        return name, f"it is made for studies of a few cases, not for more than {MOST_CASES}"
    if len({verdict.cadence for verdict in verdicts.values()}) > 1:
        return name, "people's outcomes have different units of time"
    if BY_LOT in designs:
        return (
            name,
            "a lot drew the days of some, which is neither a multiple baseline nor a reversal",
        )
    if len(designs) > 1:
        return name, "some changed once and some went on and off again"
    if name == MULTIPLE_BASELINE and len({v.started_on for v in verdicts.values()}) < 2:
        return name, "everybody began on the same day, so it is no multiple baseline"
    return name, ""


def _occasions(settings: Settings, verdict: Outline, *, is_reversal: bool) -> pd.DataFrame | str:
    """Return time, treatment, outcome and phase of a member's occasions, or why there are none."""
    import numpy as np
    import pandas as pd

    analysis = open_store(settings).analysis(
        verdict.key, str(verdict.fingerprint), with_trace=False
    )
    if analysis is None:
        return "the days of somebody are not at hand"
    off, on = analysis.phase_names
    days = analysis.daily[analysis.daily["phase"].isin([off, on])].dropna(subset="observed")
    is_on = (days["phase"] == on).to_numpy()
    kept = _whole_pairs(is_on)
    pair = np.cumsum(np.diff(is_on[kept].astype(int), prepend=1) < 0)
    cells = pd.Series(1, index=[pair, is_on[kept]]).groupby(level=[0, 1]).size()
    if len(cells) < 2 or cells.min() < FEWEST_OCCASIONS:
        return (
            f"a phase of somebody has fewer than {FEWEST_OCCASIONS} observed "
            f"{verdict.calendar.step}s, and is none by the field's standards"
        )
    origin = date(1970, 1, 1)
    time = [verdict.calendar.between(origin, day.date()) for day in days["day"][kept]]
    return pd.DataFrame(
        {
            "time": time,
            "treatment": np.where(is_on[kept], _TREATMENT, _BASELINE),
            "outcome": days["observed"].to_numpy(float)[kept],
            "phase": pair if is_reversal else 1,
        }
    )


def _whole_pairs(is_on: np.ndarray) -> np.ndarray:
    """Return the rows from the first one off to the last one on, shape (n,), bool."""
    import numpy as np

    after_off = np.maximum.accumulate(~is_on)
    ahead_of_on = np.maximum.accumulate(is_on[::-1])[::-1]
    return after_off & ahead_of_on
