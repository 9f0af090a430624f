"""What is kept of a kind's traits and between-case effect, in the numbers that people are told.

What belongs here: from the record to what `report` words. What does not: the words, or pages
(`kind_pages`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from its_pipeline.stores.pooled_results import PooledResult

if TYPE_CHECKING:
    from its_pipeline.report.kinds import KindBetweenCase, KindTraits


def told_traits(record: PooledResult, times: float = 1.0) -> KindTraits | None:
    """Return whom a kind helps more; None where its metric declares no traits.

    Parameters
    ----------
    record
        What is kept of the kind.
    times
        What effects are told times.
    """
    from its_pipeline.report.kinds import Interval, KindSlope, KindTraits

    found = record.traits
    if found is None:
        return None
    spreads = [
        None
        if each is None
        else Interval(*(times * n for n in (each.mean, each.sd, each.ci_lower, each.ci_upper)))
        for each in (found.spread, found.spread_without)
    ]
    slopes = tuple(
        KindSlope(
            trait=each.trait,
            effect=Interval(
                *(times * n for n in (each.mean, each.sd, each.ci_lower, each.ci_upper))
            ),
            trait_sd=each.trait_sd,
            groups=each.groups,
            n_in_higher_group=each.n_in_higher_group,
        )
        for each in found.slopes
    )
    return KindTraits(
        found.names, found.refused, found.n_people or 0, found.n_without or 0, slopes, *spreads
    )


def told_between_case(
    record: PooledResult, unit: str, times: float = 1.0
) -> KindBetweenCase | None:
    """Return a kind as single-case studies report it, beside ours; None where that is not known.

    Parameters
    ----------
    record
        What is kept of the kind.
    unit
        Of the outcome, as told.
    times
        What amounts of the outcome are told times.
    """
    from its_pipeline.report.kinds import Interval, KindBetweenCase

    found = record.between_case
    if found is None:
        return None
    if found.g is None or found.g_se is None or found.d is None or found.sd is None:
        return KindBetweenCase(found.refused, found.design)
    return KindBetweenCase(
        refused="",
        design=found.design,
        d=found.d,
        g=Interval.normal(found.g, found.g_se),
        g_by_reml=None
        if found.g_by_reml is None or found.g_by_reml_se is None
        else Interval.normal(found.g_by_reml, found.g_by_reml_se),
        n_cases=found.n_cases or 0,
        n_occasions=found.n_occasions or 0,
        sd=times * found.sd,
        own_sd=times * found.own_sd if found.own_sd is not None else 0.0,
        ours=record.mean.mean / record.baseline_sd,
        unit=unit,
    )
