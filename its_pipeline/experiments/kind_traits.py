"""Whom it helps more: a kind's effects regressed on one or two traits that its metric declares.

What belongs here: who has the traits, what may be told of them, and the record of a regression.
What does not: declaring traits (`stores.person_traits`), the statistics (`its.pooling`), or words
(`report.kind_traits`).

Nothing of fewer people than a kind needs holds for groups as well: where a trait tells fewer apart
from all the others, its slope would be a number of theirs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from its_pipeline.events.traits import DESIGN_TRAITS
from its_pipeline.settings import Settings
from its_pipeline.stores.outlines import Outline
from its_pipeline.stores.person_traits import traits_of
from its_pipeline.stores.pooled_numbers import PooledSlope, PooledSpread, PooledTraits

if TYPE_CHECKING:
    import pandas as pd

    from its_pipeline.its.pooling.pooled import Pooled

#: Of every person that has them, the values of traits in the order in which they are declared.
TraitValues = Mapping[str, tuple[float, ...]]


def trait_values(
    settings: Settings, names: Collection[str], verdicts: Mapping[str, Outline]
) -> TraitValues:
    """Return the traits of those people who have all of them.

    Parameters
    ----------
    settings
        The installation.
    names
        Of traits of people, or of designs.
    verdicts
        Of each person, by ``user_id``.
    """
    if not names:
        return {}
    own = traits_of(settings, [name for name in names if name not in DESIGN_TRAITS])
    found = {}
    for who, verdict in verdicts.items():
        values = [
            _of_design(name, verdict) if name in DESIGN_TRAITS else own[name].get(who)
            for name in names
        ]
        known = tuple(value for value in values if value is not None)
        if len(known) == len(values):
            found[who] = known
    return found


def regressed(
    pooled: Pooled, names: Collection[str], values: TraitValues, needed: int
) -> PooledTraits | None:
    """Return how a kind's effect changes with its traits; None where none is declared.

    Parameters
    ----------
    pooled
        Everybody with an estimate.
    names
        The declared traits, one or two.
    values
        From `trait_values`.
    needed
        Of how few people nothing is told.
    """
    import pandas as pd

    from its_pipeline.its.pooling.traits import standardised

    if not names:
        return None
    members = [who for who in pooled.estimates.names if who in values]
    n_without = len(pooled.estimates) - len(members)
    table = pd.DataFrame(
        [values[who] for who in members], index=pd.Index(members), columns=list(names), dtype=float
    )
    why = _refusal(table, needed)
    if not why:
        try:
            standardised(table, members)
        except ValueError as error:
            # Two traits that are one.
            why = str(error)
    if why:
        return PooledTraits(tuple(names), needed, why, None, None)
    found = pooled.of_members(members).regression(table)
    slopes = []
    for name in names:
        effect, column = found.slopes[name], table[name]
        groups = tuple(sorted(set(column)))
        is_group = len(groups) == 2
        slopes.append(
            PooledSlope(
                trait=name,
                mean=effect.mean,
                sd=effect.sd,
                ci_lower=effect.ci_lower,
                ci_upper=effect.ci_upper,
                probability_positive=effect.probability_positive,
                trait_sd=float(column.std(ddof=0)),
                groups=groups if is_group else None,
                n_in_higher_group=int((column == groups[1]).sum()) if is_group else None,
            )
        )
    spread, before = (
        PooledSpread(float(s.mean), float(s.sd), float(s.ci_lower), float(s.ci_upper))
        for s in (found.spread, found.spread_without)
    )
    return PooledTraits(
        tuple(names), needed, "", len(members), n_without, tuple(slopes), spread, before
    )


def _of_design(name: str, verdict: Outline) -> float:
    if name == "baseline_days":
        return float(verdict.n_pre)
    if name == "on_and_off":
        return float(verdict.is_on_and_off)
    if name == "by_lot":
        return float(verdict.by_lot)
    return float(verdict.likelihood == "normal")


def _refusal(table: pd.DataFrame, needed: int) -> str:
    """Return why nothing is told of traits; empty where something may be."""
    named = " and ".join(table.columns)
    if len(table) < needed:
        return f"fewer than {needed} people with an estimate have a value of {named}"
    groups = []
    for name in table.columns:
        counts = Counter(table[name])
        if len(counts) == 1:
            return f"{name} is the same for everybody, so it explains nothing"
        if len(table) - max(counts.values()) < needed:
            return (
                f"fewer than {needed} people differ from the others in {name}, and of so few "
                "nothing is told"
            )
        if len(counts) == 2:
            groups.append(name)
    if len(groups) == 2:
        cells = Counter(table[groups].itertuples(index=False, name=None))
        if min(cells.values()) < needed:
            return (
                f"one combination of {named} has fewer than {needed} people, and of so few "
                "nothing is told"
            )
    return ""
