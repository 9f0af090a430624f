"""Pooling: what the people of each kind came to, made anew where something of it changed.

What belongs here: from the members' stored analyses to the record of their kind. What does not: who
is a member (`kinds`), the statistics (`its.pooling`), or Dagster (`defs.pooled_asset`).

An estimate is always that of all days of the newest analysis. The one at which a look crossed its
boundary would be too large on average (Zhang et al. 2012, Ann. Intern. Med. 157, 429).
"""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from its_pipeline.experiments.kinds import (
    KindKey,
    Membership,
    members_of,
    tried,
)
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.sharding import has_shards
from its_pipeline.files.atomic import exclusive
from its_pipeline.settings import Settings
from its_pipeline.stores.pooled_likelihoods import Source
from its_pipeline.stores.pooled_results import (
    BY_LOT,
    CHANGE,
    ON_AND_OFF,
    VERSION,
    HeavyTailedResult,
    Imputed,
    KindRecord,
    PooledEffect,
    PooledMember,
    PooledResult,
    PooledSpread,
    TooFewPeople,
)
from its_pipeline.stores.pooled_store import PooledStore, needed_people
from its_pipeline.stores.verdict import Verdict

if TYPE_CHECKING:
    from its_pipeline.events.metrics import OutcomeMetric
    from its_pipeline.its.pooling.estimates import Estimate
    from its_pipeline.its.pooling.pooled import Pooled, SpreadOfEffects
    from its_pipeline.its.results import Effect

STATISTICS_VERSION: Final = 1
"""Of `its.pooling` and of what is made of it here: another one makes every kind anew."""

MOST_ERROR_SDS: Final = 0.02
"""Most by which the quadrature's error may move a number, in its posterior sd: no digit that is
shown depends on it."""

MOST_WITH_HEAVY_TAILS: Final = 300
"""Most people among whom the answer with heavy tails is asked for, as a check for an odd one: it
takes twenty times as long, and among more people a single one moves the average by little."""

_LOST: Final = "waiting"
"""An analysis that is missing, damaged or of another unit is made anew by the next night."""


@dataclass(frozen=True)
class RefreshedKind:
    """What became of one kind.

    Attributes
    ----------
    key
        Which.
    record
        What is kept of it.
    made
        Whether it was made now; False where nothing of it had changed.
    seconds
        What making it took.
    """

    key: KindKey
    record: KindRecord
    made: bool
    seconds: float = 0.0


@dataclass(frozen=True)
class RefreshedKinds:
    """What a refresh came to.

    Attributes
    ----------
    kinds
        Those that there are, sorted.
    removed
        Of which nothing is kept any more: too few people are left.
    """

    kinds: tuple[RefreshedKind, ...]
    removed: tuple[KindKey, ...]


def has_kinds(settings: Settings) -> bool:
    """Tell whether there is a kind of enough people, or something is kept of an earlier one."""
    if bool(PooledStore(settings).all()):
        return True
    if has_shards(settings):
        from its_pipeline.events.log_counts import has_kind_of

        return has_kind_of(settings, needed_people(settings), settings.utc_today())
    return bool(tried(Snapshot(settings)))


def refresh_kinds(
    settings: Settings,
    only: Collection[KindKey] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    force: bool = False,
) -> RefreshedKinds:
    """Make every kind anew whose members' analyses, or settings, have changed.

    Parameters
    ----------
    settings
        The installation.
    only
        These alone; all others stay as they are.
    on_progress
        Called with how many kinds are done, and of how many.
    force
        Make them anew whether or not something has changed.
    """
    store = PooledStore(settings)
    # Read under the lock: whoever deletes a person marks them, waits for it, and goes over this.
    with exclusive(store.lock_path):
        snapshot = Snapshot(settings)
        found = tried(snapshot)
        wanted = [key for key in found if only is None or key in only]
        store.delete_other_versions()
        known = {KindKey(each.kind, each.metric): each for each in store.all()}
        refreshed = []
        for done, key in enumerate(wanted, start=1):
            membership = members_of(snapshot, key, found[key])
            refreshed.append(_refresh(snapshot, store, membership, known.get(key), force))
            if on_progress is not None:
                on_progress(done, len(wanted))
        removed = [key for key in known if key not in found and (only is None or key in only)]
        for key in removed:
            store.delete(*key)
    return RefreshedKinds(tuple(refreshed), tuple(sorted(removed)))


def kinds_of(settings: Settings, user_id: str) -> set[KindKey]:
    """Return the kinds that count a person: by the log, as far as they are kept, and by their rows.

    Somebody who is being deleted is still found, as long as the log has them.
    """
    from its_pipeline.events.interventions import InterventionLog

    log = InterventionLog(settings.resolved_intervention_log_url)
    try:
        logged = log.list(user_id, include_withdrawn=True)
    finally:
        log.close()
    store = PooledStore(settings)
    tried_by_them = {KindKey(each.pooled_as, each.outcome_metric) for each in logged}
    kept = {KindKey(record.kind, record.metric) for record in store.all()}
    return (tried_by_them & kept) | {KindKey(*each) for each in store.with_row_of(user_id)}


def _refresh(
    snapshot: Snapshot,
    store: PooledStore,
    membership: Membership,
    known: KindRecord | None,
    force: bool,
) -> RefreshedKind:
    metric = snapshot.metrics[membership.key.metric]
    needed = needed_people(snapshot.settings)
    if known is not None and not force and known.fingerprint == _print(membership, metric, needed):
        return RefreshedKind(membership.key, known, False)
    started = time.perf_counter()
    # Whoever asks for everything anew has the analyses themselves read.
    before = {} if force else store.likelihoods(*membership.key)
    record = _made(snapshot.settings, store, membership, metric, needed, before)
    store.write(record)
    return RefreshedKind(membership.key, record, True, time.perf_counter() - started)


def _print(membership: Membership, metric: OutcomeMetric, needed: int) -> str:
    """Return the fingerprint of everything that a kind's record depends on."""
    told = {
        "versions": [VERSION, STATISTICS_VERSION],
        "kind": list(membership.key),
        "pooled_in": metric.pooled_in,
        "unit": metric.unit,
        "needed": needed,
        "members": [
            [
                verdict.key,
                verdict.fingerprint,
                verdict.started_on,
                each.direction,
                each.minimum_effect,
            ]
            for each, verdict in membership.estimated.values()
        ],
        "without": dict(membership.without),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _made(
    settings: Settings,
    store: PooledStore,
    membership: Membership,
    metric: OutcomeMetric,
    needed: int,
    before: Mapping[Source, Estimate],
) -> KindRecord:
    lost: list[str] = []
    refused = 0
    own: dict[str, Estimate] = {}
    standardised = metric.pooled_in == "baseline_sd"
    for user_id, (_, verdict) in membership.estimated.items():
        try:
            found = before.get(_source(verdict)) or _own(settings, verdict)
            if found is not None and standardised:
                found.standardised()
        except ValueError:
            # Their days say nothing of the effect, or do not vary where sds of them are the unit.
            refused += 1
            continue
        if found is None or found.unit != metric.unit:
            lost.append(user_id)
        else:
            own[user_id] = found
    counts = Counter(membership.without)
    counts.update({_LOST: len(lost), "refused": refused})
    without = {reason: count for reason, count in sorted(counts.items()) if count}
    kept = Membership(
        membership.key,
        {who: each for who, each in membership.estimated.items() if who not in lost},
        membership.without,
    )
    fingerprint = _print(kept, metric, needed)
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    is_scaled = standardised or any(each.baseline_sd for each in own.values())
    if len(own) < needed or not is_scaled:
        if not is_scaled and own:
            # Nobody's days without it vary: nothing says how large an effect is.
            without["refused"] = without.get("refused", 0) + len(own)
            own = {}
        return TooFewPeople(*membership.key, made_at, fingerprint, len(own), needed, without)
    interventions = {who: membership.estimated[who][0] for who in own}
    directions = Counter(each.direction for each in interventions.values())
    newest = max(interventions.values(), key=lambda each: (each.started_on, each.user_id))
    direction = max(directions, key=lambda name: (directions[name], name == newest.direction))
    minimum = statistics.median(
        each.minimum_effect / ((own[who].baseline_sd or 1.0) if standardised else 1.0)
        for who, each in interventions.items()
    )
    from its_pipeline.its.pooling.pool import pool

    pooled = pool(
        [each.standardised() if standardised else each for each in own.values()],
        direction=direction,
        minimum_effect=minimum,
        without_estimate=without,
    )
    verdicts = {who: membership.estimated[who][1] for who in own}
    store.write_likelihoods(
        *membership.key, [(_source(verdicts[who]), each) for who, each in own.items()]
    )
    return _record(pooled, membership.key, metric, verdicts, made_at, fingerprint)


def _source(verdict: Verdict) -> Source:
    return Source(verdict.key, str(verdict.fingerprint))


def _own(settings: Settings, verdict: Verdict) -> Estimate | None:
    """Return what a member's stored analysis says; None where there is none.

    Raises
    ------
    ValueError
        Its days say nothing of the effect.
    """
    from its_pipeline.its.effect_likelihood import estimate_of

    store = open_store(settings)
    analysis = store.analysis(verdict.key, str(verdict.fingerprint), with_trace=False)
    return None if analysis is None else estimate_of(analysis, verdict.user_id)


def _record(
    pooled: Pooled,
    key: KindKey,
    metric: OutcomeMetric,
    verdicts: Mapping[str, Verdict],
    made_at: str,
    fingerprint: str,
) -> PooledResult:
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
    rows = told[list(numbers)].to_dict("index")
    members = tuple(
        PooledMember(
            user_id=who,
            intervention_id=verdict.intervention_id,
            started_on=verdict.started_on,
            design=_design(verdict),
            n_days=verdict.n_pre + verdict.n_post,
            fingerprint=str(verdict.fingerprint),
            weight=None if heavy is None else float(heavy.weights[who]),
            **{name: float(rows[who][name]) for name in numbers},
        )
        for who, verdict in sorted(verdicts.items())
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


def _design(verdict: Verdict) -> str:
    if verdict.by_lot:
        return BY_LOT
    return ON_AND_OFF if verdict.is_on_and_off else CHANGE
