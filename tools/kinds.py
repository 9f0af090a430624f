"""Records of kinds with known contents, for tests of whatever reads them.

What belongs here: making a record without any analysis. What does not: anything that reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from its_pipeline.stores.pooled_numbers import (
    MULTIPLE_BASELINE,
    PooledBetweenCase,
    PooledEffect,
    PooledSlope,
    PooledSpread,
    PooledTraits,
)
from its_pipeline.stores.pooled_results import (
    CHANGE,
    HeavyTailedResult,
    Imputed,
    PooledMember,
    PooledResult,
    TooFewPeople,
)
from tools.stores import METRIC, START_ON

MADE_AT = "2026-06-20T03:12:40+00:00"


def effect(mean: float = 4.0, sd: float = 1.0) -> PooledEffect:
    """Return an effect whose interval is that of a Gaussian."""
    return PooledEffect(mean, sd, mean - 1.96 * sd, mean + 1.96 * sd, 0.99)


def member(user_id: str, mean: float = 4.0, **changes: Any) -> PooledMember:
    """Return a member's row."""
    fields: dict[str, Any] = {
        "user_id": user_id,
        "intervention_id": "morning",
        "started_on": START_ON.isoformat(),
        "design": CHANGE,
        "n_days": 80,
        "fingerprint": f"of-{user_id}",
        "own_mean": mean + 1.0,
        "own_sd": 2.0,
        "mean": mean,
        "sd": 1.0,
        "ci_lower": mean - 2.0,
        "ci_upper": mean + 2.0,
        "probability_of_benefit": 0.99,
        "moved_in_sds": 0.1,
        "weight": 1.0,
    }
    return PooledMember(**{**fields, **changes})


def traits(**changes: Any) -> PooledTraits:
    """Return a regression on who exercises, two of six people without a say."""
    spread = PooledSpread(1.2, 0.5, 0.2, 2.6)
    slope = PooledSlope("exercises", 2.0, 0.5, 1.0, 3.0, 0.999, 0.5, (0.0, 1.0), 6)
    fields: dict[str, Any] = {
        "names": ("exercises",),
        "needed": 5,
        "refused": "",
        "n_people": 11,
        "n_without": 2,
        "slopes": (slope,),
        "spread": spread,
        "spread_without": spread,
    }
    return PooledTraits(**{**fields, **changes})


def between_case(**changes: Any) -> PooledBetweenCase:
    """Return the between-case effect of a multiple baseline."""
    fields: dict[str, Any] = {
        "design": MULTIPLE_BASELINE, "refused": "", "n_cases": 6, "n_occasions": 240,
        "mean_change": 4.1, "sd": 8.0, "own_sd": 4.0, "d": 0.52, "g": 0.5, "g_se": 0.2, "df": 20.0,
        "autocorrelation": 0.2, "intraclass_correlation": 0.6,
        "g_by_reml": 0.55, "g_by_reml_se": 0.21, "df_by_reml": 24.0,
    }  # fmt: skip
    return PooledBetweenCase(**{**fields, **changes})


def pooled_result(users: Sequence[str], **changes: Any) -> PooledResult:
    """Return the record of a kind that these people tried, and one more who has no estimate."""
    spread = PooledSpread(1.5, 0.6, 0.3, 3.0)
    fields: dict[str, Any] = {
        "kind": "morning",
        "metric": METRIC,
        "unit": "points",
        "pooled_in": "unit",
        "direction": "increase",
        "minimum_effect": 0.5,
        "baseline_sd": 4.0,
        "made_at": MADE_AT,
        "fingerprint": "f",
        "mean": effect(),
        "next_person": effect(sd=2.0),
        "spread": spread,
        "probability_helps_people": 0.998,
        "probability_next_benefits": 0.96,
        "error": 0.003,
        "without_estimate": {"stopped early": 1},
        "imputed": Imputed(1, effect(3.0), effect(3.0, 2.0), spread, 0.99, 0.9),
        "heavy_tailed": HeavyTailedResult(effect(4.1), effect(4.1, 2.0), spread),
        "members": tuple(map(member, sorted(users))),
        "n_with_estimate": len(users),
        "traits": traits(),
        "between_case": between_case(),
    }
    return PooledResult(**{**fields, **changes})


def too_few(n_with_estimate: int = 2, **changes: Any) -> TooFewPeople:
    """Return the record of a kind that too few people have an estimate of."""
    fields: dict[str, Any] = {
        "kind": "tea",
        "metric": METRIC,
        "made_at": MADE_AT,
        "fingerprint": "f",
        "n_with_estimate": n_with_estimate,
        "needed": 5,
        "without_estimate": {"waiting": 4},
    }
    return TooFewPeople(**{**fields, **changes})
