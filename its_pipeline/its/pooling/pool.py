"""The door to the statistics of many people: does it help people, whom, and what to believe of one.

What belongs here: `pool` and the rules of what it is given. What does not: the numbers
(`integration`), or what may be asked of them (`pooled`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from its_pipeline.its.pooling.estimates import BASELINE_SD, Estimate, Members
from its_pipeline.its.pooling.integration import integrate
from its_pipeline.its.pooling.pooled import Pooled


def pool(
    estimates: Sequence[Estimate] | pd.DataFrame,
    *,
    direction: str = "increase",
    minimum_effect: float = 0.0,
    unit: str = "",
    scale: float | None = None,
    without_estimate: Mapping[str, int] | None = None,
) -> Pooled:
    """Pool what many people's own days say of the same change.

    Member i's effect is Normal(mu, tau); mean and spread are integrated over, the spread never
    plugged in. The members are taken as exchangeable: people who chose to begin, and to go on, are
    not everybody.

    Parameters
    ----------
    estimates
        What `estimate_of` makes of analyses, or `Estimate.normal` of anybody's own; or a table of
        columns "mean" and "sd" (and "baseline_sd"), its index the members' names.
    direction
        Which way a benefit points: "increase" or "decrease".
    minimum_effect
        Smallest effect that counts as a benefit, in the effects' unit, >= 0.
    unit
        Of the effects in a table; "sd of the baseline" where they are standardised.
    scale
        Typical sd of the days without the intervention, in the effects' unit: what the priors are
        stated in. By default 1 for standardised effects, else the members' median.
    without_estimate
        How many people have no estimate, by reason ("stopped early", "not converged", "refused");
        `Pooled.imputed` tells the answer with them at no effect.

    Returns
    -------
    Pooled
        With `mean`, `spread`, `next_person`, `members`, and more when asked for.

    Raises
    ------
    ValueError
        If there are fewer than two members, a name twice, units differ, a number is not finite or
        an sd not positive, or nothing says how large effects are; naming value, rule and remedy.
    """
    if direction not in ("increase", "decrease"):
        raise ValueError(f'direction must be "increase" or "decrease" but got {direction!r}')
    if not (math.isfinite(minimum_effect) and minimum_effect >= 0.0):
        raise ValueError(
            f"minimum_effect must be finite and >= 0 but got {minimum_effect!r}; the direction is "
            "said by `direction`"
        )
    members = Members.of(estimates, unit)
    known = members.baseline_sd if scale is None else scale
    if scale is None and members.unit == BASELINE_SD:
        known = 1.0
    if known is None:
        raise ValueError(
            f"nothing says how large an effect in {members.unit!r} is: give `scale`, "
            "the typical sd of a person's days without the intervention, or baseline_sd with the "
            f"estimates, or standardised effects of unit {BASELINE_SD!r}"
        )
    if not (math.isfinite(known) and known > 0.0):
        raise ValueError(f"scale must be finite and > 0 but got {known!r}, in the effects' unit")
    missing = dict(without_estimate or {})
    for reason, count in missing.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise ValueError(
                f"without_estimate[{reason!r}] must be a whole number >= 0 but got {count!r}"
            )
    nodes = integrate(members, float(known))
    return Pooled(members, nodes, direction, float(minimum_effect), missing)
