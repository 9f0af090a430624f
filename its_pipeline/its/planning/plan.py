"""`plan`: how long somebody must try something before its effect can be told from their noise.

What belongs here: from a person's own days to the probability of a verdict over the number of days,
for each design. What does not: the formula (`assurance`), the designs' days (`designs`), or asking
for people in a store (`experiments`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from types import MappingProxyType

import numpy as np
import pandas as pd

from its_pipeline.its.cadence import in_steps
from its_pipeline.its.errors import InsufficientData
from its_pipeline.its.exposure import Exposure
from its_pipeline.its.planning.assurance import assurance, critical_z
from its_pipeline.its.planning.designs import PLANNED_DESIGNS
from its_pipeline.its.planning.rehearsal import Rehearsal, Rehearsed
from its_pipeline.its.series import (
    MINIMUM_DAYS,
    POST,
    PRE,
    WASHOUT,
    PreparedSeries,
    laid_on_calendar,
    standardisation,
)
from its_pipeline.its.spec import AnalysisSpec, Direction
from its_pipeline.schedules.look_plans import DAILY, LOOK_PLANS
from its_pipeline.schedules.schedule import Schedule

POWER = 0.8
LONGEST_DAYS = 365
"""Plans look no further ahead."""
SMALLEST_EFFECT, LARGEST_EFFECT = 1e-12, 1e12
"""Of effects that are asked about, in outcome units: half and double can be told of as well."""
AB = "AB"
_DAYS = (8, 11, 15, 21, 30, 42, 60, 90, 130, 180, 250, LONGEST_DAYS)
_LARGEST = 64.0
"""In sds of the baseline: what days do not show of an effect that large they show of none."""
_LEAST_SHARE = 0.05


@dataclass(frozen=True, eq=False)
class ExperimentPlan:
    """How probable a verdict of "helped" is, by the number of days, and how many are needed.

    Parameters
    ----------
    effect
        The true average effect asked about, in outcome units, above 0; in the wanted direction.
    direction
        Which change is the benefit.
    power
        Probability of a verdict that is wanted.
    looks
        The plan of looking, a name in `schedules.look_plans.LOOK_PLANS`.
    baseline_sd
        Of the baseline's days, in outcome units; of several people's on average.
    n_baseline
        Observed days of the baseline, of all people together.
    n_people
        Whose days it was planned from.
    cadence
        The unit of time: what all its days are.
    """

    effect: float
    direction: Direction
    power: float
    looks: str
    baseline_sd: float
    n_baseline: int
    n_people: int
    cadence: str
    _foresights: tuple[_Foresight, ...] = field(repr=False)

    @cached_property
    def days_needed(self) -> int | None:
        """Days with the intervention until `power` is reached; None beyond `LONGEST_DAYS`."""
        return self.days_needed_by(AB)

    @cached_property
    def by_design(self) -> Mapping[str, int | None]:
        """Days needed after the baseline by design, days off among them; None beyond a year."""
        return MappingProxyType({name: self.days_needed_by(name) for name in PLANNED_DESIGNS})

    def power_at(self, n_days: int, effect: float | None = None, design: str = AB) -> float:
        """Return the probability of a verdict of "helped" within some days after the baseline.

        Parameters
        ----------
        n_days
            Calendar days, at least 1.
        effect
            Another true effect than the one asked about, in outcome units.
        design
            A name in `planning.designs.PLANNED_DESIGNS`.
        """
        size = self.effect if effect is None else _checked_effect(effect)
        return self._power(design, _checked_days(n_days), size)

    def detectable(self, n_days: int, design: str = AB) -> float:
        """Return the smallest effect that some days show with `power`, in outcome units.

        Parameters
        ----------
        n_days, design
            As in `power_at`. Infinite where the days are too few for any verdict.
        """
        n = _checked_days(n_days)
        low, high = 0.0, self.baseline_sd
        while self._power(design, n, high) < self.power:
            if high > _LARGEST * self.baseline_sd:
                return math.inf
            low, high = high, 2.0 * high
        while high - low > 1e-3 * high:
            middle = 0.5 * (low + high)
            enough = self._power(design, n, middle) >= self.power
            low, high = (low, middle) if enough else (middle, high)
        return high

    def days_needed_by(self, design: str, effect: float | None = None) -> int | None:
        """Return the days needed by one design, for the effect asked about or another.

        Parameters
        ----------
        design, effect
            As in `power_at`.
        """
        low = 0
        # Not a bisection over all: far ahead, a straight trend that may be there makes power fall.
        for high in _DAYS:
            if self.power_at(high, effect, design) >= self.power:
                break
            low = high
        else:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            enough = self.power_at(middle, effect, design) >= self.power
            low, high = (low, middle) if enough else (middle, high)
        return high

    def _power(self, design: str, n_days: int, effect: float) -> float:
        found = [each.power(design, n_days, effect) for each in self._foresights]
        return sum(found) / len(found)


def plan(
    baseline: pd.Series | Sequence[pd.Series],
    effect: float | None = None,
    direction: Direction = "increase",
    power: float = POWER,
    looks: str = DAILY,
    spec: AnalysisSpec | None = None,
) -> ExperimentPlan:
    """Plan an experiment from a person's own days.

    Parameters
    ----------
    baseline
        Local days to values, as `analyze` takes them, without any intervention; or several
        people's, where nothing is known of the one who asks: each is as probable as the others.
    effect
        True average effect in outcome units, above 0; one standard deviation of the baseline by
        default.
    direction
        Which change is the benefit.
    power
        Probability of a verdict that is wanted, in (0, 1).
    looks
        How it will be looked at: a name in `schedules.look_plans.LOOK_PLANS`.
    spec
        Settings of the analysis to come.

    Raises
    ------
    InvalidSeries
        If the series breaks a rule.
    InsufficientData
        If fewer than 8 days of the baseline were observed.
    ValueError
        If another argument breaks a rule.
    """
    spec = AnalysisSpec(direction=direction) if spec is None else spec
    if not 0.0 < power < 1.0:
        raise ValueError(f"power must lie in (0, 1) but got {power!r}")
    if looks not in LOOK_PLANS:
        raise ValueError(f"looks must be one of {', '.join(LOOK_PLANS)} but got {looks!r}")
    if effect is not None and not SMALLEST_EFFECT <= _checked_effect(effect) <= LARGEST_EFFECT:
        raise ValueError(
            f"effect must be from {SMALLEST_EFFECT:g} to {LARGEST_EFFECT:g} but got {effect!r}; "
            "say it in the unit of the outcome"
        )
    baselines = [baseline] if isinstance(baseline, pd.Series) else list(baseline)
    if not baselines:
        raise ValueError("a plan needs the days of at least one person but got none")
    laid = [in_steps(each, None, spec) for each in baselines]
    units = sorted({f"{each.spec.step}s" for each in laid})
    if len(units) > 1:
        raise ValueError(
            f"the baselines of a plan must have one unit of time but got {' and '.join(units)}"
        )
    # A season that one baseline is too short to tell is in none of them.
    spec = min((each.spec for each in laid), key=lambda found: found.season != "none")
    prepared = [prepared_baseline(each.outcome, spec) for each in laid]
    baseline_sd = float(np.mean([series.scale for series in prepared]))
    return ExperimentPlan(
        effect=baseline_sd if effect is None else float(effect),
        direction=direction,
        power=power,
        looks=looks,
        baseline_sd=baseline_sd,
        n_baseline=sum(series.n_pre for series in prepared),
        n_people=len(prepared),
        cadence=spec.calendar.name,
        _foresights=tuple(_Foresight(series, spec, looks) for series in prepared),
    )


class _Foresight:
    """What days after one baseline would show, each number of days of a design computed once."""

    def __init__(self, series: PreparedSeries, spec: AnalysisSpec, looks: str) -> None:
        self._series = series
        self._spec = spec
        self._looks = looks
        self._share = max(_LEAST_SHARE, float(series.observed.mean()))
        self._rehearsal = Rehearsal(series, spec, LONGEST_DAYS)
        self._rehearsed: dict[tuple[str, int], Rehearsed] = {}
        self._effects: dict[tuple[str, int], np.ndarray] = {}
        self._firsts: dict[str, int] = {}

    def power(self, design: str, n_days: int, effect: float) -> float:
        first = self._first(design)
        if n_days < first:
            return 0.0
        days = [first, *(day for day in _DAYS if day > first)]
        above = next((at for at, day in enumerate(days) if day >= n_days), len(days) - 1)
        needed = self._needed(design, days, above)
        if days[above] > n_days:
            # Between days that were rehearsed what is needed hardly bends over the log of days.
            below, over = days[above - 1], days[above]
            share = math.log(n_days / below) / math.log(over / below)
            needed = (1.0 - share) * self._needed(design, days, above - 1) + share * needed
        return assurance(needed, effect / self._series.scale)

    def _needed(self, design: str, days: list[int], last: int) -> np.ndarray:
        """Return the effect at which some look at each course says "helped", standardised.

        A look every day is told from looks on some of them: what one of these misses is said at the
        next.
        """
        key = design, days[last]
        if key not in self._effects:
            found = [self._rehearse(design, day) for day in days[: last + 1]]
            horizon = found[-1]
            shares = np.array([np.mean(each.precision / horizon.precision) for each in found])
            n_looks = max(len(found), 1 + round((days[last] - days[0]) * self._share))
            critical = critical_z(self._looks, shares, n_looks, 1.0 / horizon.sd**2)
            told = zip(found, critical, strict=True)
            self._effects[key] = np.min([e.needed(z) for e, z in told if math.isfinite(z)], axis=0)
        return self._effects[key]

    def _rehearse(self, design: str, n_days: int) -> Rehearsed:
        key = design, n_days
        if key not in self._rehearsed:
            self._rehearsed[key] = self._rehearsal.of(self._days(design, n_days))
        return self._rehearsed[key]

    def _first(self, design: str) -> int:
        """Return the first day after which enough days with the intervention were observed."""
        if design not in self._firsts:
            n = MINIMUM_DAYS
            while self._days(design, n).n_post < MINIMUM_DAYS:
                n += 1
            self._firsts[design] = n
        return self._firsts[design]

    def _days(self, design: str, n_days: int) -> PreparedSeries:
        series, spec = self._series, self._spec
        before = len(series.values)
        is_on = np.concatenate([np.zeros(before, dtype=bool), PLANNED_DESIGNS[design](n_days)])
        ahead = np.arange(1, n_days + 1) * self._share + 1e-9
        is_seen = np.floor(ahead) > np.floor(ahead - self._share)
        exposure = Exposure("", np.arange(len(is_on)) - int(np.argmax(is_on)), is_on)
        is_left_out = exposure.is_left_out(spec.washout_days, spec.carryover_days)
        # Without a season dates tell nothing, and a year's steps would leave the calendar.
        freq = "D" if spec.season == "none" else spec.calendar.freq
        return _laid_out(
            pd.date_range(series.days[0], periods=len(is_on), freq=freq),
            np.append(series.values, np.where(is_seen, 0.0, np.nan)),
            np.where(is_left_out, WASHOUT, np.where(is_on, POST, PRE)),
            exposure,
            series.centre,
            series.scale,
            spec,
        )


def prepared_baseline(outcome: pd.Series, spec: AnalysisSpec) -> PreparedSeries:
    """Return a baseline on its calendar, standardised; see `plan` for what is raised."""
    days, values, _ = laid_on_calendar(outcome, spec)
    seen = np.isfinite(values)
    if seen.sum() < MINIMUM_DAYS:
        raise InsufficientData(int(seen.sum()), 0, MINIMUM_DAYS, f"{spec.step}s", False)
    centre, scale, _ = standardisation(values[seen])
    n = len(values)
    exposure = Exposure("", np.arange(n) - n, np.zeros(n, dtype=bool))
    return _laid_out(days, values, np.full(n, PRE), exposure, centre, scale, spec)


def _laid_out(
    days: pd.DatetimeIndex,
    values: np.ndarray,
    phase: np.ndarray,
    exposure: Exposure,
    centre: float,
    scale: float,
    spec: AnalysisSpec,
) -> PreparedSeries:
    start_on: date = days[0].date()
    return PreparedSeries(
        days=days,
        steps=exposure.steps,
        values=values,
        phase=phase,
        exposure=exposure,
        others=(),
        schedule=Schedule.since(start_on),
        intervention_on=start_on,
        fit_start_on=start_on,
        centre=centre,
        scale=scale,
        flat_baseline=False,
        has_yearly_season=spec.has_yearly_season(len(days)),
    )


def _checked_effect(effect: float) -> float:
    if not (math.isfinite(effect) and effect > 0.0):
        raise ValueError(
            f"effect must be finite and above 0 but got {effect!r}; which way a benefit points is "
            "said by `direction`"
        )
    return float(effect)


def _checked_days(n_days: int) -> int:
    if isinstance(n_days, bool) or n_days != int(n_days) or n_days < 1:
        raise ValueError(f"n_days must be a whole number of at least 1 but got {n_days!r}")
    return int(n_days)
