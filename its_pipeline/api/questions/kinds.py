"""Kinds, for somebody who asks over HTTP: what people who tried the same came to.

What belongs here: reading what is kept, and who sees what of it. What does not: the bodies
(`responses_kinds`), or making kinds (`its_pipeline.experiments.pooling`).

A service token sees everybody; a person's own token the kind's numbers and that person's row, and
no count of fewer people than the installation tells of.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from its_pipeline.api.http.exchange import Exchange
from its_pipeline.api.http.problems import Problem
from its_pipeline.api.questions.responses_kinds import KindAnswer, KindsAnswer
from its_pipeline.api.questions.services import Services
from its_pipeline.stores.pooled_results import KindRecord, PooledResult
from its_pipeline.stores.pooled_store import PooledStore, needed_people


def read_kinds(services: Services, exchange: Exchange) -> KindsAnswer:
    """Return all kinds, without members."""
    return _answer(services, exchange, PooledStore(services.settings).all(), with_members=False)


def read_kind(services: Services, exchange: Exchange, kind: str, metric: str | None) -> KindsAnswer:
    """Return one kind on each metric that it was tried on, or on one.

    Raises
    ------
    Problem
        ``unknown_kind``.
    """
    found = [
        record
        for record in PooledStore(services.settings).all()
        if record.kind == kind and metric in (None, record.metric)
    ]
    if not found:
        raise Problem(
            "unknown_kind",
            "too few people have tried it, or nobody has",
            value=kind if metric is None else f"{kind}, {metric}",
        )
    return _answer(services, exchange, found, with_members=True)


def _answer(
    services: Services, exchange: Exchange, records: Iterable[KindRecord], *, with_members: bool
) -> KindsAnswer:
    needed = needed_people(services.settings)
    caller = exchange.caller
    is_service = caller is not None and caller.is_service
    kinds = []
    for record in records:
        told = _told(record, exchange, needed, is_service=is_service)
        if not with_members:
            told["members"] = []
        kinds.append(KindAnswer.model_validate(told))
    return KindsAnswer(kinds=kinds)


def _told(
    record: KindRecord, exchange: Exchange, needed: int, *, is_service: bool
) -> dict[str, Any]:
    counts = {
        "n_people": record.n_people,
        "n_with_estimate": record.n_with_estimate,
        "without_estimate": dict(record.without_estimate),
    }
    told: dict[str, Any] = {"kind": record.kind, "metric": record.metric, "made_at": record.made_at}
    told |= {"n_needed": needed}
    if isinstance(record, PooledResult):
        told |= asdict(record.with_rows_of(exchange.may_see))
        told |= {"state": "pooled", **counts}
        if is_service:
            return told
        if record.traits is not None:
            told["traits"] = asdict(replace(record.traits, n_people=None, n_without=None))
        return {**told, "without_estimate": None}
    hidden = dict.fromkeys(counts)
    return {**told, "state": "too_few_people", **(counts if is_service else hidden)}
