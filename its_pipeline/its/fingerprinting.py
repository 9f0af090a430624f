"""The fingerprint of an analysis: same fingerprint, same answer.

A hash over the series, the intervention's date, the covariates, the settings with seed, the
model's version and whatever else the caller says the answer depends on. It is the cache key; what
is cached, and where, is not decided here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from its_pipeline.its.spec import LINKED_VERSION, MODEL_VERSION, YEARLY_VERSION, AnalysisSpec
from its_pipeline.schedules.schedule import Schedule


def fingerprint(
    outcome: pd.Series,
    intervention_on: object,
    spec: AnalysisSpec,
    covariates: pd.DataFrame | None = None,
    extra: Mapping[str, Any] | None = None,
    others: Mapping[str, object] | None = None,
    denominator: pd.Series | None = None,
) -> str:
    """Hash everything an analysis depends on.

    Missing days may be absent or NaN: both give the same fingerprint, as both give the same
    analysis, unless they change the window's first or last day.

    Parameters
    ----------
    outcome
        Local days (DatetimeIndex) to values.
    intervention_on
        Date-like, first day on; or a `Schedule`. One that is a single change is its date.
    spec
        Settings, seed included.
    covariates
        On the same index, or None.
    extra
        JSON-able values, e.g. the intervention's name and version.
    others
        Schedules or dates of other interventions in the same model, by name.
    denominator
        On the same index, or None.

    Returns
    -------
    str
        32 hexadecimal characters.

    Raises
    ------
    TypeError
        If `extra` is not JSON-able.
    """
    digest = hashlib.sha256()
    index = pd.DatetimeIndex(outcome.index)
    n_days = (index[-1] - index[0]).days + 1 if len(index) else 0
    head = {
        "model_version": MODEL_VERSION,
        **({"yearly_version": YEARLY_VERSION} if spec.has_yearly_season(n_days) else {}),
        **({"linked_version": LINKED_VERSION} if spec.is_count or spec.is_share else {}),
        **_acted(intervention_on),
        **({"others": {name: _acted(other) for name, other in others.items()}} if others else {}),
        "spec": spec.to_dict(),
        "extra": dict(extra or {}),
        "columns": [] if covariates is None else [str(name) for name in covariates.columns],
    }
    digest.update(json.dumps(head, sort_keys=True, allow_nan=False).encode())
    values = outcome.to_numpy(dtype=np.float64)
    present = ~np.isnan(values)
    if len(present):
        present[0] = present[-1] = True
    _update(digest, index[present].to_numpy().astype("datetime64[s]").astype(np.int64))
    _update(digest, values[present])
    if covariates is not None:
        aligned = covariates.reindex(outcome.index).to_numpy(dtype=np.float64)
        _update(digest, aligned[present])
    if denominator is not None:
        digest.update(b"denominator")
        _update(digest, denominator.reindex(outcome.index).to_numpy(dtype=np.float64)[present])
    return digest.hexdigest()[:32]


def _acted(when: Any) -> dict[str, Any]:
    """Return when an intervention acted; a single change as its date, as ever."""
    if isinstance(when, Schedule) and not when.is_single_change:
        # Of the instant of a lot only this counts: whether it was ahead of its days.
        told = {**when.with_drawn_at(None).to_dict(), "is_randomised": when.is_randomised}
        return {"intervention_on": when.first_on.isoformat(), "schedule": told}
    first = when.first_on if isinstance(when, Schedule) else pd.Timestamp(when).date()
    return {"intervention_on": first.isoformat()}


def _update(digest: Any, values: np.ndarray) -> None:
    canonical = np.ascontiguousarray(values)
    if canonical.dtype.kind == "f":
        canonical = np.where(np.isnan(canonical), np.nan, canonical) + 0.0
        canonical = canonical.astype("<f8")
    digest.update(str(canonical.shape).encode())
    digest.update(canonical.tobytes())
