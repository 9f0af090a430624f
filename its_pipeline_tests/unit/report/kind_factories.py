"""Kinds for tests of their pages: records with given numbers, and real small pools."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np

from its_pipeline.its.pooling.estimates import Estimate
from its_pipeline.its.pooling.pool import pool
from its_pipeline.report.kinds import Interval, KindInput, KindMember, Series

BEGAN_ON = date(2026, 5, 1)


def make_member(number: int, own: float = 5.0, own_sd: float = 2.0, **fields: Any) -> KindMember:
    """Return a member half way between its own days and 3."""
    values: dict[str, Any] = {
        "user_id": f"user{number:03d}",
        "intervention_id": "morning",
        "started_on": BEGAN_ON + timedelta(days=number),
        "own": Interval.normal(own, own_sd),
        "pooled": Interval.normal((own + 3.0) / 2, own_sd * 0.6),
        "probability_of_benefit": 0.8,
        "moved_in_sds": 0.1 * (number % 3) - 0.1,
        "weight": 1.0,
        "href": f"../../user{number:03d}/morning/index.html",
    }
    return KindMember(**{**values, **fields})


def make_kind(n_people: int = 8, **fields: Any) -> KindInput:
    """Return a kind whose average is 3 points (1 to 5)."""
    values: dict[str, Any] = {
        "name": "Study in the morning",
        "outcome": "Session performance",
        "unit": "points",
        "direction": "increase",
        "minimum_effect": 0.0,
        "made_on": date(2026, 6, 20),
        "mean": Interval(3.0, 1.0, 1.0, 5.0),
        "next_person": Interval(3.0, 2.5, -2.0, 8.0),
        "spread": Interval(2.0, 0.8, 0.5, 3.9),
        "probability_helps_people": 0.995,
        "probability_next_benefits": 0.84,
        "members": tuple(make_member(n, float(n)) for n in range(n_people)),
    }
    return KindInput(**{**values, **fields})


def pooled_kind(means: list[float], sds: list[float], without: dict[str, int]) -> KindInput:
    """Return what the real pool says of these estimates."""
    found = pool(
        [
            Estimate.normal(f"user{n:03d}", mean, sd, "points", 8.0)
            for n, (mean, sd) in enumerate(zip(means, sds, strict=True))
        ],
        without_estimate=without,
    )

    def told(effect: Any) -> Interval:
        return Interval(effect.mean, effect.sd, effect.ci_lower, effect.ci_upper)

    rows = found.members.join(found.leave_one_out["moved_in_sds"])
    members = tuple(
        make_member(
            n,
            own=float(row["own_mean"]),
            own_sd=float(row["own_sd"]),
            pooled=Interval(*(row[name] for name in ("mean", "sd", "ci_lower", "ci_upper"))),
            probability_of_benefit=row["probability_of_benefit"],
            moved_in_sds=row["moved_in_sds"],
        )
        for n, row in enumerate(rows.to_dict("records"))
    )
    return make_kind(
        mean=told(found.mean),
        next_person=told(found.next_person),
        spread=told(found.spread),
        probability_helps_people=found.probability_helps_people,
        probability_next_benefits=found.probability_next_benefits,
        members=members,
        without_estimate=without,
        imputed=None if found.imputed is None else told(found.imputed.mean),
        heavy_tailed=told(found.heavy_tailed.mean),
    )


def make_series(started_on: date, n_days: int = 60, seed: int = 0) -> Series:
    """Return days around a start, a few of them without a value."""
    rng = np.random.default_rng(seed)
    days = tuple(started_on + timedelta(days=n - n_days // 2) for n in range(n_days))
    drawn = rng.normal(60, 5, n_days)
    values = tuple(None if rng.random() < 0.1 else float(value) for value in drawn)
    return Series(days, values)
