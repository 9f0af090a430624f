"""The placebo audit: the pipeline's own intervals on days on which nothing was changed.

What belongs here: walking through the store's people, asking of each window what the pipeline would
say of it, and deciding when a factor is adopted. What does not: which stretches are windows
(`placebo_windows`), the arithmetic on them (`audit_numbers`), the files (`stores.placebo_audit`) or
the page (`trust`).
"""

from __future__ import annotations

import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from its_pipeline.events.intervention import Direction, Intervention
from its_pipeline.events.keys import experiment_key
from its_pipeline.experiments.audit_numbers import measured, needed_factors
from its_pipeline.experiments.placebo_windows import (
    LENGTHS,
    PretendedWindow,
    acted_days,
    pretended_windows,
)
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.trust import people_of, publish_trust
from its_pipeline.its.spec import MODEL_VERSION
from its_pipeline.settings import Settings
from its_pipeline.stores.placebo_audit import Audit, AuditStore, IntervalFactor, Measured

if TYPE_CHECKING:
    import pandas as pd

MOST_PEOPLE: Final = 500
"""People whose windows are looked at, chosen by a hash of their names, always the same: with as
many a coverage of 95 % is known to within a percent, and the audit takes minutes."""
GROWTH: Final = 1.2
"""A factor is adopted anew when so many times as many people stand behind it: a factor that moved
every week would have every experiment analysed every week."""
_COMPLETE: Final = timedelta(days=2)
"""After two UTC days a day is over in every time zone."""
_PEOPLE_AT_ONCE: Final = 100
#: Columns of the stored windows, with their types.
COLUMNS: Final[Mapping[str, str]] = {
    "metric": "object",
    "user_id": "object",
    "n_days": "int64",
    "middle_on": "object",
    "direction": "object",
    **dict.fromkeys(
        ("mean", "sd", "lower", "upper", "lower_90", "upper_90", "probability_of_benefit"),
        "float64",
    ),
}


@dataclass(frozen=True)
class AuditOutcome:
    """What an audit came to.

    Attributes
    ----------
    audit
        The measurement, stored.
    factors
        In force from now on, by metric.
    adopted
        Those of them that this audit put in force.
    """

    audit: Audit
    factors: Mapping[str, IntervalFactor]
    adopted: tuple[IntervalFactor, ...]


def run_audit(
    settings: Settings,
    *,
    adopt: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> AuditOutcome:
    """Measure the store's intervals, adopt the factors that are due, store and publish all of it.

    Parameters
    ----------
    settings
        The installation.
    adopt
        Adopt what was measured, due or not.
    on_progress
        Called with (people done, people in all).
    """
    started = time.perf_counter()
    store, snapshot = AuditStore(settings), Snapshot(settings)
    people = people_of(settings)
    windows = audit_windows(snapshot, people, on_progress)
    needed = needed_factors(windows)
    plain = {row.metric: row for row in measured(windows, {}) if row.n_days is None}
    known = store.factors()
    due = [
        _factor(plain[metric], factor)
        for metric, factor in needed.items()
        if adopt or is_due(known.get(metric), plain[metric].people)
    ]
    if due:
        store.adopt(due)
    factors = store.factors()
    audit = Audit(
        made_at=_now(),
        model_version=MODEL_VERSION,
        rows=measured(windows, {name: each.factor for name, each in factors.items()}),
        needed=needed,
        people=len(people),
        seconds=time.perf_counter() - started,
    )
    store.write(audit, windows)
    publish_trust(settings, snapshot)
    return AuditOutcome(audit, factors, tuple(factors[each.metric] for each in due))


def is_due(known: IntervalFactor | None, people: int) -> bool:
    """Tell whether a metric's factor is to be adopted without anybody's asking.

    It is where there is none yet, where a fifth more people stand behind it, or where the model is
    not the one that was measured.

    Parameters
    ----------
    known
        The factor in force.
    people
        Behind the new one.
    """
    if known is None or known.model_version != MODEL_VERSION:
        return True
    return people >= GROWTH * known.people


def audit_windows(
    snapshot: Snapshot,
    people: list[str],
    on_progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return what the pipeline says of every window, without any factor.

    Parameters
    ----------
    snapshot
        What is known now.
    people
        Whose windows; at most `MOST_PEOPLE` of them are looked at.
    on_progress
        Called with (people done, people in all).

    Returns
    -------
    pandas.DataFrame
        A row a window, columns `COLUMNS`.
    """
    import pandas as pd

    chosen = sorted(sorted(people, key=lambda user: zlib.crc32(user.encode()))[:MOST_PEOPLE])
    directions = _directions(snapshot)
    rows: list[dict[str, Any]] = []
    for first in range(0, len(chosen), _PEOPLE_AT_ONCE):
        part = chosen[first : first + _PEOPLE_AT_ONCE]
        # A snapshot keeps what it has read, so every part reads with one of its own.
        reader = Snapshot(snapshot.settings, snapshot.options, _logged(snapshot))
        reader.preload(experiment_key(user, "placebo") for user in part)
        for done, user in enumerate(part, first + 1):
            rows += _of_person(reader, user, directions)
            if on_progress is not None:
                on_progress(done, len(chosen))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict(COLUMNS))


def _logged(snapshot: Snapshot) -> list[Intervention]:
    return [each for found in snapshot.interventions.values() for each in found]


def _directions(snapshot: Snapshot) -> dict[str, Direction]:
    """Return which way a benefit points, by metric: as most interventions on it say."""
    counts: dict[str, Counter[Direction]] = {}
    for each in _logged(snapshot):
        counts.setdefault(each.outcome_metric, Counter())[each.direction] += 1
    return {metric: count.most_common(1)[0][0] for metric, count in counts.items()}


def _of_person(
    snapshot: Snapshot, user: str, directions: Mapping[str, Direction]
) -> Iterator[dict[str, Any]]:
    import numpy as np

    acted = acted_days(snapshot.interventions.get(user, ()))
    latest = np.datetime64(snapshot.settings.utc_today() - _COMPLETE)
    for metric in snapshot.metrics:
        series = snapshot.series(user, metric)
        days = series["day"].to_numpy().astype("datetime64[D]")
        days = days[days <= latest]
        values = series["value"].to_numpy(dtype=np.float64)[: len(days)]
        direction = directions.get(metric, "increase")
        for n_days in LENGTHS:
            for window in pretended_windows(days, values, n_days, acted):
                row = _judge(snapshot, user, metric, direction, window)
                if row is not None:
                    yield row


def _judge(
    snapshot: Snapshot, user: str, metric: str, direction: Direction, window: PretendedWindow
) -> dict[str, Any] | None:
    """Return what the pipeline would say of a window; None where it would refuse to say anything.

    The window is prepared as an experiment is, so its model is the metric's own, whatever that
    comes to consist of.
    """
    from its_pipeline.its import InvalidSeries
    from its_pipeline.its.headline import headline

    pretended = Intervention(
        user_id=user,
        intervention_id="placebo",
        outcome_metric=metric,
        started_on=window.middle_on,
        direction=direction,
        baseline_days=(window.middle_on - window.start_on).days,
        horizon_days=(window.end_on - window.middle_on).days + 1,
    )
    prepared = snapshot.prepare_intervention(pretended)
    if prepared.spec is None or prepared.outcome is None:
        return None
    spec = replace(prepared.spec, interval_factor=1.0)
    try:
        effect = headline(prepared.outcome, window.middle_on, spec, prepared.covariates)
    except InvalidSeries:
        return None
    rises = effect.above(0.0)
    return {
        "metric": metric,
        "user_id": user,
        "n_days": window.n_days,
        "middle_on": window.middle_on,
        "direction": direction,
        "mean": effect.mean,
        "sd": effect.sd,
        "lower": effect.quantile(0.025),
        "upper": effect.quantile(0.975),
        "lower_90": effect.quantile(0.05),
        "upper_90": effect.quantile(0.95),
        "probability_of_benefit": rises if direction == "increase" else 1.0 - rises,
    }


def _factor(row: Measured, factor: float) -> IntervalFactor:
    return IntervalFactor(
        metric=row.metric,
        version=1,
        factor=factor,
        adopted_at=_now(),
        people=row.people,
        windows=row.windows,
        coverage=row.coverage,
        model_version=MODEL_VERSION,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
