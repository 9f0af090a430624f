"""Pooling: what the people of each kind came to, made anew where something of it changed.

What belongs here: from the members' stored analyses to the record of their kind. What does not: who
is a member (`kinds`), the statistics (`its.pooling`), or Dagster (`defs.pooled_asset`).

An estimate is always that of all days of the newest analysis. The one at which a look crossed its
boundary would be too large on average (Zhang et al. 2012, Ann. Intern. Med. 157, 429).
"""

from __future__ import annotations

import gc
import hashlib
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from its_pipeline.experiments.between_cases import between_cases
from its_pipeline.experiments.kind_traits import TraitValues, regressed, trait_values
from its_pipeline.experiments.kinds import (
    KindKey,
    Membership,
    members_of,
    read_verdicts,
    tried,
)
from its_pipeline.experiments.pooled_record import record_of
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.sharding import has_shards
from its_pipeline.files.atomic import exclusive
from its_pipeline.settings import Settings
from its_pipeline.stores.many_analyses import read_analyses
from its_pipeline.stores.outlines import Outline
from its_pipeline.stores.pooled_likelihoods import Source
from its_pipeline.stores.pooled_results import (
    VERSION,
    KindRecord,
    TooFewPeople,
)
from its_pipeline.stores.pooled_store import PooledStore, needed_people

if TYPE_CHECKING:
    from its_pipeline.events.metrics import OutcomeMetric
    from its_pipeline.its.pooling.estimates import Estimate

STATISTICS_VERSION: Final = 2
"""Of `its.pooling` and of what is made of it here: another one makes every kind anew."""

MOST_ERROR_SDS: Final = 0.02
"""Most by which the quadrature's error may move a number, in its posterior sd: no digit that is
shown depends on it."""

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


def has_stale_kinds(settings: Settings) -> bool:
    """Tell whether a refresh of kinds would change something; nothing is written or locked."""
    snapshot = Snapshot(settings)
    found = tried(snapshot)
    known = {KindKey(each.kind, each.metric): each for each in PooledStore(settings).all()}
    if known.keys() != found.keys():
        return True
    verdicts = read_verdicts(settings, found.values())
    return any(
        known[key].fingerprint != _wanted(snapshot, members_of(key, people, verdicts))[1]
        for key, people in found.items()
    )


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
    with exclusive(store.lock_path), _uncollected():
        snapshot = Snapshot(settings)
        found = tried(snapshot)
        wanted = [key for key in found if only is None or key in only]
        known = {KindKey(each.kind, each.metric): each for each in store.without_other_versions()}
        verdicts = read_verdicts(settings, (found[key] for key in wanted), remember=True)
        refreshed = []
        for done, key in enumerate(wanted, start=1):
            membership = members_of(key, found[key], verdicts)
            refreshed.append(_refresh(snapshot, store, membership, known.get(key), force))
            if on_progress is not None:
                on_progress(done, len(wanted))
        removed = [key for key in known if key not in found and (only is None or key in only)]
        for key in removed:
            store.delete(*key)
    return RefreshedKinds(tuple(refreshed), tuple(sorted(removed)))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Have nobody look for cycles: many people are many small objects, none of them in any.

    Of ten thousand people, looking takes a fifth of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


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
    traits, fingerprint = _wanted(snapshot, membership)
    if known is not None and not force and known.fingerprint == fingerprint:
        return RefreshedKind(membership.key, known, False)
    started = time.perf_counter()
    # Whoever asks for everything anew has the analyses themselves read.
    before = {} if force else store.likelihoods(*membership.key)
    record = _made(
        snapshot.settings, store, membership, metric, needed, traits, fingerprint, before
    )
    store.write(record)
    return RefreshedKind(membership.key, record, True, time.perf_counter() - started)


def _wanted(snapshot: Snapshot, membership: Membership) -> tuple[TraitValues, str]:
    """Return the traits that a kind is regressed on, and the fingerprint that it should have."""
    metric = snapshot.metrics[membership.key.metric]
    verdicts = {who: verdict for who, (_, verdict) in membership.estimated.items()}
    traits = trait_values(snapshot.settings, metric.pooled_by, verdicts)
    return traits, _print(membership, metric, needed_people(snapshot.settings), traits)


def _print(membership: Membership, metric: OutcomeMetric, needed: int, traits: TraitValues) -> str:
    """Return the fingerprint of everything that a kind's record depends on."""
    told = {
        "versions": [VERSION, STATISTICS_VERSION],
        "kind": list(membership.key),
        "pooled_in": metric.pooled_in,
        "unit": metric.unit,
        "needed": needed,
        "without": dict(membership.without),
    }
    if metric.pooled_by:
        values = {who: traits[who] for who in membership.estimated if who in traits}
        told |= {"pooled_by": metric.pooled_by, "traits": values}
    print_ = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for each, verdict in membership.estimated.values():
        print_.update(
            f"\n{verdict.key} {verdict.fingerprint} {verdict.started_on} {each.direction} "
            f"{each.minimum_effect!r}".encode()
        )
    return print_.hexdigest()


def _made(
    settings: Settings,
    store: PooledStore,
    membership: Membership,
    metric: OutcomeMetric,
    needed: int,
    traits: TraitValues,
    fingerprint: str,
    before: Mapping[Source, Estimate],
) -> KindRecord:
    lost: list[str] = []
    refused = 0
    own: dict[str, Estimate] = {}
    pooled_as: dict[str, Estimate] = {}
    standardised = metric.pooled_in == "baseline_sd"
    estimates = _estimates(settings, membership, before)
    for user_id, (_, verdict) in membership.estimated.items():
        try:
            found = estimates[_source(verdict)]
            if isinstance(found, ValueError):
                raise found
            told = found.standardised() if found is not None and standardised else found
        except ValueError:
            # Their days say nothing of the effect, or do not vary where sds of them are the unit.
            refused += 1
            continue
        if found is None or told is None or found.unit != metric.unit:
            lost.append(user_id)
        else:
            own[user_id], pooled_as[user_id] = found, told
    counts = Counter(membership.without)
    counts.update({_LOST: len(lost), "refused": refused})
    without = {reason: count for reason, count in sorted(counts.items()) if count}
    if lost:
        # As if they had none: the record is made anew once their analyses are there again.
        there = {who: each for who, each in membership.estimated.items() if who not in lost}
        kept = Membership(membership.key, there, membership.without)
        fingerprint = _print(kept, metric, needed, traits)
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
        list(pooled_as.values()),
        direction=direction,
        minimum_effect=minimum,
        without_estimate=without,
    )
    verdicts = {who: membership.estimated[who][1] for who in own}
    store.write_likelihoods(
        *membership.key, [(_source(verdicts[who]), each) for who, each in own.items()]
    )
    return record_of(
        pooled,
        membership.key,
        metric,
        verdicts,
        made_at=made_at,
        fingerprint=fingerprint,
        traits=regressed(pooled, metric.pooled_by, traits, needed),
        between_case=between_cases(settings, verdicts),
    )


def _source(verdict: Outline) -> Source:
    return Source(verdict.key, str(verdict.fingerprint))


def _estimates(
    settings: Settings, membership: Membership, before: Mapping[Source, Estimate]
) -> dict[Source, Estimate | ValueError | None]:
    """Return what the stored analysis of every member says.

    None where there is none, and an error where its days say nothing of the effect.
    """
    from its_pipeline.its.effect_likelihood import estimate_of

    sources = {_source(verdict): user_id for user_id, (_, verdict) in membership.estimated.items()}
    found: dict[Source, Estimate | ValueError | None] = {
        source: before[source] for source in sources if source in before
    }
    left = sources.keys() - found.keys()
    for place, analysis in read_analyses(open_store(settings), left):
        source = Source(*place)
        try:
            found[source] = None if analysis is None else estimate_of(analysis, sources[source])
        except ValueError as error:
            found[source] = error
    return found
