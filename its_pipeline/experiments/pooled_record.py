"""The record of a kind: what is kept of a pool, in plain numbers.

What belongs here: from `its.pooling`'s answer to `stores.pooled_results`' record. What does not:
who is in a kind, or when it is made again (`pooling`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from its_pipeline.experiments.kinds import KindKey
from its_pipeline.stores.outlines import Outline
from its_pipeline.stores.pooled_numbers import (
    PooledBetweenCase,
    PooledEffect,
    PooledSpread,
    PooledTraits,
)
from its_pipeline.stores.pooled_results import (
    HeavyTailedResult,
    Imputed,
    PooledMember,
    PooledResult,
    design_of,
)

if TYPE_CHECKING:
    from its_pipeline.events.metrics import OutcomeMetric
    from its_pipeline.its.pooling.pooled import Pooled, SpreadOfEffects
    from its_pipeline.its.results import Effect

MOST_WITH_HEAVY_TAILS: Final = 300
"""Most people among whom the answer with heavy tails is asked for, as a check for an odd one: it
takes twenty times as long, and among more people a single one moves the average by little."""


def record_of(
    pooled: Pooled,
    key: KindKey,
    metric: OutcomeMetric,
    verdicts: Mapping[str, Outline],
    *,
    made_at: str,
    fingerprint: str,
    traits: PooledTraits | None,
    between_case: PooledBetweenCase,
) -> PooledResult:
    """Return what is kept of a kind.

    Parameters
    ----------
    pooled
        What its people said together.
    key, metric
        Which kind, and its outcome metric.
    verdicts
        Of everybody in `pooled`, by ``user_id``.
    made_at, fingerprint
        As in `PooledResult`.
    traits, between_case
        As in `PooledResult`.
    """
    imputed = pooled.imputed
    heavy = pooled.heavy_tailed if len(verdicts) <= MOST_WITH_HEAVY_TAILS else None
    told = pooled.members.join(pooled.leave_one_out["moved_in_sds"])
    numbers = (
        "own_mean",
        "own_sd",
        "mean",
        "sd",
        "ci_lower",
        "ci_upper",
        "probability_of_benefit",
        "moved_in_sds",
    )
    people = sorted(verdicts)
    weights = [None] * len(people) if heavy is None else heavy.weights.loc[people].tolist()
    rows = zip(*(told.loc[people, name].tolist() for name in numbers), weights, strict=True)
    members = tuple(
        PooledMember(
            who,
            verdicts[who].intervention_id,
            verdicts[who].started_on,
            design_of(verdicts[who]),
            verdicts[who].n_pre + verdicts[who].n_post,
            str(verdicts[who].fingerprint),
            *row,
        )
        for who, row in zip(people, rows, strict=True)
    )
    return PooledResult(
        kind=key.kind,
        metric=key.metric,
        unit=pooled.estimates.unit,
        pooled_in=metric.pooled_in,
        direction=pooled.direction,
        minimum_effect=pooled.minimum_effect,
        baseline_sd=float(pooled.nodes.scale),
        made_at=made_at,
        fingerprint=fingerprint,
        mean=_effect(pooled.mean),
        next_person=_effect(pooled.next_person),
        spread=_spread(pooled.spread),
        probability_helps_people=pooled.probability_helps_people,
        probability_next_benefits=pooled.probability_next_benefits,
        error=pooled.error,
        without_estimate=dict(pooled.without_estimate),
        imputed=None
        if imputed is None
        else Imputed(
            n_people=sum(pooled.without_estimate.values()),
            mean=_effect(imputed.mean),
            next_person=_effect(imputed.next_person),
            spread=_spread(imputed.spread),
            probability_helps_people=imputed.probability_helps_people,
            probability_next_benefits=imputed.probability_next_benefits,
        ),
        heavy_tailed=None
        if heavy is None
        else HeavyTailedResult(
            mean=_effect(heavy.mean),
            next_person=_effect(heavy.next_person),
            scale=_spread(heavy.scale),
        ),
        members=members,
        n_with_estimate=len(members),
        traits=traits,
        between_case=between_case,
    )


def _effect(effect: Effect) -> PooledEffect:
    return PooledEffect(
        float(effect.mean),
        float(effect.sd),
        float(effect.ci_lower),
        float(effect.ci_upper),
        float(effect.probability_positive),
    )


def _spread(spread: SpreadOfEffects) -> PooledSpread:
    return PooledSpread(
        float(spread.mean), float(spread.sd), float(spread.ci_lower), float(spread.ci_upper)
    )
