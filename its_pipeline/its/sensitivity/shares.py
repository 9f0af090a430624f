"""Whether the time of day shifted at the intervention, and the effect without that adjustment.

What belongs here: which time-of-day shares moved, and the answer that leaves them out. What does
not: the words of the warning (`its.warnings`).
"""

from __future__ import annotations

import numpy as np

from its_pipeline.its.designs.covariates import Covariates
from its_pipeline.its.series import POST, PRE, WASHOUT, PreparedSeries

SHARE_SHIFT = 0.1
SHARE_SHIFT_Z = 3.0
"""A share has shifted when its mean moved by a tenth and by three standard errors."""


def shifted_shares(series: PreparedSeries, covariates: Covariates) -> dict[str, float]:
    """Return the time-of-day shares whose mean changed at the intervention, and by how much."""
    moved: dict[str, float] = {}
    for name in covariates.shares:
        values = covariates.values[name]
        usable = series.observed & np.isfinite(values) & (series.phase != WASHOUT)
        pre, post = values[usable & (series.phase == PRE)], values[usable & (series.phase == POST)]
        change = float(post.mean() - pre.mean())
        error = float(np.sqrt(pre.var(ddof=1) / len(pre) + post.var(ddof=1) / len(post)))
        if abs(change) >= SHARE_SHIFT and abs(change) > SHARE_SHIFT_Z * error:
            moved[name] = change
    return moved
