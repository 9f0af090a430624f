"""Planning for people in a store: how long somebody must try something, from their own days.

What belongs here: which days a plan is made from, the person's own or, where nothing is known of
them, other people's. What does not: the plan itself (`its.planning`), or whether an experiment can
be analysed yet (`plan`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from its_pipeline.events.metrics import OutcomeMetric, get_metric
from its_pipeline.experiments.placebo_windows import acted_days
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.prepared import Prepared
from its_pipeline.experiments.window import last_complete_day
from its_pipeline.schedules.cadence import AUTO, DAYS, Cadence, find_cadence
from its_pipeline.schedules.look_plans import DAILY
from its_pipeline.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from its_pipeline.events.intervention import Direction
    from its_pipeline.experiments.plan import Plan
    from its_pipeline.its import AnalysisSpec
    from its_pipeline.its.planning.plan import ExperimentPlan

BASELINE_DAYS = 90
"""Newest calendar days (weeks, months) that a plan is made from."""
MOST_PEOPLE = 12
"""Other people whose days serve where a person has too few."""


class NothingToPlanFromError(LookupError):
    """Neither the person nor anybody else has days enough of the outcome."""


def plan_for(
    snapshot: Snapshot,
    user_id: str,
    outcome_metric: str,
    effect: float | None = None,
    *,
    direction: Direction = "increase",
    power: float = 0.8,
    looks: str = DAILY,
) -> tuple[ExperimentPlan, bool]:
    """Plan an experiment of one person.

    Parameters
    ----------
    snapshot
        What is known now.
    user_id, outcome_metric
        Whose, and of what.
    effect, direction, power, looks
        As in `its_pipeline.its.plan`.

    Returns
    -------
    tuple
        The plan, and whether it was made from the person's own days.

    Raises
    ------
    UnknownMetricError
        No such metric is registered.
    NothingToPlanFromError
        Neither the person nor anybody else has eight observed days of the newest ninety on which
        nothing acted.
    ValueError
        If another argument breaks a rule.
    """
    from its_pipeline.its.planning.plan import plan

    metric = get_metric(snapshot.metrics, outcome_metric)
    spec = _spec(metric, direction)
    own = _baseline(snapshot, user_id, metric.name)
    if own is not None:
        return plan(own, effect, direction, power, looks, spec), True
    others = _others(snapshot, user_id, metric.name)
    if not others:
        days = snapshot.series(user_id, metric.name)["day"].to_numpy().astype("datetime64[D]")
        step = _calendar(snapshot, days, metric.name).step
        raise NothingToPlanFromError(
            f"nobody has eight observed {step}s of {metric.name} on which nothing "
            f"acted, so there is nothing to plan {user_id}'s experiment from; import some first"
        )
    return plan(others, effect, direction, power, looks, spec), False


def plan_of(settings: Settings, prepared: Prepared) -> tuple[ExperimentPlan, bool] | None:
    """Plan a prepared experiment for the least effect that matters, or one sd of the baseline.

    Parameters
    ----------
    settings
        The installation's.
    prepared
        The experiment; the baseline of its window is what it is planned from.

    Returns
    -------
    tuple or None
        As `plan_for`; None where there is nothing to plan from, or no coming days to plan.
    """
    import numpy as np

    from its_pipeline.its.planning.plan import plan

    intervention, metric = prepared.intervention, prepared.metric
    if metric is None or prepared.plan.state not in ("ready", "waiting"):
        return None
    days = prepared.daily["day"].to_numpy().astype("datetime64[D]")
    before = days < np.datetime64(prepared.plan.window.started_on)
    values = prepared.daily["value"].to_numpy(dtype=float)
    own = _usable(days[before], values[before])
    baselines = (
        [own] if own is not None else _others(Snapshot(settings), intervention.user_id, metric.name)
    )
    if not baselines:
        return None
    found = plan(
        baselines,
        intervention.minimum_effect or None,
        intervention.direction,
        looks=intervention.looks,
        spec=_spec(metric, intervention.direction, prepared.plan.cadence),
    )
    return found, own is not None


def with_days_needed(settings: Settings, prepared: Prepared) -> Plan:
    """Return the plan of a prepared experiment with the days that it needs."""
    found = plan_of(settings, prepared)
    if found is None:
        return prepared.plan
    planned, is_own = found
    return replace(
        prepared.plan,
        days_needed=planned.days_needed,
        planned_effect=planned.effect,
        planned_from="own" if is_own else "others",
    )


def _spec(metric: OutcomeMetric, direction: Direction, cadence: str = DAYS.name) -> AnalysisSpec:
    from its_pipeline.its.spec import AnalysisSpec

    settings = metric.analysis.model_settings()
    # A plan is made with normal innovations and the segmented model, whatever the analysis does.
    kept = {
        name: settings[name] for name in ("season", "slope", "trend", "cadence") if name in settings
    }
    if cadence != DAYS.name:
        kept["cadence"] = cadence
    return AnalysisSpec(direction=direction, unit=metric.unit, **kept)


def _baseline(snapshot: Snapshot, user_id: str, outcome: str) -> pd.Series | None:
    """Return a person's newest days on which nothing acted; None where they are too few."""
    import numpy as np

    interventions = snapshot.interventions.get(user_id, ())
    zone = interventions[-1].time_zone if interventions else "UTC"
    last_on = last_complete_day(zone, snapshot.settings.today_on)
    rows = snapshot.series(user_id, outcome)
    days = rows["day"].to_numpy().astype("datetime64[D]")
    calendar = _calendar(snapshot, days, outcome)
    if calendar.is_sessions and len(days):
        last_on = days[-1].item()
    first_on = calendar.later(last_on, 1 - BASELINE_DAYS)
    usable = (days >= np.datetime64(first_on)) & (days <= np.datetime64(last_on))
    for from_on, to_on in acted_days(interventions):
        usable &= ~((days >= np.datetime64(from_on)) & (days <= np.datetime64(to_on)))
    return _usable(days[usable], rows["value"].to_numpy(dtype=float)[usable])


def _calendar(snapshot: Snapshot, days: np.ndarray, outcome: str) -> Cadence:
    said = snapshot.metrics[outcome].analysis.cadence or AUTO
    return find_cadence(days) if said == AUTO else Cadence.of(said)


def _usable(days: np.ndarray, values: np.ndarray) -> pd.Series | None:
    """Return days as a baseline; None where they are too few, or all alike."""
    import numpy as np
    import pandas as pd

    from its_pipeline.its.series import MINIMUM_DAYS

    seen = np.isfinite(values)
    chosen = values[seen]
    if len(chosen) < MINIMUM_DAYS or not np.ptp(chosen) > 0.0:
        return None
    return pd.Series(chosen, pd.DatetimeIndex(days[seen].astype("datetime64[ns]")))


def _others(snapshot: Snapshot, user_id: str, outcome: str) -> list[pd.Series]:
    """Return baselines of other people; the same ones whoever asks."""
    found: list[pd.Series] = []
    for other in snapshot.people(outcome):
        if len(found) == MOST_PEOPLE:
            break
        baseline = None if other == user_id else _baseline(snapshot, other, outcome)
        # People who are measured in another unit of time say nothing of this one's days.
        if baseline is not None and _calendar_of(baseline) == _calendar_of(
            (found or [baseline])[0]
        ):
            found.append(baseline)
    return found


def _calendar_of(baseline: pd.Series) -> Cadence:
    return find_cadence(baseline.index.to_numpy())
