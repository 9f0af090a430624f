"""What a caller may ask of an analysis, and the version of the model that answers.

Only validated settings and their serialisation; no data, no computing. Importing this module
loads the standard library alone; which names there are stands in `registry`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from its_pipeline.its.estimand_names import told_scale
from its_pipeline.its.registry import DESIGNS, LIKELIHOODS, NOISE_MODELS
from its_pipeline.schedules.cadence import AUTO, Cadence

MODEL_VERSION = "ar1-white-1"
"""Part of every fingerprint: changes whenever the same input could give other numbers."""
YEARLY_VERSION = 1
"""Part of the fingerprint where `AnalysisSpec.has_yearly_season`: changes with anything of the
yearly season, so that only answers with one in their model are computed again."""
LINKED_VERSION = 5
"""Part of the fingerprint of counts, yes/no and shares: changes with their inference."""
FEWEST_DAYS_WITH_A_YEAR = 548
"""A year and a half. Where each day of the year was seen once, a season cannot be told from a drift
that goes and comes back."""

Direction = Literal["increase", "decrease"]
Season = Literal["day_of_week", "month", "year", "none"]
Estimator = Literal["segmented", "forecast"]
Carryover = Literal["none", "decay"]

_LATER_SETTINGS = ("noise", "design", "interval_factor", "carryover_days", "carryover", "cadence")
"""Settings that came after the first stored answers."""

LARGEST_FACTOR = 100.0
"""Of `AnalysisSpec.interval_factor`: intervals that are worse than that say nothing at all."""
_MOST_DRAWS = 100_000
_MOST_CHAINS = 64


@dataclass(frozen=True)
class AnalysisSpec:
    """Settings of one analysis.

    Parameters
    ----------
    direction
        Which way a benefit points: "increase" or "decrease".
    minimum_effect
        Smallest effect that counts as a benefit, in outcome units, >= 0.
    washout_days
        Time steps from the intervention (INCLUSIVE) that are left out of the fit.
    season
        "day_of_week", with a yearly season too where the days are enough (`has_yearly_season`);
        "month" (the unit of time is then the month); "year", the yearly season alone, of weeks; or
        "none". Where the unit of time is no day, "day_of_week" means that unit's own season; see
        `its.cadence`.
    slope
        Whether the slope may change at the intervention; "auto" puts it in the model where the
        trend is, small unless the data insist.
    estimator
        "segmented" (level and slope change in one regression) or "forecast" (fitted to the
        pre-period alone).
    likelihood
        How the outcome scatters: a name in `registry.LIKELIHOODS`. "normal" or "student_t" for
        measurements, "lognormal" for positive times and amounts, "poisson" or "negative_binomial"
        for counts, "binomial" for yes/no (0 and 1) and shares of trials.
    draws, tune, chains
        Kept draws per chain, warm-up draws per chain, number of chains, where the likelihood has
        to be sampled; where quadrature answers, how many draws are made of it on demand.
    seed
        Same input and seed, same numbers. 0 <= seed < 2**63.
    unit
        Unit of the outcome, for texts.
    trend
        Whether a linear trend over the whole series is in the model.
    noise
        How one day resembles the next: a name in `registry.NOISE_MODELS`, "ar1_white".
    design
        What the intervention may change: a name in `registry.DESIGNS`, "change" (level and slope).
    interval_factor
        What every effect's distance from its mean is multiplied by, in [1, 100]: sds, intervals,
        bands and probabilities alike. For outcomes on which the intervals were measured to be too
        narrow; 1 leaves them as the model says.
    carryover_days
        Time steps that are left out of the fit after every switch, on or off.
    carryover
        "decay" estimates what is left of the effect after stopping, fading over a few days; "none".
    cadence
        The unit of time: a name of `schedules.cadence.Cadence`; "auto" finds it from the dates.

    Raises
    ------
    ValueError
        Naming the field, the rule and the value.
    """

    direction: Direction = "increase"
    minimum_effect: float = 0.0
    washout_days: int = 0
    season: Season = "day_of_week"
    slope: Literal["auto"] | bool = "auto"
    estimator: Estimator = "segmented"
    likelihood: str = "normal"
    draws: int = 2000
    tune: int = 1000
    chains: int = 4
    seed: int = 0
    unit: str = ""
    trend: bool = True
    noise: str = "ar1_white"
    design: str = "change"
    interval_factor: float = 1.0
    carryover_days: int = 0
    carryover: Carryover = "none"
    cadence: str = AUTO

    def __post_init__(self) -> None:
        _check_choice("direction", self.direction, get_args(Direction))
        _check_choice("season", self.season, get_args(Season))
        _check_choice("estimator", self.estimator, get_args(Estimator))
        _check_choice("likelihood", self.likelihood, tuple(LIKELIHOODS))
        _check_choice("noise", self.noise, tuple(NOISE_MODELS))
        _check_choice("design", self.design, tuple(DESIGNS))
        if not (isinstance(self.slope, bool) or self.slope == "auto"):
            raise ValueError(f'slope must be "auto", True or False but got {self.slope!r}')
        if not isinstance(self.trend, bool):
            raise ValueError(f"trend must be True or False but got {self.trend!r}")
        if self.slope is True and not self.trend:
            raise ValueError("slope=True needs trend=True: a slope change needs a slope to change")
        if isinstance(self.minimum_effect, bool) or not isinstance(
            self.minimum_effect, (int, float)
        ):
            raise ValueError(f"minimum_effect must be a number but got {self.minimum_effect!r}")
        if not (math.isfinite(self.minimum_effect) and self.minimum_effect >= 0):
            raise ValueError(
                f"minimum_effect must be finite and >= 0 but got {self.minimum_effect!r}; "
                "the direction is said by `direction`"
            )
        object.__setattr__(self, "minimum_effect", float(self.minimum_effect))
        _check_factor(self.interval_factor)
        object.__setattr__(self, "interval_factor", float(self.interval_factor))
        _check_integer("washout_days", self.washout_days, 0, 3650)
        _check_integer("carryover_days", self.carryover_days, 0, 3650)
        _check_choice("carryover", self.carryover, get_args(Carryover))
        _check_integer("draws", self.draws, 1, _MOST_DRAWS)
        _check_integer("tune", self.tune, 50, _MOST_DRAWS)
        _check_integer("chains", self.chains, 1, _MOST_CHAINS)
        _check_integer("seed", self.seed, 0, 2**63 - 1)
        if not isinstance(self.unit, str):
            raise ValueError(f"unit must be text but got {self.unit!r}")
        cadence = "month" if self.cadence == AUTO else Cadence.of(self.cadence).name
        if self.season == "month" and cadence != "month":
            raise ValueError(f'season="month" needs months but cadence is {cadence!r}')
        if self.season == "year" and self.cadence != "week":
            raise ValueError(f'season="year" needs cadence="week" but it is {self.cadence!r}')

    @property
    def calendar(self) -> Cadence:
        """The unit of time: of a spec that `its.cadence` has resolved, the series' own."""
        if self.cadence != AUTO:
            return Cadence.of(self.cadence)
        return Cadence.of("month" if self.season == "month" else "day")

    @property
    def is_logarithmic(self) -> bool:
        """Whether the logarithm of the outcome is modelled."""
        return self.likelihood == "lognormal"

    @property
    def is_count(self) -> bool:
        """Whether the outcome is a number of events."""
        return self.likelihood in ("poisson", "negative_binomial")

    @property
    def is_share(self) -> bool:
        """Whether the outcome is yes/no, or a share of trials."""
        return self.likelihood == "binomial"

    @property
    def has_secular_trend(self) -> bool:
        """Whether these are counts or shares of months, quarters or years.

        Over years, populations and what is counted in them grow and shrink; the small trend that
        people's days have (`priors.TREND_SDS`) would count such a change as the intervention's.
        """
        return (self.is_count or self.is_share) and self.calendar.unit == "month"

    @property
    def possible(self) -> tuple[float, float]:
        """Least and largest value that the outcome can have, as far as its kind says."""
        if self.is_share:
            return 0.0, 1.0
        return (0.0 if self.is_count else -math.inf), math.inf

    @property
    def told_effect(self) -> tuple[float, str]:
        """What people are told effects times, and in which unit: shares in percentage points."""
        return told_scale(self.likelihood, self.unit)

    @property
    def step(self) -> str:
        """Name of one time step, as "day", "month" or "session"."""
        return self.calendar.step

    @property
    def slope_period(self) -> str:
        """Period the slope change is stated in: "week" for daily series, else one step."""
        return "week" if self.calendar.is_daily else self.step

    @property
    def steps_per_slope_period(self) -> int:
        """How many time steps one slope period has: 7 days, or one step."""
        return 7 if self.calendar.is_daily else 1

    def has_yearly_season(self, n_days: int) -> bool:
        """Tell whether a yearly season is in the model of a window.

        Parameters
        ----------
        n_days
            Calendar days from the window's first to its last; weeks are counted by `its.cadence`.
        """
        return self.season == "year" or (
            self.season == "day_of_week" and n_days >= FEWEST_DAYS_WITH_A_YEAR
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-able values.

        A setting of `_LATER_SETTINGS` is left out while it has its default: an answer that was
        stored before there was such a setting keeps its fingerprint.
        """
        values = asdict(self)
        defaults = {field.name: field.default for field in fields(self)}
        for name in _LATER_SETTINGS:
            if values[name] == defaults[name]:
                del values[name]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AnalysisSpec:
        """Build a spec from `to_dict`'s output.

        Parameters
        ----------
        values
            Some or all of the settings; the others keep their defaults.

        Raises
        ------
        ValueError
            If a name is unknown, or a value breaks its rule.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"unknown settings {unknown}; known are {sorted(known)}")
        return cls(**values)


def _check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)} but got {value!r}")


def _check_factor(value: Any) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (is_number and 1.0 <= float(value) <= LARGEST_FACTOR):
        raise ValueError(
            f"interval_factor must be a number in [1, {LARGEST_FACTOR:g}] but got {value!r}: "
            "intervals are widened, never narrowed"
        )


def _check_integer(name: str, value: object, lowest: int, highest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise ValueError(f"{name} must be an integer in [{lowest}, {highest}] but got {value!r}")
